"""A file without a name for what a build receives: gone with its last descriptor, whatever happens to the daemon."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def open_spool(directory: Path) -> int:
    """Open for reading and writing; the caller closes it."""
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        return os.dup(file.fileno())
