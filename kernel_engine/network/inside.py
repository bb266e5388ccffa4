"""Another network namespace, entered by a thread of ours: a container's for a moment, a rootless engine's for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kernel_engine.errors import KernelRefused
from kernel_engine.syscalls.mounts import MountFlag, mount
from kernel_engine.syscalls.process import CloneFlag, setns, unshare

Result = TypeVar("Result")


def move(namespace: Path) -> None:
    """The calling thread, for as long as it lives. namespace: a file that one is bound to. OSError."""
    there = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(there, CloneFlag.CLONE_NEWNET, show=f"{namespace}, CLONE_NEWNET")
    finally:
        os.close(there)


def pin(namespace: Path) -> None:
    """Binds a new network namespace to a file, which is made: it lasts while nobody is in it. One that is bound there
    stays. KernelRefused."""
    if os.path.ismount(namespace):
        return
    namespace.touch(mode=0o600)
    failures: list[OSError] = []

    def work() -> None:
        """In a thread that is nowhere else afterwards: it ends."""
        try:
            unshare(CloneFlag.CLONE_NEWNET)
            mount("/proc/thread-self/ns/net", str(namespace), "", MountFlag.MS_BIND)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=work, name="pin")
    thread.start()
    thread.join()
    if failures:
        namespace.unlink(missing_ok=True)
        error = failures[0]
        raise KernelRefused("unshare", error.errno or 0, f"make a network namespace: {error}") from error


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
