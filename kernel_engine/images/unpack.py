"""A layer archive to a directory in overlayfs's format. Runs in the worker process, rooted in that directory.

Every name is resolved beneath the root here, and the process is chrooted there as well: a name with `..`, a link that
leads out, or a file where a directory must be is refused as a whole. Semantics are Docker's (`pkg/archive`), where it
has any: later entries replace earlier ones, directories merge, absent parents are made and reported.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass

from kernel_engine.errors import CorruptData
from kernel_engine.images import tar_reader
from kernel_engine.images.entries import (
    IS_MACHINES,
    Content,
    clean,
    give,
    join,
    outside,
    set_xattrs,
    text,
    time_of,
    write,
    write_extents,
)
from kernel_engine.images.tar_reader import Entry, TarReader
from kernel_engine.syscalls.mounts import chroot

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
#: what aufs kept about itself; never content
_AUFS = b".wh..wh."
OPAQUE_XATTR = "trusted.overlay.opaque" if IS_MACHINES else "user.overlay.opaque"
_LINKS_FOLLOWED = 40
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    size: int  #: bytes of regular files and links, hard links once, as Docker counts a layer
    implied: tuple[bytes, ...]  #: directories that no entry described, parents first


def enter(root: int) -> None:
    """Makes the directory the process's current and, where it may, its root directory."""
    os.fchdir(root)
    with suppress(PermissionError):  # not root: names are resolved beneath it all the same
        chroot(".", shown=os.getcwd())
    os.umask(0)


