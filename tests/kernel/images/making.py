"""Images made on the spot: layer archives, and the documents of a registry around them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from kernel_engine.images.manifest import DOCKER_CONFIG, DOCKER_MANIFEST, OCI_INDEX
from kernel_engine.workers.pool import Workers

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
GZIP_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@asynccontextmanager
async def working() -> AsyncIterator[Workers]:
    """Worker processes of the test's own."""
    workers = Workers("kernel_engine.images.worker")
    try:
        yield workers
    finally:
        await workers.close()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def file(name: str, data: bytes = b"", *, mode: int = 0o644, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    return _more(entry, more), data


def directory(name: str, *, mode: int = 0o755, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    return _more(entry, more), b""


def link(name: str, target: str, *, hard: bool = False, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.LNKTYPE if hard else tarfile.SYMTYPE, target
    return _more(entry, more), b""


def device(name: str, kind: bytes, major: int = 0, minor: int = 0, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.devmajor, entry.devminor = kind, major, minor
    return _more(entry, more), b""


def _more(entry: tarfile.TarInfo, more: dict[str, Any]) -> tarfile.TarInfo:
    for key, value in more.items():
        setattr(entry, key, value)
    return entry


def tar(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format, encoding="utf-8") as archive:
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One image: every document by its digest, and the manifest that a tag points at."""

    manifest: bytes
    media_type: str
    blobs: dict[str, bytes]
    layers: tuple[str, ...]  #: digests of the compressed layers
    config: bytes = b""

    @property
    def id(self) -> str:
        return digest(self.config)


def image(
    *tars: bytes,
    config: dict[str, Any] | None = None,
    packed: Iterable[bytes] | None = None,
    layer_type: str = GZIP_LAYER,
    diff_ids: list[str] | None = None,
    architecture: str = MACHINE,
    **document: Any,
) -> Made:
    compressed = list(packed) if packed is not None else [gzip.compress(data, 1, mtime=0) for data in tars]
    history = [{"created": "2024-01-02T03:04:05Z", "created_by": f"step {number}"} for number in range(len(tars))]
    raw = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "created": "2024-01-02T03:04:05.123456789Z",
            "config": config or {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids if diff_ids is not None else [digest(d) for d in tars]},
            "history": history,
            **document,
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": DOCKER_CONFIG, "size": len(raw), "digest": digest(raw)},
            "layers": [{"mediaType": layer_type, "size": len(d), "digest": digest(d)} for d in compressed],
        }
    ).encode()
    return Made(
        manifest=manifest,
        media_type=DOCKER_MANIFEST,
        blobs={digest(data): data for data in (raw, *compressed)},
        layers=tuple(digest(data) for data in compressed),
        config=raw,
    )


def index(**images: Made) -> tuple[bytes, dict[str, bytes]]:
    """(an OCI index, the manifests it names by digest). Keys: `amd64`, `arm_v7`."""
    entries = []
    for key, made in images.items():
        architecture, _, variant = key.partition("_")
        platform = {"os": "linux", "architecture": architecture} | ({"variant": variant} if variant else {})
        entries.append(
            {
                "mediaType": made.media_type,
                "size": len(made.manifest),
                "digest": digest(made.manifest),
                "platform": platform,
            }
        )
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    return data, {digest(made.manifest): made.manifest for made in images.values()}


@dataclass(slots=True)
class Words:
    """A listener that keeps what it hears."""

    heard: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, progress: Any) -> None:
        line = (progress.id, progress.status)
        if not self.heard or self.heard[-1] != line:
            self.heard.append(line)

    def statuses(self, name: str) -> list[str]:
        return [status for heard, status in self.heard if heard == name]
