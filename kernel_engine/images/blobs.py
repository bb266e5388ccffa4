"""Content-addressed files: `blobs/sha256/<hex>` whole and verified, `blobs/partial/<hex>` on their way.

A blob appears under its name only after its bytes were hashed and synced. Partial files stay after an interruption, so
that the next pull goes on where this one stopped: for a day, or until a prune. Who needs which blob is the catalogue's
business.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from kernel_engine.errors import CorruptData, EngineError, KernelRefused, NoSpace
from kernel_engine.images.digest import Digest, hex_of

Result = TypeVar("Result")
#: whether an image or work under way needs the blob of this digest, asked when it is about to go
Needed = Callable[[str], bool]
#: blobs that nothing refers to are kept this long for a pull that was interrupted
KEPT_SECONDS = 24 * 3600.0
_READ = 1 << 20
_NEW = "new-"


class Blobs:
    """The blobs of one instance."""

    def __init__(self, root: Path) -> None:
        self._whole = root / "sha256"
        self._partial = root / "partial"
        for directory in (self._whole, self._partial):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        return self._whole / hex_of(digest)

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    def remove(self, *digests: str) -> None:
        """Idempotent."""
        for digest in digests:
            self.path(digest).unlink(missing_ok=True)

    def resume(self, digest: Digest, watcher: Watcher) -> Incoming:
        """The blob on its way, with whatever an earlier attempt has left. Not for two writers at a time."""
        return Incoming(self, digest, self._partial / hex_of(digest), watcher)

    def temporary(self) -> Path:
        """An empty file for content whose digest is not known yet; `adopt` or unlink it."""
        descriptor, name = tempfile.mkstemp(prefix=_NEW, dir=self._partial)
        os.close(descriptor)
        return Path(name)

    def folder(self) -> Path:
        """A folder for files of an archive, on the same file system as the blobs. The caller removes it."""
        return Path(tempfile.mkdtemp(prefix=_NEW, dir=self._partial))

    def adopt(self, path: Path, digest: str) -> None:
        """Gives a synced file its name."""
        os.replace(path, self.path(digest))
        _sync_directory(self._whole)

    def drop_old(self, needed: Needed) -> None:
        """Removes leftovers of interrupted pulls that nobody came back for."""
        oldest = time.time() - KEPT_SECONDS
        for directory in (self._whole, self._partial):
            for entry in os.scandir(directory):
                if entry.name.startswith(_NEW) or needed(f"sha256:{entry.name}"):
                    continue
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime < oldest:
                        os.unlink(entry.path)

    def sweep(self, needed: Needed) -> None:
        """Removes what no image needs, but for young leftovers of interrupted pulls. Only while nothing is pulled."""
        self.drop_old(needed)
        for entry in os.scandir(self._partial):
            if entry.is_dir(follow_symlinks=False):  # of a load that was cut off
                shutil.rmtree(entry.path)
            elif entry.name.startswith(_NEW):
                os.unlink(entry.path)

    def drop_unneeded(self, needed: Needed) -> int:
        """Removes every other blob, whole or partial. Bytes reclaimed."""
        reclaimed = 0
        for directory in (self._whole, self._partial):
            for entry in os.scandir(directory):
                if not entry.name.startswith(_NEW) and not needed(f"sha256:{entry.name}"):
                    with suppress(FileNotFoundError):
                        reclaimed += entry.stat().st_size
                        os.unlink(entry.path)
        return reclaimed


class Watcher(Protocol):
    """Somebody who reads a blob while it arrives."""

    def begin(self, path: Path) -> None: ...
    def grown(self) -> None: ...
    def restarted(self) -> None: ...


class Incoming:
    """One blob that arrives. All work on the disk happens in threads; a context manager that closes the file."""

    def __init__(self, blobs: Blobs, digest: Digest, path: Path, watcher: Watcher) -> None:
        self._blobs = blobs
        self._digest = digest
        self._path = path
        self._watcher = watcher
        self._descriptor = -1
        self._hash = hashlib.sha256()
        self.size = 0

    async def __aenter__(self) -> Incoming:
        await _on_disk(self._open)
        self._watcher.begin(self._path)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await _on_disk(lambda: os.close(self._descriptor))

    async def write(self, data: bytes) -> None:
        """Appends. NoSpace for a full disk: the partial file goes away then."""

        def work() -> None:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            self._hash.update(data)
            self.size += len(data)

        try:
            await _on_disk(work)
        except NoSpace:
            self.discard()
            raise
        self._watcher.grown()

    async def restart(self) -> None:
        """From the first byte on: the registry does not resume."""

        def work() -> None:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._hash = hashlib.sha256()
            self.size = 0

        self._watcher.restarted()
        await _on_disk(work)

    async def finish(self) -> None:
        """Checks the digest and gives the blob its name. CorruptData: the file is gone then."""
        if f"sha256:{self._hash.hexdigest()}" != self._digest:
            self.discard()
            raise CorruptData(f"filesystem layer verification failed for digest {self._digest}")

        def work() -> None:
            os.fsync(self._descriptor)
            self._blobs.adopt(self._path, self._digest)

        await _on_disk(work)

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while data := os.read(self._descriptor, _READ):
            self._hash.update(data)
            self.size += len(data)


async def _on_disk(work: Callable[[], Result]) -> Result:
    with disk_errors("write blob"):
        return await asyncio.to_thread(work)


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """OSErrors of the disk as the engine's: NoSpace for a full one, KernelRefused for the rest."""
    try:
        yield
    except OSError as error:
        raise disk_error(doing, error) from error


def disk_error(doing: str, error: OSError) -> EngineError:
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    text = f"{doing}: {where}{(error.strerror or str(error)).lower()}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(text)
    return KernelRefused("write", error.errno or 0, text)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
