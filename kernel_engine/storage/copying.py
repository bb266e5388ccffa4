"""Files put into a mounted tree: by the builder's COPY and ADD, one day by `docker cp`. Runs in a worker process.

`mounted` gives the process a mount namespace of its own and makes an overlay its root directory, so that every path,
and every symbolic link on it, ends inside. Contents come from descriptors that were opened before. Which file goes
where is decided by others; the rules of replacing are those of Docker's `pkg/archive`.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kernel_engine.syscalls import mounts
from kernel_engine.syscalls.mounts import MountFlag, ResolveFlag, UmountFlag
from kernel_engine.syscalls.process import CloneFlag, unshare

Kind = Literal["file", "directory", "link", "fifo", "character", "block"]
_SLAVE = MountFlag.MS_SLAVE | MountFlag.MS_REC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TYPES = {"fifo": stat.S_IFIFO, "character": stat.S_IFCHR, "block": stat.S_IFBLK}
_ALL_TYPES: dict[Kind, int] = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "link": stat.S_IFLNK,
    "fifo": stat.S_IFIFO,
    "character": stat.S_IFCHR,
    "block": stat.S_IFBLK,
}
_LATEST = (1 << 33) * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file to be put somewhere; its content lies in `descriptor` from `offset` on, `size` bytes."""

    kind: Kind
    mode: int
    owner: tuple[int, int] = (0, 0)
    mtime: int = 0  #: nanoseconds
    size: int = 0
    descriptor: int = -1
    offset: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    inode: int = 0  #: the same for all names of one file; 0 for a file with one name


@contextmanager
def mounted(overlay: Mapping[str, Any], binds: Sequence[tuple[str, str]] = ()) -> Iterator[None]:
    """Inside the block the overlay is this process's root directory. overlay: base, data, target (see OverlayPlan).

    binds: (path outside, absolute path inside) that are mounted over it, whose places are made as a start makes them.
    """
    unshare(CloneFlag.CLONE_NEWNS)
    mounts.mount("none", "/", "", _SLAVE)
    mounts.chdir(overlay["base"])
    mounts.mount("overlay", overlay["target"], "overlay", data=overlay["data"])
    held = [_bind(overlay["target"], *pair) for pair in binds]
    outside = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(overlay["target"])
    mounts.chroot(".", shown=overlay["target"])
    os.umask(0)
    try:
        yield
    finally:
        os.fchdir(outside)
        mounts.chroot(".", shown="the host's root")
        os.close(outside)
        for place in reversed([item for item in held if item]):
            mounts.umount2(place, UmountFlag.MNT_DETACH)
        # now, so that nobody mounts these directories while they still belong to this mount
        mounts.umount2(overlay["target"], UmountFlag(0))


def _bind(root: str, source: str, target: str) -> str:
    """The mount point beneath `root`, its links resolved there; "" where there can be none."""
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _make_place(top, target.strip("/").split("/"), directory=os.path.isdir(source))
        place = mounts.openat2(top, target.lstrip("/"), mounts.O_PATH, ResolveFlag.RESOLVE_IN_ROOT)
    except OSError:
        return ""
    finally:
        os.close(top)
    try:
        path = f"/proc/self/fd/{place}"
        real = os.readlink(path)
        mounts.mount(source, path, "", MountFlag.MS_BIND | MountFlag.MS_REC)
    finally:
        os.close(place)
    return real


def _make_place(top: int, names: Sequence[str], *, directory: bool) -> None:
    """What is missing of a path beneath the directory open as `top`: directories, and at last one or an empty file."""
    for count in range(1, len(names) + 1):
        try:
            os.close(mounts.openat2(top, "/".join(names[:count]), mounts.O_PATH, ResolveFlag.RESOLVE_IN_ROOT))
            continue
        except FileNotFoundError:
            pass
        above = "/".join(names[: count - 1]) or "."
        holder = mounts.openat2(top, above, mounts.O_PATH, ResolveFlag.RESOLVE_IN_ROOT)
        try:
            if directory or count < len(names):
                os.mkdir(names[count - 1], 0o755, dir_fd=holder)
            else:
                os.mknod(names[count - 1], stat.S_IFREG | 0o644, dir_fd=holder)
        finally:
            os.close(holder)


