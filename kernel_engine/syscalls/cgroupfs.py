"""The cgroup file systems, by path: make, write, read, remove (cgroups(7)). Every change is recorded.

Which files take which value, and the difference between v1 and v2, is `runtime.cgroups`.
"""

from __future__ import annotations

import os

from kernel_engine.syscalls.libc import recorded


def mkdir(path: str) -> None:
    recorded("mkdir", path, os.mkdir, path, 0o755)


def rmdir(path: str) -> None:
    """EBUSY while a process or a child group is in it."""
    recorded("rmdir", path, os.rmdir, path)


def write(path: str, value: str) -> None:
    recorded("write", f"{path} {value}", _write, path, value)


def read(path: str) -> str:
    """Not recorded: it changes nothing."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(fd, 1 << 16):
            chunks.append(chunk)
        return b"".join(chunks).decode()
    finally:
        os.close(fd)


def _write(path: str, value: str) -> None:
    """One write(2): the kernel takes each write as one whole setting."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)
