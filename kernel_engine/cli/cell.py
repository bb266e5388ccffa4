"""Whether a notebook cell reads what we print: its pipe is the one that DOCKER_LABS_CELL names by its inode."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


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
