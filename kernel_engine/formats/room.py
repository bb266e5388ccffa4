"""How much of a disk an archive from outside may fill. Pure."""

from __future__ import annotations

import os

#: what is left free: this many bytes, or this part of a small disk
_RESERVE, _PART = 64 << 20, 20


def room(disk: os.statvfs_result) -> int:
    """Bytes: all that is free, but for a reserve. A decompression bomb stops there."""
    reserve = min(_RESERVE, disk.f_blocks * disk.f_frsize // _PART)
    return max(0, disk.f_bavail * disk.f_frsize - reserve)
