"""A container's network namespace, entered for a moment by a thread of ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from kernel_engine.syscalls.process import CloneFlag, setns

Result = TypeVar("Result")


def within(pid: int, work: Callable[[], Result]) -> Result:
    """Does `work` in the network namespace of a process; the thread is back when this returns. OSError where it is
    gone. /proc/sys/net is the entered namespace's, too (it follows the task that opens a file)."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(there, CloneFlag.CLONE_NEWNET)
        finally:
            os.close(there)
        try:
            return work()
        finally:
            setns(home, CloneFlag.CLONE_NEWNET)
    finally:
        os.close(home)
