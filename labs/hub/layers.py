"""Writes one image layer: a tar stream made equal for equal content, its gzip form and both digests.

Knows tar and gzip, nothing of manifests or registries.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labs.hub.recipes import File

#: what a bootstrap leaves of the machine that made it, and what a container gets from its engine
LEFT_OUT = (
    "etc/apt/sources.list",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "var/cache/ldconfig/aux-cache",
)
#: directories that stay, without what is in them
EMPTIED = ("dev", "proc", "sys", "run", "tmp", "var/lib/apt/lists", "var/cache/apt", "var/log")
#: … but apt wants these two to exist
KEPT = (
    "run/lock",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives",
    "var/cache/apt/archives/partial",
    "var/log/apt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A finished layer. `diff_id` is the digest of the tar, `digest` and `size` (bytes) are of the gzip file `path`."""

    path: Path
    diff_id: str
    digest: str
    size: int


class _Digesting(io.RawIOBase):
    """Hashes what is written, and writes it on as gzip without time and name: equal input is equal output."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._gzip = file, zlib.compressobj(6, zlib.DEFLATED, 31)
        self.diff, self.packed, self.size = hashlib.sha256(), hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.diff.update(data)
        self._put(self._gzip.compress(data))
        return len(data)

    def finish(self) -> None:
        self._put(self._gzip.flush())

    def _put(self, data: bytes) -> None:
        self.packed.update(data)
        self.size += len(data)
        self._file.write(data)


class LayerWriter:
    """Takes tar members in order; `close` gives the layer. Every time is cut to `epoch` (seconds)."""

    def __init__(self, path: Path, epoch: int) -> None:
        self._path, self._epoch = path, epoch
        self._file = path.open("wb")
        self._sink = _Digesting(self._file)
        self._tar = tarfile.open(fileobj=self._sink, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - close() does

    def add(self, member: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
        member.mtime = min(int(member.mtime), self._epoch)
        member.uname = member.gname = ""
        # mmdebstrap's own pax header may carry sub-second times, which would win over the field
        member.pax_headers = {k: v for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}
        self._tar.addfile(member, content)

    def put(self, name: str, file: File) -> None:
        data = file.text.encode()
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = len(data), file.mode, self._epoch
        self.add(member, io.BytesIO(data))

    def close(self) -> Layer:
        self._tar.close()
        self._sink.finish()
        self._file.close()
        return Layer(
            path=self._path,
            diff_id=f"sha256:{self._sink.diff.hexdigest()}",
            digest=f"sha256:{self._sink.packed.hexdigest()}",
            size=self._sink.size,
        )

    def abandon(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


@contextmanager
def layer_writer(path: Path, epoch: int) -> Iterator[LayerWriter]:
    """A writer whose half-made file does not outlive an error."""
    writer = LayerWriter(path, epoch)
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise


def belongs(name: str, files: Mapping[str, File]) -> bool:
    """Whether a bootstrapped member goes into the layer. `name` without `./`."""
    if name in files or name in LEFT_OUT:
        return False
    return name in KEPT or not any(name.startswith(f"{directory}/") for directory in EMPTIED)


def pack_bootstrap(stream: IO[bytes], path: Path, *, epoch: int, files: Mapping[str, File]) -> Layer:
    """The layer of a bootstrapped root that arrives as a tar on `stream`, with the recipe's files in their places."""
    with layer_writer(path, epoch) as writer:
        with tarfile.open(fileobj=stream, mode="r|") as source:
            for member in source:
                member.name = member.name.removeprefix("./")
                if member.name in ("", ".") or not belongs(member.name, files):
                    continue
                if member.islnk():
                    member.linkname = member.linkname.removeprefix("./")
                writer.add(member, source.extractfile(member) if member.isreg() else None)
        for name in sorted(files):
            writer.put(name, files[name])
        return writer.close()