def copy_tree(source: str, target: int) -> None:
    """Everything in the directory `source`, and its own mode and owner, into the empty directory open as `target`."""
    os.fchdir(target)
    _like(source, ".")
    times: list[tuple[str, int]] = [(".", os.lstat(source).st_mtime_ns)]
    for folder, directories, files in os.walk(source):
        beneath = os.path.relpath(folder, source)
        for name in sorted((*directories, *files)):
            path, place = os.path.join(folder, name), os.path.normpath(os.path.join(beneath, name))
            status = os.lstat(path)
            if stat.S_ISSOCK(status.st_mode):
                continue
            _copy(path, place, status)
            if stat.S_ISDIR(status.st_mode):
                times.append((place, status.st_mtime_ns))
    for place, mtime in reversed(times):
        set_time(place, mtime)


def _copy(path: str, place: str, status: os.stat_result) -> None:
    kind = next(kind for kind, bits in _ALL_TYPES.items() if stat.S_IFMT(status.st_mode) == bits)
    file = File(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        mtime=status.st_mtime_ns,
        size=status.st_size,
        target=os.readlink(path) if kind == "link" else "",
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)),
    )
    if kind != "file":
        put(file, place)
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        xattrs = {key: os.getxattr(descriptor, key) for key in os.listxattr(descriptor)}
        put(replace(file, descriptor=descriptor, xattrs=xattrs), place)
    finally:
        os.close(descriptor)


def _like(source: str, place: str) -> None:
    status = os.stat(source)
    os.chown(place, status.st_uid, status.st_gid)
    os.chmod(place, stat.S_IMODE(status.st_mode))


def make_directories(path: str, owner: tuple[int, int] = (0, 0), mode: int = 0o755) -> str:
    """The directory `path`, its missing parts made; with its links followed. NotADirectoryError."""
    real = os.path.realpath(path)
    missing: list[str] = []
    while not os.path.isdir(real):
        if os.path.lexists(real):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), real)
        missing.append(real)
        real = os.path.dirname(real)
    for directory in reversed(missing):
        os.mkdir(directory, mode)
        os.chown(directory, *owner)
    return missing[0] if missing else real


def put(file: File, path: str) -> None:
    """Makes `path`, whose parent is a real directory, what `file` says; whatever else was there is gone.

    A directory that is there stays with what is in it. Its time is the caller's to set once it is full.
    """
    if file.kind == "directory":
        _put_directory(file, path)
        return
    make_room(path)
    if file.kind == "file":
        _put_content(file, path)
        return
    if file.kind == "link":
        os.symlink(file.target, path)
    else:
        os.mknod(path, _TYPES[file.kind] | file.mode, os.makedev(*file.device))
    os.chown(path, *file.owner, follow_symlinks=False)
    if file.kind != "link":
        os.chmod(path, file.mode)
    set_time(path, file.mtime)


def changed(file: File, owner: tuple[int, int] | None, mode: int | None) -> File:
    """The same file with another owner or mode, where one is given."""
    return replace(file, owner=owner or file.owner, mode=file.mode if mode is None else mode)


def at(file: File, descriptor: int) -> File:
    """The same file with its content at the beginning of `descriptor`."""
    return replace(file, descriptor=descriptor, offset=0)


def set_attribute(descriptor: int, key: str, value: bytes) -> None:
    """What the file system cannot hold is left out, as Docker does."""
    with suppress(OSError):
        os.setxattr(descriptor, key, value)


def set_time(path: str, mtime: int) -> None:
    when = mtime if 0 <= mtime <= _LATEST else 0
    os.utime(path, ns=(when, when), follow_symlinks=False)


def _put_directory(file: File, path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path, 0o700)
    os.chown(path, *file.owner, follow_symlinks=False)
    os.chmod(path, file.mode)


def make_room(path: str) -> None:
    """Takes away whatever is there. ENAMETOOLONG where it is nested more deeply than any path can say."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        try:
            shutil.rmtree(path)
        except RecursionError:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path) from None


def _put_content(file: File, path: str) -> None:
    descriptor = os.open(path, _CREATE, 0o600)
    try:
        offset, left = file.offset, file.size
        while left:
            count = os.sendfile(descriptor, file.descriptor, offset, left)
            if not count:
                raise OSError(errno.EIO, "the content of a file is shorter than it was", path)
            offset, left = offset + count, left - count
        os.fchown(descriptor, *file.owner)
        os.fchmod(descriptor, file.mode)
        for key, value in file.xattrs.items():
            set_attribute(descriptor, key, value)
        when = file.mtime if 0 <= file.mtime <= _LATEST else 0
        os.utime(descriptor, ns=(when, when))
    finally:
        os.close(descriptor)
