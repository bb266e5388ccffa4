"""What a stack of overlay directories shows, for tests that compare file trees across engines."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.storage import overlay

_PRIVATE = ("trusted.overlay.", "user.overlay.")


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything that an image says of one path."""

    mode: int  #: kind and permissions (inode(7))
    owner: tuple[int, int]
    mtime_ns: int
    content: str  #: a digest, a link's target or a device's number
    attributes: tuple[tuple[str, bytes], ...]
    same_as: tuple[str, ...]  #: every path that is this file


def tree(layers: Sequence[str]) -> dict[str, Entry]:
    """By path. layers: topmost first, as inspect's UpperDir and LowerDir name them."""
    found = dict(_walk(layers, ""))
    names: dict[tuple[int, int], list[str]] = defaultdict(list)
    for path, item in found.items():
        if not item.directories:
            names[item.status.st_dev, item.status.st_ino].append(path)
    return {path: _entry(item, sorted(names[item.status.st_dev, item.status.st_ino])) for path, item in found.items()}


def _walk(directories: Sequence[str], prefix: str) -> Iterator[tuple[str, overlay.Found]]:
    for name in sorted(overlay.names(directories)):
        item = overlay.look_up(directories, name)
        assert item is not None
        yield f"{prefix}{name}", item
        if item.directories:
            yield from _walk(item.directories, f"{prefix}{name}/")


def _entry(item: overlay.Found, names: list[str]) -> Entry:
    status, path = item.status, item.path
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    else:
        content = str(status.st_rdev)
    listed = os.listxattr(path, follow_symlinks=False)
    return Entry(
        mode=status.st_mode,
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        content=content,
        attributes=tuple(
            (name, os.getxattr(path, name, follow_symlinks=False))
            for name in sorted(listed)
            if not name.startswith(_PRIVATE)
        ),
        same_as=tuple(names) if len(names) > 1 else (),
    )
