"""One entry of a layer archive by itself: its name made safe, its content written, its owner and attributes given.

What names a layer may not have, and what of it the disk cannot hold. How entries become a tree is `unpack`'s.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

from kernel_engine.errors import CorruptData
from kernel_engine.images.tar_reader import Entry
from kernel_engine.syscalls import ids

#: a rootless engine's is not the machine's root, who alone may write trusted attributes
IS_MACHINES = ids.is_machines()
#: overlayfs's own attributes: an archive must not steer where the kernel looks
_PRIVATE_XATTRS = ("trusted.overlay.", "user.overlay.")
#: the largest time that every file system and every reader of it takes (2**33 s; year 2242)
_LATEST = (1 << 33) * 1_000_000_000
_LARGEST_ID = (1 << 32) - 2
Content = Callable[[], Iterable[bytes | memoryview]]


def clean(name: bytes) -> bytes:
    """The name relative to the root, without `.`, `..` and double slashes; b"" for the root.

    CorruptData where it leads out of the root.
    """
    plain = name.rstrip(b"/")
    if plain and plain[0] not in b"/." and b"/." not in plain and b"//" not in plain:
        return plain
    words: list[bytes] = []
    for word in plain.split(b"/"):
        if word == b"..":
            if not words:
                raise outside(name)
            words.pop()
        elif word not in (b"", b"."):
            words.append(word)
    return b"/".join(words)


def outside(name: bytes) -> CorruptData:
    return CorruptData(f'"{text(name)}" is outside of the layer\'s root directory')


def join(parent: bytes, base: bytes) -> bytes:
    return parent + b"/" + base if parent else base


def text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def owner_of(entry: Entry) -> tuple[int, int]:
    if not (0 <= entry.uid <= _LARGEST_ID and 0 <= entry.gid <= _LARGEST_ID):
        raise CorruptData(f'"{text(entry.name)}" belongs to an impossible user or group')
    return entry.uid, entry.gid


def give(path: bytes | int, entry: Entry) -> None:
    """To the owner that the entry names. CorruptData, in Docker's words, for an id that a rootless engine has not."""
    uid, gid = owner_of(entry)
    try:
        if isinstance(path, int):
            os.fchown(path, uid, gid)
        else:
            os.chown(path, uid, gid, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EINVAL or IS_MACHINES:
            raise
        raise CorruptData(
            f'failed to Lchown "{text(entry.name)}" for UID {uid}, GID {gid} '
            "(try increasing the number of subordinate IDs in /etc/subuid and /etc/subgid): invalid argument"
        ) from None


def time_of(entry: Entry) -> int:
    return entry.mtime if 0 <= entry.mtime <= _LATEST else 0


def write(descriptor: int, piece: bytes | memoryview) -> None:
    while (count := os.write(descriptor, piece)) < len(piece):
        piece = memoryview(piece)[count:]


def write_extents(descriptor: int, entry: Entry, content: Content) -> None:
    os.ftruncate(descriptor, entry.size)
    extents = iter(entry.extents or ())
    room = 0
    for whole in content():
        piece = whole
        while piece:
            while not room:
                offset, room = next(extents)
                os.lseek(descriptor, offset, os.SEEK_SET)
            part = piece[:room]
            write(descriptor, part)
            piece = piece[len(part) :]
            room -= len(part)


def set_xattrs(path: bytes | int, entry: Entry) -> None:
    """What the file system cannot hold is left out, as Docker does."""
    for key, value in entry.xattrs.items():
        if key.startswith(_PRIVATE_XATTRS) or "\0" in key:
            continue
        try:
            if isinstance(path, int):
                os.setxattr(path, key, value)
            else:
                os.setxattr(path, key, value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EINVAL, errno.ERANGE):
                raise
