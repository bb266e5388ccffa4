"""ADD of a local archive: is it one, and its files into a directory of the image. Runs in a worker process.

Names and links of the archive are resolved beneath that directory by openat2(2); whatever they say, nothing is written
outside of it.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
from collections.abc import Iterator
from typing import Any

from kernel_engine.errors import CorruptData, EngineError, NoSpace
from kernel_engine.images import tar_reader
from kernel_engine.images.compression import CHUNK, inflated, translated
from kernel_engine.images.tar_reader import Entry, Stream, TarReader
from kernel_engine.storage import copying
from kernel_engine.storage.copying import File, Kind
from kernel_engine.syscalls.mounts import O_PATH, ResolveFlag, openat2

_IN_ROOT = ResolveFlag.RESOLVE_IN_ROOT | ResolveFlag.RESOLVE_NO_MAGICLINKS
_RESERVE = 64 << 20
_KINDS: dict[bytes, Kind] = {
    tar_reader.REGULAR: "file",
    tar_reader.DIRECTORY: "directory",
    tar_reader.SYMLINK: "link",
    tar_reader.FIFO: "fifo",
    tar_reader.CHARACTER: "character",
    tar_reader.BLOCK_DEVICE: "block",
}


def is_archive(file: File) -> bool:
    """As Docker tells: its first header can be read, whatever its compression and its name."""
    try:
        return next(iter(TarReader(Stream(_chunks(file)))), None) is not None
    except EngineError:
        return False


def unpack(file: File, directory: str) -> None:
    """CorruptData for a damaged or hostile archive, NoSpace for one that is too large."""
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _Unpacking(root).unpack(TarReader(Stream(_chunks(file))))
    finally:
        os.close(root)


class _Unpacking:
    def __init__(self, root: int) -> None:
        self._root = root
        self._times: list[tuple[bytes, int]] = []

    def unpack(self, reader: TarReader) -> None:
        for entry in reader:
            name = clean(entry.name)
            if not name:
                continue
            try:
                self._place(name, entry, reader)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                reason = os.strerror(error.errno or 0).lower()
                raise CorruptData(f"failed to copy files: open /{os.fsdecode(name)}: {reason}") from None
        for name, mtime in reversed(self._times):
            self._enter(os.path.dirname(name))
            copying.set_time(os.fsdecode(os.path.basename(name)), mtime)

    def _place(self, name: bytes, entry: Entry, reader: TarReader) -> None:
        self._enter(os.path.dirname(name))
        base = os.fsdecode(os.path.basename(name))
        if entry.kind == tar_reader.HARD_LINK:
            self._link(clean(entry.target), base)
            os.chown(base, entry.uid, entry.gid, follow_symlinks=False)
            if not os.path.islink(base):
                os.chmod(base, entry.mode)
            copying.set_time(base, entry.mtime)
            return
        kind = _KINDS.get(entry.kind)
        if kind is None:
            raise CorruptData(f"unhandled tar header type {entry.kind!r}")
        file = File(
            kind=kind, mode=entry.mode, owner=(entry.uid, entry.gid), mtime=entry.mtime,
            target=os.fsdecode(entry.target), device=(entry.major, entry.minor),
        )  # fmt: skip
        copying.put(file, base)
        if kind == "file":
            _fill(base, entry, reader)
        elif kind == "directory":
            self._times.append((name, entry.mtime))

    def _link(self, target: bytes, base: str) -> None:
        parent = openat2(self._root, os.fsdecode(os.path.dirname(target) or b"."), O_PATH | os.O_DIRECTORY, _IN_ROOT)
        try:
            copying.make_room(base)
            os.link(os.path.basename(target), os.fsencode(base), src_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(parent)

    def _enter(self, directory: bytes) -> None:
        """Makes it the working directory, its missing parts made."""
        os.fchdir(self._root)
        if not directory:
            return
        try:
            here = openat2(self._root, os.fsdecode(directory), O_PATH | os.O_DIRECTORY, _IN_ROOT)
        except FileNotFoundError:
            self._enter(os.path.dirname(directory))
            if os.path.islink(os.path.basename(directory)):  # to something that is not there
                raise
            os.mkdir(os.path.basename(directory), 0o755)
            here = openat2(self._root, os.fsdecode(directory), O_PATH | os.O_DIRECTORY, _IN_ROOT)
        os.fchdir(here)
        os.close(here)


def clean(name: bytes) -> bytes:
    """Relative to the directory; `..` at its top stays there, as Docker has it."""
    return posixpath.normpath(b"/" + name).lstrip(b"/")


def _fill(path: str, entry: Entry, reader: TarReader) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if entry.extents is None:
            for piece in reader.content():
                _write(descriptor, piece)
        else:
            os.ftruncate(descriptor, entry.size)
            data = b"".join(bytes(piece) for piece in reader.content())
            for offset, length in entry.extents:
                os.pwrite(descriptor, data[:length], offset)
                data = data[length:]
        os.fchmod(descriptor, entry.mode)  # a write may take set-id bits away
        for key, value in entry.xattrs.items():
            if not key.startswith(("trusted.", "system.")) and "\0" not in key:
                copying.set_attribute(descriptor, key, value)
    finally:
        os.close(descriptor)
    copying.set_time(path, entry.mtime)


def _write(descriptor: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]


class _Part(io.RawIOBase):
    """A part of an open file as a file of its own."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._file.size - self._at)
        data = os.pread(self._file.descriptor, count, self._file.offset + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _chunks(file: File) -> Iterator[bytes]:
    disk = os.fstatvfs(file.descriptor)
    left = max(0, disk.f_bavail * disk.f_frsize - _RESERVE)
    stream = inflated(_Part(file))
    while True:
        try:
            chunk = stream.read(CHUNK)
        except Exception as error:
            raise translated(error) from error
        if not chunk:
            return
        left -= len(chunk)
        if left < 0:
            raise NoSpace("no space left on device for what the archive holds")
        yield chunk
