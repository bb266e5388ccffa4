"""What the disk says, in the engine's kinds of error."""

from __future__ import annotations

import errno
import os
import sqlite3

from kernel_engine.errors import EngineError, KernelRefused, NoSpace

_FULL = (errno.ENOSPC, errno.EDQUOT)


def refusal(what: str, error: OSError | sqlite3.Error) -> EngineError:
    """`what` was being done ("commit layer sha256:…")."""
    if isinstance(error, sqlite3.Error):
        if "disk is full" in str(error):
            return NoSpace(f"{what}: no space left on device")
        return EngineError(f"{what}: {error}")
    if error.errno in _FULL:
        return NoSpace(f"{what}: {os.strerror(error.errno or 0).lower()}")
    return KernelRefused(what, error.errno or 0, f"{what}: {error}")
