"""Unpacking and packing layers, seen from the daemon: one worker process for each, and where layers are kept.

What happens inside the worker is `unpack.py` and `pack.py`; where unpacked layers live is the business of whoever
implements `LayerStore`.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kernel_engine.errors import EngineError, KernelRefused, NoSpace, Unavailable
from kernel_engine.formats.room import room
from kernel_engine.images.archive import Contents, Spooled
from kernel_engine.images.arrival import Arrival
from kernel_engine.images.digest import Digest, parse
from kernel_engine.workers.feeding import feed
from kernel_engine.workers.pool import Workers

#: bytes on their way to a worker: fewer turns between it and the daemon's loop
_PIPE = 1 << 20


class Changed(Protocol):
    """One path that a layer adds (kind 1), changes (0) or deletes (2), absolute, as inside."""

    @property
    def kind(self) -> int: ...
    @property
    def path(self) -> str: ...


class LayerStore(Protocol):
    """Unpacked layers, by chain id. Each is a directory in overlayfs's own format."""

    def has(self, chain_id: str) -> bool: ...
    def path(self, chain_id: str) -> Path: ...
    def size(self, chain_id: str) -> int: ...
    def changes(self, chain_id: str) -> Sequence[Changed]: ...
    def stage(self) -> Path: ...
    def take(self, directory: Path) -> Path: ...
    def discard(self, staged: Path) -> None: ...
    async def commit(
        self, staged: Path, *, chain_id: str, parent: str | None, diff_id: str, size: int, implied: tuple[str, ...]
    ) -> None: ...
    async def remove(self, chain_id: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What a worker found out while it unpacked a blob."""

    digest: Digest  #: of the compressed bytes, as they were read
    diff_id: Digest  #: of the tar
    size: int  #: of the files
    implied: tuple[str, ...]  #: directories without an entry of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    digest: Digest
    diff_id: Digest
    compressed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A directory that is a layer now."""

    diff_id: Digest
    size: int


async def unpack(
    workers: Workers,
    blob: Path | Arrival,
    target: Path,
    *,
    digest: Digest | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Unpacked:
    """Unpacks the archive in `blob`, which may still be growing, into the empty directory `target`.

    digest: the blob's, where whoever writes it hashes it; it is not hashed again then. CorruptData for a damaged or
    hostile archive, NoSpace for a full disk; `target` is then half full. A cancelled call ends the worker first.
    """
    with ExitStack() as opened:
        root = _open(opened, target, os.O_RDONLY | os.O_DIRECTORY)
        if isinstance(blob, Arrival):
            descriptors: tuple[int, ...] = (blob.file, root, blob.heard)
        else:
            descriptors = (_open(opened, blob, os.O_RDONLY), root)
        order = {"limit": _room(root), "digest": digest}
        done = await _work(
            workers, "unpack_layer", order, descriptors, on_said=lambda words: on_progress(words["progress"])
        )
    return Unpacked(
        digest=parse(done["digest"]), diff_id=parse(done["diff_id"]), size=done["size"], implied=tuple(done["implied"])
    )


async def pack(workers: Workers, source: Path, blob: Path) -> Packed:
    """Packs the directory `source` (overlay upper format) into the new file `blob`, synced to the disk."""
    with ExitStack() as opened:
        target = _open(opened, blob, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        root = _open(opened, source, os.O_RDONLY | os.O_DIRECTORY)
        done = await _work(workers, "pack_layer", {}, (target, root))
    return Packed(digest=parse(done["digest"]), diff_id=parse(done["diff_id"]), compressed=done["compressed"])


async def settle(workers: Workers, directory: Path, *, latest: int | None) -> Settled:
    """Makes an upper directory that nobody writes to any more a layer, in place. latest: see `pack.normalise`."""
    with ExitStack() as opened:
        root = _open(opened, directory, os.O_RDONLY | os.O_DIRECTORY)
        done = await _work(workers, "settle_layer", {"latest": latest}, (root,))
    return Settled(diff_id=parse(done["diff_id"]), size=done["size"])


async def copy(workers: Workers, source: Path, target: Path) -> Settled:
    """Makes the empty directory `target` a layer with what the upper directory `source` holds."""
    with ExitStack() as opened:
        upper = _open(opened, source, os.O_RDONLY | os.O_DIRECTORY)
        root = _open(opened, target, os.O_RDONLY | os.O_DIRECTORY)
        done = await _work(workers, "copy_layer", {}, (upper, root))
    return Settled(diff_id=parse(done["diff_id"]), size=done["size"])


async def spool(workers: Workers, source: AsyncIterator[bytes], folder: Path) -> Contents:
    """The files of an archive (compressed or not) into `folder`, named by numbers. CorruptData, NoSpace."""
    done = await _fed(workers, "spool_archive", source, folder)
    files = {
        name: Spooled(number=number, size=size, digest=Digest(digest))
        for name, (number, size, digest) in done["files"].items()
    }
    return Contents(files=files, links=done["links"])


async def receive(workers: Workers, source: AsyncIterator[bytes], folder: Path) -> Spooled:
    """One file, as it comes, into `folder` under the number 0."""
    done = await _fed(workers, "receive_file", source, folder)
    return Spooled(number=0, size=done["size"], digest=Digest(done["digest"]))


async def inflate(workers: Workers, source: Path, target: Path) -> Spooled:
    """A compressed file as it is without compression."""
    with ExitStack() as opened:
        compressed = _open(opened, source, os.O_RDONLY)
        plain = _open(opened, target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        done = await _work(workers, "inflate_file", {"limit": _room(plain)}, (compressed, plain))
    return Spooled(number=-1, size=done["size"], digest=Digest(done["digest"]))


async def _fed(workers: Workers, job: str, source: AsyncIterator[bytes], folder: Path) -> dict[str, Any]:
    """A job that reads what comes from outside through a pipe, so that its process alone sees a hostile archive."""
    with ExitStack() as opened:
        root = _open(opened, folder, os.O_RDONLY | os.O_DIRECTORY)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        with suppress(PermissionError):  # more than /proc/sys/fs/pipe-user-pages-soft allows
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE)
        opened.callback(os.close, reading)
        feeding = asyncio.ensure_future(feed(source, writing))
        try:
            done = await _work(workers, job, {"limit": _room(root)}, (reading, root))
            await feeding
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
    return done


def _room(root: int) -> int:
    return room(os.fstatvfs(root))


def _open(opened: ExitStack, path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    opened.callback(os.close, descriptor)
    return descriptor


#: in front of what went wrong; in Docker a process of its own reads an archive (pkg/chrootarchive)
_WORDS = {
    "unpack_layer": "failed to register layer",
    "spool_archive": "Error processing tar file(exit status 1)",
    "receive_file": "Error processing tar file(exit status 1)",
}


async def _work(
    workers: Workers,
    job: str,
    order: dict[str, Any],
    descriptors: tuple[int, ...],
    on_said: Callable[[dict[str, Any]], None] = lambda words: None,
) -> dict[str, Any]:
    """Its errors with Docker's words in front."""
    what = _WORDS.get(job, "failed to export layer")
    try:
        return await workers.run(f"kernel_engine.images.worker:{job}", order, descriptors, on_said=on_said)
    except Unavailable:
        raise Unavailable("the process that works on layers ended without an answer") from None
    except EngineError as error:
        raise type(error)(f"{what}: {error.message}") from None
    except OSError as error:
        where = f"/{error.filename}: " if error.filename else ""
        message = f"{what}: {where}{os.strerror(error.errno or 0).lower()}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(message) from None
        raise KernelRefused(job, error.errno or 0, message) from None
