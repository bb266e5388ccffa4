"""docker save: images as one tar, which is a docker archive (`manifest.json`) and an OCI layout at the same time.

Docker, Podman and skopeo read it. Layers lie in it as they lie in the store, compressed; each blob once. Source: OCI
image-spec `image-layout.md`, docker/docker `image/spec/v1.2.md`, containerd's annotation for names.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_engine.errors import InvalidRequest, NotFound
from kernel_engine.formats import reference as references
from kernel_engine.formats.reference import Reference
from kernel_engine.images import made
from kernel_engine.images import manifest as manifests
from kernel_engine.images.archive import NAME, REF
from kernel_engine.images.catalogue import LayerBlob
from kernel_engine.images.digest import Digest, chain_ids, hex_of, of
from kernel_engine.images.image import Image
from kernel_engine.images.manifest import Descriptor
from kernel_engine.images.pack import header
from kernel_engine.images.stock import Stock
from kernel_engine.images.tar_reader import BLOCK, DIRECTORY, REGULAR, Entry

_READ = 1 << 20
_BLOBS = "blobs/sha256"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One image to save, and the names that it is saved under."""

    image: Image
    names: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saved:
    chosen: Chosen
    layers: tuple[LayerBlob, ...]
    manifest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """One file of the archive: bytes, or a blob of the store."""

    name: str
    size: int
    content: bytes | Path


def choose(stock: Stock, words: Sequence[str]) -> tuple[Chosen, ...]:
    """`name:tag` is that name; `name` is every tag of it; an id is the image without a name. NotFound for none."""
    if not words:
        raise InvalidRequest("no image names given")
    found: dict[str, Chosen] = {}
    for word in words:
        for image, names in _named(stock, word):
            before = found[image.id].names if image.id in found else ()
            found[image.id] = Chosen(image=image, names=tuple(dict.fromkeys((*before, *names))))
    return tuple(found.values())


def _named(stock: Stock, word: str) -> list[tuple[Image, tuple[Reference, ...]]]:
    wanted = references.parse_any(word)
    if isinstance(wanted, Reference) and not wanted.tag and not wanted.digest:
        of_repository: dict[str, list[Reference]] = {}
        for image in stock.catalogue.all():
            names = [name for name in stock.catalogue.names(image.id) if name.name == wanted.name and name.tag]
            if names:
                of_repository[image.id] = names
        if of_repository:
            pairs = ((stock.catalogue.by_id(image_id), names) for image_id, names in of_repository.items())
            return [(image, tuple(names)) for image, names in pairs if image is not None]
    image = stock.catalogue.get(word)
    if isinstance(wanted, Reference) and wanted.tag and stock.catalogue.find(wanted) is not None:
        return [(image, (wanted,))]
    if isinstance(wanted, Reference) and wanted.tag:
        raise NotFound(f"No such image: {wanted.familiar}")
    return [(image, ())]


async def save(stock: Stock, chosen: Sequence[Chosen]) -> AsyncIterator[bytes]:
    """The archive's bytes. What can go wrong goes wrong before the first of them."""
    with ExitStack() as held:
        saved = []
        for item in chosen:
            chain = chain_ids(item.image.diff_ids)
            held.enter_context(stock.hold(chain))
            pairs = zip(item.image.diff_ids, chain, strict=True)
            layers = tuple([await made.compressed(stock, *ids) for ids in pairs])
            held.enter_context(stock.hold([blob.descriptor.digest for blob in layers]))
            saved.append(_Saved(chosen=item, layers=layers, manifest=_manifest(item.image, layers)))
        async for piece in _archive(_members(stock, saved)):
            yield piece


def _manifest(image: Image, layers: Sequence[LayerBlob]) -> bytes:
    config = Descriptor(media_type=manifests.OCI_CONFIG, digest=Digest(image.id), size=len(image.raw))
    return manifests.write_oci(config, [blob.descriptor for blob in layers])


def _members(stock: Stock, saved: Sequence[_Saved]) -> list[_Member]:
    """Every file once: an image's configuration, manifest and layers, then what lists them."""
    members: dict[str, _Member] = {}

    def put(name: str, content: bytes | Path, size: int) -> None:
        members.setdefault(name, _Member(name=name, content=content, size=size))

    for item in saved:
        raw = item.chosen.image.raw
        for blob in item.layers:
            digest = blob.descriptor.digest
            put(_place(digest), stock.blobs.path(digest), blob.descriptor.size)
        put(_place(item.chosen.image.id), raw, len(raw))
        put(_place(of(item.manifest)), item.manifest, len(item.manifest))
    index, listing = _index(saved), _listing(saved)
    put("index.json", index, len(index))
    put("manifest.json", listing, len(listing))
    put("oci-layout", LAYOUT, len(LAYOUT))
    return list(members.values())


def _place(digest: str) -> str:
    return f"{_BLOBS}/{hex_of(digest)}"


def _listing(saved: Sequence[_Saved]) -> bytes:
    """Docker's manifest.json."""
    rows = [
        {
            "Config": _place(item.chosen.image.id),
            "RepoTags": [name.familiar for name in item.chosen.names] or None,
            "Layers": [_place(blob.descriptor.digest) for blob in item.layers],
        }
        for item in saved
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


def _index(saved: Sequence[_Saved]) -> bytes:
    """OCI's index.json: an entry for each name, or one without."""
    entries: list[dict[str, Any]] = []
    for item in saved:
        descriptor = Descriptor(
            media_type=manifests.OCI_MANIFEST, digest=of(item.manifest), size=len(item.manifest)
        ).json()
        for name in item.chosen.names:
            entries.append({**descriptor, "annotations": {NAME: str(name), REF: name.tag}})
        if not item.chosen.names:
            entries.append(descriptor)
    document = {"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": entries}
    return json.dumps(document, separators=(",", ":")).encode()


async def _archive(members: Sequence[_Member]) -> AsyncIterator[bytes]:
    for folder in ("blobs/", f"{_BLOBS}/"):
        yield header(_entry(folder, DIRECTORY, 0o755, 0))
    for member in members:
        yield header(_entry(member.name, REGULAR, 0o644, member.size))
        if isinstance(member.content, bytes):
            yield member.content
        else:
            with member.content.open("rb") as file:
                while data := await asyncio.to_thread(file.read, _READ):
                    yield data
        yield bytes(-member.size % BLOCK)
    yield bytes(2 * BLOCK)


def _entry(name: str, kind: bytes, mode: int, size: int) -> Entry:
    return Entry(name=name.encode(), kind=kind, mode=mode, uid=0, gid=0, size=size, mtime=0, target=b"")