class Unpacker:
    """Unpacks into the current directory, which must be empty and which nobody else changes meanwhile."""

    def __init__(self) -> None:
        self._owner = (os.geteuid(), os.getegid())
        self._directories: set[bytes] = {b""}
        self._times: dict[bytes, int] = {}
        self._implied: dict[bytes, None] = {}
        self._whiteouts: set[bytes] = set()
        self._size = 0

    def unpack(self, reader: TarReader) -> Unpacked:
        for entry in reader:
            self.place(entry, reader.content)
        return self.finish()

    def place(self, entry: Entry, content: Content) -> None:
        """One entry. `content` is called at most once, for a regular file."""
        try:
            self._place(entry, content)
        except OSError as error:
            raise _explained(entry, error) from error

    def finish(self) -> Unpacked:
        self._finish_times()
        return Unpacked(size=self._size, implied=tuple(sorted(self._implied)))

    # one entry --------------------------------------------------------------------------------------------------
    def _place(self, entry: Entry, content: Content) -> None:
        name = clean(entry.name)
        if not name:  # the root itself: its attributes are the engine's
            return
        parent_name, _, base = name.rpartition(b"/")
        if (base.startswith(_AUFS) and base != OPAQUE) or name.startswith(_AUFS + b"plnk/"):
            return
        parent = self._directory(parent_name, entry)
        if base == OPAQUE:
            self._make_opaque(parent)
            return
        if base.startswith(WHITEOUT):
            self._white_out(parent, base[len(WHITEOUT) :], entry)
            return
        self._make(entry, join(parent, base), content)

    def _make(self, entry: Entry, path: bytes, content: Content) -> None:
        kind = entry.kind
        if kind == tar_reader.REGULAR:
            self._file(entry, path, content)
        elif kind == tar_reader.DIRECTORY:
            self._make_directory(entry, path)
        elif kind == tar_reader.SYMLINK:
            self._symlink(entry, path)
        elif kind == tar_reader.HARD_LINK:
            self._hard_link(entry, path)
        elif kind in _DEVICES:
            self._device(entry, path)
        else:
            raise CorruptData(f"unhandled tar header type {kind[0] if kind else 0}")

    def _file(self, entry: Entry, path: bytes, content: Content) -> None:
        own = (entry.uid, entry.gid) == self._owner
        mode = entry.mode if own else 0o600
        try:
            descriptor = os.open(path, _CREATE, mode)
        except FileExistsError:
            self._remove(path)
            descriptor = os.open(path, _CREATE, mode)
        try:
            if entry.extents is None:
                for piece in content():
                    write(descriptor, piece)
            else:
                write_extents(descriptor, entry, content)
            if not own:
                give(descriptor, entry)
            if not own or entry.mode & 0o7000:  # both a change of owner and a write may take set-id bits away
                os.fchmod(descriptor, entry.mode)
            if entry.xattrs:
                set_xattrs(descriptor, entry)
            when = time_of(entry)
            os.utime(descriptor, ns=(when, when))
        finally:
            os.close(descriptor)
        self._size += entry.size

    def _make_directory(self, entry: Entry, path: bytes) -> None:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if path not in self._directories:
                hidden = path in self._whiteouts
                self._remove(path)
                os.mkdir(path, 0o700)
                if hidden:
                    os.setxattr(path, OPAQUE_XATTR, b"y", follow_symlinks=False)
        self._directories.add(path)
        self._implied.pop(path, None)
        if (entry.uid, entry.gid) != self._owner:
            give(path, entry)
        os.chmod(path, entry.mode)
        if entry.xattrs:
            set_xattrs(path, entry)
        self._times[path] = time_of(entry)

    def _symlink(self, entry: Entry, path: bytes) -> None:
        try:
            os.symlink(entry.target, path)
        except FileExistsError:
            self._remove(path)
            os.symlink(entry.target, path)
        if (entry.uid, entry.gid) != self._owner:
            give(path, entry)
        if entry.xattrs:
            set_xattrs(path, entry)
        when = time_of(entry)
        os.utime(path, ns=(when, when), follow_symlinks=False)
        self._size += len(entry.target)

    def _hard_link(self, entry: Entry, path: bytes) -> None:
        name = clean(entry.target)
        parent, _, base = name.rpartition(b"/")
        target = join(self._directory(parent, entry, make=False), base)
        if not base or target in self._directories or target in self._whiteouts:
            raise CorruptData(f'invalid hardlink "{text(entry.name)}" -> "{text(entry.target)}"')
        if target == path:
            return
        try:
            os.link(target, path, follow_symlinks=False)
        except FileExistsError:
            self._remove(path)
            os.link(target, path, follow_symlinks=False)
        self._say_again(entry, path)

    def _say_again(self, entry: Entry, path: bytes) -> None:
        """What a hard link's own header says of the file counts, as in Docker, where it is not what was said before."""
        status = os.lstat(path)
        if (entry.uid, entry.gid) != (status.st_uid, status.st_gid):
            give(path, entry)
            status = os.lstat(path)  # that may have taken the set-id bits
        if stat.S_ISLNK(status.st_mode):
            return
        if stat.S_IMODE(status.st_mode) != entry.mode:
            os.chmod(path, entry.mode)
        if entry.xattrs:
            set_xattrs(path, entry)
        if (when := time_of(entry)) != status.st_mtime_ns:
            os.utime(path, ns=(when, when), follow_symlinks=False)

    def _device(self, entry: Entry, path: bytes) -> None:
        mode = _DEVICES[entry.kind] | entry.mode
        number = os.makedev(entry.major, entry.minor) if entry.kind != tar_reader.FIFO else 0
        try:
            os.mknod(path, mode, number)
        except FileExistsError:
            self._remove(path)
            os.mknod(path, mode, number)
        give(path, entry)
        os.chmod(path, entry.mode)
        if entry.xattrs:
            set_xattrs(path, entry)
        when = time_of(entry)
        os.utime(path, ns=(when, when), follow_symlinks=False)

    # whiteouts --------------------------------------------------------------------------------------------------
    def _white_out(self, parent: bytes, base: bytes, entry: Entry) -> None:
        if base in (b"", b".", b".."):
            raise CorruptData(f'invalid whiteout "{text(entry.name)}"')
        path = join(parent, base)
        if path in self._directories:  # it hides what lies beneath, never what its own layer brings
            self._make_opaque(path)
            return
        with suppress(FileExistsError):
            os.mknod(path, stat.S_IFCHR, 0)
            self._whiteouts.add(path)
            when = time_of(entry)  # so that packing gives the same archive again
            os.utime(path, ns=(when, when), follow_symlinks=False)

    def _make_opaque(self, path: bytes) -> None:
        os.setxattr(path or b".", OPAQUE_XATTR, b"y", follow_symlinks=False)

    # names ------------------------------------------------------------------------------------------------------
    def _directory(self, name: bytes, entry: Entry, *, make: bool = True) -> bytes:
        """The real path of directory `name`, which is made where it is missing."""
        if name in self._directories:
            return name
        here = b""
        left = name.split(b"/")[::-1] if name else []
        followed = 0
        while left:
            word = left.pop()
            if word == b"..":
                if not here:
                    raise outside(entry.name)
                here = here.rpartition(b"/")[0]
                continue
            path = join(here, word)
            if path in self._directories:
                here = path
                continue
            target = self._link_target(path)
            if target is None:
                if not make or followed:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                self._imply(path)
                here = path
                continue
            followed += 1
            if followed > _LINKS_FOLLOWED:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith(b"/"):
                here = b""
            left.extend(part for part in target.split(b"/")[::-1] if part not in (b"", b"."))
        return here

    def _link_target(self, path: bytes) -> bytes | None:
        """Where the symbolic link `path` points; None where nothing is there."""
        if path in self._whiteouts:
            return None
        try:
            return os.readlink(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:  # no link, and every directory is known
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
            raise

    def _imply(self, path: bytes) -> None:
        hidden = path in self._whiteouts
        if hidden:
            self._remove(path)
        os.mkdir(path, 0o755)
        self._directories.add(path)
        if hidden:
            self._make_opaque(path)
        else:
            self._implied[path] = None

    def _remove(self, path: bytes) -> None:
        """Makes room for a later entry of the same name."""
        if path in self._directories:
            self._remove_tree(path)
            return
        status = os.lstat(path)
        if status.st_nlink == 1 and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            self._size -= status.st_size
        os.unlink(path)
        self._whiteouts.discard(path)

    def _remove_tree(self, path: bytes) -> None:
        try:
            self._remove_files(path)
            shutil.rmtree(path)
        except RecursionError:
            raise CorruptData(
                f"a directory that a later entry replaces is nested too deeply: {text(path)[:200]}"
            ) from None
        below = path + b"/"
        for gone in [item for item in self._directories if item == path or item.startswith(below)]:
            self._directories.discard(gone)
            self._times.pop(gone, None)
            self._implied.pop(gone, None)

    def _remove_files(self, path: bytes) -> None:
        for folder, folders, files in os.walk(path):
            links = [name for name in folders if os.path.islink(join(folder, name))]
            for name in (*files, *links):
                self._remove(join(folder, name))

    def _finish_times(self) -> None:
        for path in sorted(self._times, reverse=True):  # children first
            when = self._times[path]
            os.utime(path, ns=(when, when), follow_symlinks=False)


_DEVICES = {
    tar_reader.CHARACTER: stat.S_IFCHR,
    tar_reader.BLOCK_DEVICE: stat.S_IFBLK,
    tar_reader.FIFO: stat.S_IFIFO,
}


def _explained(entry: Entry, error: OSError) -> Exception:
    """A name or a link of the archive that cannot be; the disk's own troubles stay OSErrors."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EFBIG):
        where = error.filename if isinstance(error.filename, bytes) else entry.name
        return CorruptData(f'cannot unpack "{text(entry.name)}": {text(where)}: {os.strerror(error.errno).lower()}')
    return OSError(error.errno, os.strerror(error.errno or 0), entry.name)
