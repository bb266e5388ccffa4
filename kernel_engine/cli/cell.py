"""Whether a notebook cell reads what we print, and what it is told besides.

The cell's pipe is the one that DOCKER_LABS_CELL names by its inode. DOCKER_LABS_PROGRESS names a second one, by
descriptor and inode, for how far a command is: the cell draws it and keeps nothing of it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TextIO


def cell() -> TextIO | None:
    """The stream of ours that is the cell's own pipe; None where it is another pipe, a file or a terminal."""
    inode = os.environ.get("DOCKER_LABS_CELL")
    if not inode:
        return None
    return next((stream for stream in (sys.stdout, sys.stderr) if _inode(stream) == inode), None)


def _inode(stream: TextIO) -> str:
    try:
        return str(os.fstat(stream.fileno()).st_ino)
    except (OSError, ValueError):  # closed, or no file at all
        return ""


def listens() -> bool:
    """Does a cell draw how far we are?"""
    return _listener() >= 0


def tell(message: Mapping[str, Any]) -> None:
    """Tells the cell how far the command is; nothing where no cell listens. Never waits: a full pipe loses it."""
    descriptor = _listener()
    if descriptor < 0:
        return
    import json

    try:
        os.write(descriptor, json.dumps(message, ensure_ascii=False).encode() + b"\n")
    except OSError:
        return


def _listener() -> int:
    """The pipe's descriptor; -1 where there is none, or the number has come to mean another file."""
    descriptor, _, inode = os.environ.get("DOCKER_LABS_PROGRESS", "").partition(":")
    if not inode:
        return -1
    try:
        return int(descriptor) if str(os.fstat(int(descriptor)).st_ino) == inode else -1
    except (OSError, ValueError):
        return -1
