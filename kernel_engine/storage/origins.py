"""Which layer each name of a merged directory comes from, and what the layers above hide. For looking, not for use.

The layers are read themselves, without a mount. The topmost one is a container's own, which may be hostile: every
directory is reached beneath its layer's root without following a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from kernel_engine.storage import overlay
from kernel_engine.storage.changes import entries, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One name in one layer. Of the same name in several layers only the topmost one is seen from inside."""

    name: str
    layer: int  #: 0 is the topmost: the container's own
    kind: str  #: "file" | "directory" | "link" | "whiteout" | "other"
    size: int  #: bytes; 0 for all but files
    hidden: bool  #: a layer above has a file or a whiteout in its place, or an opaque directory around it


def origins(layers: Sequence[str], path: str) -> tuple[Origin, ...]:
    """What the layers (topmost first) hold in a directory, by name, then by layer. `path` is relative, "" the root."""
    found: list[Origin] = []
    settled: set[str] = set()  #: names that nothing beneath can show through
    covered = False
    for number, layer in enumerate(layers):
        reached = _reach(layer, path)
        root = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with opened(root, path) as directory:
                for entry, status in entries(directory):
                    kind = _kind(status)
                    hidden = covered or entry.name in settled
                    size = status.st_size if kind == "file" else 0
                    found.append(Origin(name=entry.name, layer=number, kind=kind, size=size, hidden=hidden))
                    if kind != "directory":
                        settled.add(entry.name)
        finally:
            os.close(root)
        covered = covered or reached
    return tuple(sorted(found, key=lambda item: (item.name, item.layer)))


def _reach(layer: str, path: str) -> bool:
    """Does this layer end the directory for those beneath: by a whiteout, a file or an opaque directory on the way?"""
    root = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        names = path.split("/") if path else []
        for at in range(len(names)):
            with opened(root, "/".join(names[:at])) as parent:
                if parent is None:
                    return False
                try:
                    status = os.stat(names[at], dir_fd=parent, follow_symlinks=False)
                except FileNotFoundError:
                    return False
            if not stat.S_ISDIR(status.st_mode):
                return True
            with opened(root, "/".join(names[: at + 1])) as directory:
                if directory is not None and overlay.is_opaque(directory):
                    return True
        return False
    finally:
        os.close(root)


def _kind(status: os.stat_result) -> str:
    if overlay.is_whiteout(status):
        return "whiteout"
    for test, kind in ((stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link"), (stat.S_ISREG, "file")):
        if test(status.st_mode):
            return kind
    return "other"
