"""Writing to /proc, and to nothing that only lies where a file of /proc should (proc(5)).

A mount over one of its files would turn what is written here into something else: a label or a setting of a container
into a command to the kernel (CVE-2025-52881). Which settings there are is others' to decide.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable

from kernel_engine.syscalls.libc import call, recorded
from kernel_engine.syscalls.mounts import O_PATH, ResolveFlag, open_tree, openat2

ROOT = "/proc"
_MAGIC = 0x9FA0  #: PROC_SUPER_MAGIC, statfs(2)
_BENEATH = ResolveFlag.RESOLVE_BENEATH | ResolveFlag.RESOLVE_NO_MAGICLINKS
_ONE_MOUNT = _BENEATH | ResolveFlag.RESOLVE_NO_XDEV


def write(path: str, value: str) -> None:
    """One write(2) to a file beneath /proc. OSError with the path; EXDEV where that is no file of a real /proc."""
    recorded("write", f"{path} {value}", _write, path, value)


def _write(path: str, value: str) -> None:
    try:
        fd = _open(path.removeprefix(f"{ROOT}/"))
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def _open(name: str) -> int:
    if "\0" in name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    try:
        return _beneath(lambda: os.open(ROOT, O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), name, _ONE_MOUNT)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    try:  # something is mounted in it: what lies beneath is what is meant
        return _beneath(lambda: open_tree(ROOT, recursive=False), name, _ONE_MOUNT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    # mounts that are locked (mount_namespaces(7)) are the machine's own, with more rights than this process has
    return _beneath(lambda: os.open(ROOT, O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), name, _BENEATH)


def _beneath(opened: Callable[[], int], name: str, resolve: ResolveFlag) -> int:
    root = opened()
    try:
        fd = openat2(root, name, os.O_WRONLY, resolve)
    finally:
        os.close(root)
    if not is_of_proc(fd):
        os.close(fd)
        raise OSError(errno.EXDEV, "not a file of a real /proc")
    return fd


def is_of_proc(fd: int) -> bool:
    """Whether what is open lies on a /proc: the first word of struct statfs is the file system's type."""
    buffer = ctypes.create_string_buffer(256)
    call("fstatfs", fd, buffer, traced=False)
    (kind,) = struct.unpack_from("=q", buffer)
    return bool(kind == _MAGIC)
