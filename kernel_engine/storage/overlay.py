"""How overlayfs reads a stack of directories: whiteouts, opaque directories, and what the merged view shows.

Works on the directories themselves, without a mount; the stack's layers do not change while they are read. Which
directories form a stack is decided in `layers` and `snapshots`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kernel_engine.syscalls import ids

#: nobody but the machine's root may write trusted attributes, and a rootless engine is not that
_IS_MACHINES = ids.is_machines()
#: kernel: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories", "User xattr"
OPAQUE = "trusted.overlay.opaque" if _IS_MACHINES else "user.overlay.opaque"
#: options of every mount. redirect_dir and metacopy would leave renamed directories and files without data in the
#: upper directory, which neither `docker diff` nor `docker commit` could read; userxattr has them off, unnamed
PLAIN = "redirect_dir=off,metacopy=off,index=off" if _IS_MACHINES else "userxattr"
_PRIVATE = ("trusted.overlay.", "user.overlay.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the merged view shows under one name."""

    status: os.stat_result  #: of the topmost entry, which decides
    path: str  #: where that entry lies
    directories: tuple[str, ...]  #: the directories that are merged, topmost first; () for anything else


def is_whiteout(status: os.stat_result) -> bool:
    """A character device 0/0: the name is deleted here."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def attribute(path: str | int, name: str) -> bytes | None:
    """An extended attribute of a file (not followed) or a descriptor; None where there is none."""
    try:
        return os.getxattr(path, name) if isinstance(path, int) else os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT):
            return None
        raise


def is_opaque(directory: str | int) -> bool:
    """Nothing of the layers beneath shines through this directory."""
    return attribute(directory, OPAQUE) == b"y"


def look_up(directories: Sequence[str], name: str) -> Found | None:
    """One name in a merged directory, whose parts are `directories` (topmost first)."""
    top: tuple[os.stat_result, str] | None = None
    merged: list[str] = []
    for directory in directories:
        path = f"{directory}/{name}"
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(status.st_mode):
            if top is None and not is_whiteout(status):
                return Found(status=status, path=path, directories=())
            break  # a file or a whiteout hides what lies beneath
        top = top or (status, path)
        merged.append(path)
        if is_opaque(path):
            break
    return Found(status=top[0], path=top[1], directories=tuple(merged)) if top else None


def look_up_path(layers: Sequence[str], path: str) -> Found | None:
    """A relative path, from the roots of `layers`. No symbolic link is followed: a link on the way means None."""
    directories: Sequence[str] = layers
    found: Found | None = None
    for name in path.split("/"):
        found = look_up(directories, name)
        if found is None:
            return None
        directories = found.directories
    return found


def names(directories: Iterable[str]) -> set[str]:
    """Every name that a merged directory shows."""
    seen: set[str] = set()
    shown: set[str] = set()
    for directory in directories:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name in seen:
                    continue
                seen.add(entry.name)
                if not is_whiteout(entry.stat(follow_symlinks=False)):
                    shown.add(entry.name)
    return shown


def copy_attributes(source: Found, target: str) -> None:
    """Owner, mode, extended attributes and times of a directory, so that it looks as the one that it covers."""
    status = source.status
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source.path, follow_symlinks=False):
        if not name.startswith(_PRIVATE):
            os.setxattr(target, name, os.getxattr(source.path, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
