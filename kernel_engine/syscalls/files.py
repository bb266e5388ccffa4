"""Calls about files and file systems that Python's `os` lacks: syncfs, and the inode flags of chattr(1)."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

from kernel_engine.syscalls.libc import recorded

#: ioctl_iflags(2); the numbers are those of 64-bit machines
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_IMMUTABLE_FL, FS_APPEND_FL = 0x10, 0x20

#: CDLL, not PyDLL: a flush of the disk takes long and must not hold the interpreter lock
_syncfs = ctypes.CDLL(None, use_errno=True).syncfs


def syncfs(path: str) -> None:
    """Writes all of the file system that holds `path` to the disk; blocks until it is there. EIO, ENOSPC, EDQUOT."""

    def flush() -> None:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _syncfs(directory) == -1:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), path)
        finally:
            os.close(directory)

    recorded("syncfs", path, flush)


def fsync_directory(path: str) -> None:
    """Makes the names in a directory durable, fsync(2)."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def clear_inode_flags(path: str, flags: int = FS_IMMUTABLE_FL | FS_APPEND_FL) -> bool:
    """Takes the flags from a regular file or directory; true where there were any.

    ENOTTY or EOPNOTSUPP where the file system has no such flags, ELOOP for a symbolic link (links have none).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        (current,) = struct.unpack("=I", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, bytes(4)))
        if not current & flags:
            return False
        fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("=I", current & ~flags))
        return True
    finally:
        os.close(descriptor)
