"""The choke point: every kernel call of the engine goes through `call`, which checks errno and records the step.

Wrappers live beside it by subject (`process`, `mounts`, `cgroupfs`, `bpf`, `netlink`). Errors leave as `OSError` with
the errno and, where one is known, the path; nothing is retried, decided or explained here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from kernel_engine.syscalls import trace

T = TypeVar("T")
#: integers travel as C int, sign-extended: every number that these calls take fits; pointers come as buffers
Argument = int | bytes | None | ctypes.Array[ctypes.c_char]

#: PyDLL keeps the interpreter lock: clone3 must not come back in a child whose lock belongs to nobody
_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

#: found once, by whoever imports this, and not again by each child that is forked
_OFTEN = (
    "capset",
    "fstatfs",
    "mount",
    "pivot_root",
    "prctl",
    "sethostname",
    "setns",
    "setresgid",
    "setresuid",
    "umount2",
    "unshare",
)
for _name in _OFTEN:
    getattr(_libc, _name)

#: calls that the oldest C library we run on has no function for. From 424 on, numbers are the same on every machine.
_NUMBERS = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
} | {
    "x86_64": {"clone": 56, "keyctl": 250, "seccomp": 317, "bpf": 321},
    "aarch64": {"clone": 220, "keyctl": 219, "seccomp": 277, "bpf": 280},
}.get(os.uname().machine, {})


def call(name: str, *arguments: Argument, show: str = "", path: str | None = None, traced: bool = True) -> int:
    """Makes one kernel call and returns its result.

    name: as in section 2 of the manual. show: the arguments as a reader wants them (symbolic); path: what an OSError
    shall name. `traced=False` is for housekeeping that teaches nothing (closing descriptors). The recorded source
    line is that of the wrapper's caller.
    """
    current = trace.current() if traced else None
    if current is not None and current.before is not None:
        current.before(name, show, trace.source_line(3))
    started = time.monotonic_ns()
    number = _NUMBERS.get(name)
    if number is None:
        result: int = getattr(_libc, name)(*arguments)
    else:
        result = _syscall(number, *arguments)
    code = ctypes.get_errno() if result == -1 else 0
    if current is not None:
        outcome = errno.errorcode.get(code, code) if code else result
        current.add(name, show, outcome, not code, started, sys._getframe(2))
    if code:
        raise OSError(code, os.strerror(code), path)
    return result


def recorded(name: str, show: str, function: Callable[..., T], *arguments: object) -> T:
    """The same for a call that Python's `os` already wraps (mkdir, write, chdir…)."""
    current = trace.current()
    if current is None:
        return function(*arguments)
    if current.before is not None:
        current.before(name, show, trace.source_line(3))
    started = time.monotonic_ns()
    try:
        result = function(*arguments)
    except OSError as error:
        outcome = errno.errorcode.get(error.errno or 0, str(error.errno))
        current.add(name, show, outcome, False, started, sys._getframe(2))
        raise
    current.add(name, show, int(result) if isinstance(result, int) else 0, True, started, sys._getframe(2))
    return result


def announce(name: str, show: str) -> None:
    """Records a call before it is made, because after it (execve) there is nobody left to record."""
    current = trace.current()
    if current is not None:
        if current.before is not None:
            current.before(name, show, trace.source_line(3))
        current.add(name, show, "", True, time.monotonic_ns(), sys._getframe(2))
