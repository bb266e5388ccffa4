"""Content digests and chain ids (OCI image-spec, descriptor.md and config.md). Pure; only sha256 is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NewType

from kernel_engine.errors import CorruptData, InvalidRequest
from kernel_engine.formats.reference import check_digest

Digest = NewType("Digest", str)
#: the diff id of an archive without entries (1024 zero bytes); Docker adds no layer for it
EMPTY_LAYER = Digest("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")


def of(data: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def parse(text: object) -> Digest:
    """A digest from outside. CorruptData where it is none; only sha256 is accepted."""
    try:
        digest = check_digest(str(text))
    except InvalidRequest as error:
        raise CorruptData(error.message) from None
    if not digest.startswith("sha256:"):
        raise CorruptData("unsupported digest algorithm")
    return Digest(digest)


def hex_of(digest: str) -> str:
    return digest.partition(":")[2]


def short(digest: str) -> str:
    """The twelve characters that Docker shows."""
    return (hex_of(digest) or digest)[:12]


def check(data: bytes, expected: str) -> bytes:
    """`data`, or CorruptData where it does not have the digest."""
    if of(data) != expected:
        raise CorruptData(f"content does not match its digest: want {expected}, got {of(data)}")
    return data


def chain_ids(diff_ids: Iterable[str]) -> tuple[Digest, ...]:
    """The chain id of each layer, lowest first."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest(diff_id) if not chain else of(f"{chain[-1]} {diff_id}".encode()))
    return tuple(chain)
