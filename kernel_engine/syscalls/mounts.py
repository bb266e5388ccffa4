"""Calls about mounts and paths: mount, umount2, pivot_root, open_tree, move_mount, mount_setattr, openat2, mknod…

Paths that a container may have made hostile are opened with `openat2` beneath an open root, and mounted on through the
descriptor, so that no symbolic link can lead out. Which mounts there are is `runtime`'s to decide.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from enum import IntFlag
from functools import cache

from kernel_engine.syscalls.libc import call, recorded

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
O_PATH = os.O_PATH


class MountFlag(IntFlag):
    """MS_*, mount(2)."""

    MS_RDONLY = 1
    MS_NOSUID = 2
    MS_NODEV = 4
    MS_NOEXEC = 8
    MS_REMOUNT = 32
    MS_BIND = 4096
    MS_REC = 16384
    MS_UNBINDABLE = 1 << 17
    MS_PRIVATE = 1 << 18
    MS_SLAVE = 1 << 19
    MS_SHARED = 1 << 20
    MS_STRICTATIME = 1 << 24


class UmountFlag(IntFlag):
    MNT_DETACH = 2


class ResolveFlag(IntFlag):
    """RESOLVE_*, openat2(2)."""

    RESOLVE_NO_XDEV = 0x01
    RESOLVE_NO_MAGICLINKS = 0x02
    RESOLVE_NO_SYMLINKS = 0x04
    RESOLVE_BENEATH = 0x08
    RESOLVE_IN_ROOT = 0x10


class TreeFlag(IntFlag):
    """OPEN_TREE_*, open_tree(2)."""

    OPEN_TREE_CLONE = 1
    OPEN_TREE_CLOEXEC = os.O_CLOEXEC
    AT_EMPTY_PATH = 0x1000
    AT_RECURSIVE = 0x8000


class MoveFlag(IntFlag):
    """MOVE_MOUNT_*, move_mount(2)."""

    MOVE_MOUNT_F_EMPTY_PATH = 0x04
    MOVE_MOUNT_T_EMPTY_PATH = 0x40


class MountAttribute(IntFlag):
    """MOUNT_ATTR_*, mount_setattr(2)."""

    MOUNT_ATTR_RDONLY = 1
    MOUNT_ATTR_NOSUID = 2
    MOUNT_ATTR_NODEV = 4
    MOUNT_ATTR_NOEXEC = 8
    MOUNT_ATTR_IDMAP = 0x100000


NO_MOUNT_FLAGS = MountFlag(0)
NO_ATTRIBUTES = MountAttribute(0)
_CLONE_TREE = TreeFlag.OPEN_TREE_CLONE | TreeFlag.OPEN_TREE_CLOEXEC
_CLONE_TREE_RECURSIVE = _CLONE_TREE | TreeFlag.AT_RECURSIVE
_MOVE_BY_FD = MoveFlag.MOVE_MOUNT_F_EMPTY_PATH | MoveFlag.MOVE_MOUNT_T_EMPTY_PATH
_open_how = struct.Struct("=QQQ")
_mount_attr = struct.Struct("=QQQQ")


def mount(
    source: str, target: str, kind: str, flags: MountFlag = NO_MOUNT_FLAGS, data: str = "", *, shown: str = ""
) -> None:
    """`shown`: the path that `target` stands for, where it is "." below a directory that was opened safely."""
    path = shown or target
    show = f"{source} → {path}{f' type {kind}' if kind else ''}{f' {flags.name}' if flags else ''}"
    if data:
        show += f" {data}"
    call(
        "mount", os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, os.fsencode(data) or None,
        show=show, path=path,
    )  # fmt: skip


def umount2(target: str, flags: UmountFlag, *, shown: str = "") -> None:
    show = f"{shown or target} {flags.name if flags else 0}"
    call("umount2", os.fsencode(target), flags, show=show, path=shown or target)


def pivot_root(new_root: str, put_old: str) -> None:
    call("pivot_root", os.fsencode(new_root), os.fsencode(put_old), show=f"{new_root}, {put_old}", path=new_root)


def open_tree(path: str, *, recursive: bool = True, directory: int = AT_FDCWD, shown: str = "") -> int:
    """A detached copy of the mount (or mounts) at `path`: what a bind mount is before it is attached."""
    flags = _CLONE_TREE_RECURSIVE if recursive else _CLONE_TREE
    real = int(flags) if path else flags | AT_EMPTY_PATH
    shown = shown or path
    return call("open_tree", directory, os.fsencode(path), int(real), show=f"{shown} {flags.name}", path=shown)


def move_mount(tree: int, target: int, *, shown: str) -> None:
    """Attaches a detached tree on the file or directory that `target` is open on."""
    call("move_mount", tree, b"", target, b"", _MOVE_BY_FD, show=f"→ {shown}", path=shown)


def mount_setattr(
    tree: int,
    *,
    set_attributes: MountAttribute = NO_ATTRIBUTES,
    clear: MountAttribute = NO_ATTRIBUTES,
    propagation: MountFlag = NO_MOUNT_FLAGS,
    recursive: bool = False,
    user_namespace: int = 0,
    shown: str,
) -> None:
    """Changes the mount that `tree` is open on. `propagation`: MS_PRIVATE, MS_SLAVE, MS_SHARED or none.

    user_namespace: a descriptor, for MOUNT_ATTR_IDMAP: the owners on the disk are ids of that namespace.
    """
    attributes = ctypes.create_string_buffer(_mount_attr.pack(set_attributes, clear, propagation, user_namespace))
    names = "|".join(flag.name or "" for flag in (set_attributes, propagation) if flag)
    at = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    show = f"{shown} {names}{' AT_RECURSIVE' if recursive else ''}"
    call("mount_setattr", tree, b"", at, attributes, _mount_attr.size, show=show, path=shown)


def openat2(directory: int, path: str, flags: int, resolve: ResolveFlag, *, mode: int = 0) -> int:
    """A descriptor, close-on-exec. With RESOLVE_IN_ROOT no link leads out of `directory`."""
    how = _how(flags | os.O_CLOEXEC, mode, resolve)
    return call("openat2", directory, os.fsencode(path), how, _open_how.size, path=path, traced=False)


@cache
def _how(flags: int, mode: int, resolve: int) -> ctypes.Array[ctypes.c_char]:
    """struct open_how, which the kernel only reads."""
    return ctypes.create_string_buffer(_open_how.pack(flags, mode, resolve))


def chdir(path: str) -> None:
    recorded("chdir", path, os.chdir, path)


def chroot(path: str, *, shown: str = "") -> None:
    recorded("chroot", shown or path, os.chroot, path)


def fchdir(fd: int) -> None:
    """Housekeeping of a safely opened target; not recorded."""
    os.fchdir(fd)


def mkdirat(directory: int, name: str, mode: int) -> None:
    os.mkdir(name, mode, dir_fd=directory)


def mknodat(directory: int, name: str, mode: int, major: int, minor: int, *, shown: str) -> None:
    """`mode` with its type: stat.S_IFCHR | 0o666."""
    letter = {stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}.get(stat.S_IFMT(mode), "-")
    show = f"{shown} {letter} {major}:{minor} {stat.S_IMODE(mode):o}"

    def mknod() -> None:
        os.mknod(name, mode, os.makedev(major, minor), dir_fd=directory)

    recorded("mknod", show, mknod)


def symlinkat(content: str, directory: int, name: str, *, shown: str) -> None:
    def symlink() -> None:
        os.symlink(content, name, dir_fd=directory)

    recorded("symlink", f"{shown} → {content}", symlink)
