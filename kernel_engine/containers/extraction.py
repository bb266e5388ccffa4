"""An archive's files into a directory of a mounted tree: `docker cp`, and ADD of a local archive. In a worker process.

Names and links of the archive are resolved beneath that directory by openat2(2); whatever they say, nothing is written
outside of it.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat

from kernel_engine.errors import CorruptData, InvalidRequest
from kernel_engine.images import tar_reader
from kernel_engine.images.tar_reader import Entry, TarReader
from kernel_engine.storage import copying
from kernel_engine.storage.copying import File, Kind
from kernel_engine.syscalls.mounts import O_PATH, ResolveFlag, openat2

_IN_ROOT = ResolveFlag.RESOLVE_IN_ROOT | ResolveFlag.RESOLVE_NO_MAGICLINKS
#: what an archive's members become; others are refused or passed over by who reads
KINDS: dict[bytes, Kind] = {
    tar_reader.REGULAR: "file",
    tar_reader.DIRECTORY: "directory",
    tar_reader.SYMLINK: "link",
    tar_reader.FIFO: "fifo",
    tar_reader.CHARACTER: "character",
    tar_reader.BLOCK_DEVICE: "block",
}


def extract(
    reader: TarReader, directory: str, *, owner: tuple[int, int] | None = None, keep_kinds: bool = False
) -> None:
    """CorruptData for a hostile archive, NoSpace for one that is too large.

    owner: whom everything is to belong to; None = whom the archive says. keep_kinds: a directory does not become a
    file, nor a file a directory (InvalidRequest).
    """
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _Extraction(root, owner, keep_kinds).run(reader)
    finally:
        os.close(root)


class _Extraction:
    def __init__(self, root: int, owner: tuple[int, int] | None, keep_kinds: bool) -> None:
        self._root = root
        self._owner = owner
        self._keep_kinds = keep_kinds
        self._times: list[tuple[bytes, int]] = []

    def run(self, reader: TarReader) -> None:
        for entry in reader:
            name = clean(entry.name)
            if not name:
                continue
            try:
                self._place(name, entry, reader)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                    raise
                reason = os.strerror(error.errno or 0).lower()
                raise CorruptData(f"failed to copy files: open /{os.fsdecode(name)}: {reason}") from None
        for name, mtime in reversed(self._times):
            self._enter(os.path.dirname(name))
            copying.set_time(os.fsdecode(os.path.basename(name)), mtime)

    def _place(self, name: bytes, entry: Entry, reader: TarReader) -> None:
        self._enter(os.path.dirname(name))
        base = os.fsdecode(os.path.basename(name))
        if self._keep_kinds:
            _refuse_another_kind(base, name, entry)
        if entry.kind == tar_reader.HARD_LINK:
            self._link(clean(entry.target), base)
            os.chown(base, *(self._owner or (entry.uid, entry.gid)), follow_symlinks=False)
            if not os.path.islink(base):
                os.chmod(base, entry.mode)
            copying.set_time(base, entry.mtime)
            return
        kind = KINDS.get(entry.kind)
        if kind is None:
            raise CorruptData(f"unhandled tar header type {entry.kind!r}")
        file = File(
            kind=kind, mode=entry.mode, owner=self._owner or (entry.uid, entry.gid), mtime=entry.mtime,
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


def _refuse_another_kind(base: str, name: bytes, entry: Entry) -> None:
    """Docker's texts (pkg/archive, NoOverwriteDirNonDir)."""
    try:
        there = os.lstat(base).st_mode
    except FileNotFoundError:
        return
    shown = os.fsdecode(name)
    if stat.S_ISDIR(there) and entry.kind != tar_reader.DIRECTORY:
        raise InvalidRequest(f'cannot overwrite directory "/{shown}" with non-directory "{shown}"')
    if not stat.S_ISDIR(there) and entry.kind == tar_reader.DIRECTORY:
        raise InvalidRequest(f'cannot overwrite non-directory "/{shown}" with directory "{shown}"')


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
