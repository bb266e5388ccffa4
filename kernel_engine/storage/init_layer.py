"""The init layer: the thin layer between an image and a container's own changes, as Docker makes it.

It holds the mount points that every container needs (/dev, /proc, /sys, /etc/hosts, …). Because it lies below the
container's upper directory, `docker diff` and `docker commit` never see them. It depends on the image alone, so all
containers of an image share one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Literal, NamedTuple

from kernel_engine.storage import overlay


class Entry(NamedTuple):
    path: str
    kind: Literal["directory", "file", "link"]
    content: str = ""  #: of a link
    beneath: overlay.Found | None = None  #: the directory of the image that this one continues


#: moby, daemon/initlayer/setup_unix.go
_WANTED = (
    Entry(".dockerenv", "file"),
    Entry("dev/console", "file"),
    Entry("dev/pts", "directory"),
    Entry("dev/shm", "directory"),
    Entry("etc/hostname", "file"),
    Entry("etc/hosts", "file"),
    Entry("etc/mtab", "link", "/proc/mounts"),
    Entry("etc/resolv.conf", "file"),
    Entry("proc", "directory"),
    Entry("sys", "directory"),
)


def plan(layers: Sequence[str]) -> tuple[Entry, ...]:
    """What the init layer above `layers` (paths, topmost first) has to hold, parents first."""
    planned: dict[str, Entry] = {}
    for wanted in _WANTED:
        found = overlay.look_up_path(layers, wanted.path)
        if wanted.kind == "directory" and found is not None and found.directories:
            continue
        parent = os.path.dirname(wanted.path)
        if parent and parent not in planned:
            above = overlay.look_up_path(layers, parent)
            planned[parent] = Entry(parent, "directory", beneath=above if above and above.directories else None)
        planned[wanted.path] = wanted
    return tuple(planned.values())


def is_complete(root: str, entries: Sequence[Entry]) -> bool:
    return all(os.path.lexists(f"{root}/{entry.path}") for entry in entries)


def make(root: str, entries: Sequence[Entry]) -> None:
    """Fills the empty directory `root`."""
    os.chmod(root, 0o755)
    for entry in entries:
        path = f"{root}/{entry.path}"
        if entry.kind == "directory":
            os.mkdir(path)
            os.chmod(path, 0o755)
        elif entry.kind == "link":
            os.symlink(entry.content, path)
        else:
            os.mknod(path, stat.S_IFREG)
            os.chmod(path, 0o755)
    for entry in entries:  # at last, because each new name changes its directory's time
        if entry.beneath is not None:
            overlay.copy_attributes(entry.beneath, f"{root}/{entry.path}")
