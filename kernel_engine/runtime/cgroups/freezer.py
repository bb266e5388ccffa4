"""A container stands still, and goes on."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kernel_engine.errors import KernelRefused
from kernel_engine.runtime.cgroups.tree import ROOT, hierarchies, mode
from kernel_engine.syscalls import cgroupfs


def freeze(cgroup: str, id: str, *, timeout: float = 2.0) -> None:
    """Stops every process of the container and returns when they stand still (blocks for milliseconds).

    KernelRefused where they do not in time, and go on, and where there are no groups. FileNotFoundError when the group
    is gone, or goes meanwhile.
    """
    if mode() == "none":
        text = f"Cannot pause container {id}: a rootless engine without cgroups has no freezer"
        raise KernelRefused("write", errno.EOPNOTSUPP, text)
    if mode() == "v2":
        directory = f"{ROOT}/{cgroup}/{id}"
        file, word, told, still = f"{directory}/cgroup.freeze", "1", f"{directory}/cgroup.events", "frozen 1"
    else:
        file = told = f"{hierarchies()['freezer']}/{cgroup}/{id}/freezer.state"
        word = still = "FROZEN"
    with _standing():
        cgroupfs.write(file, word)
        try:
            _until(lambda: still in cgroupfs.read(told).splitlines(), timeout, id)
        except KernelRefused:
            thaw(cgroup, id)
            raise


def thaw(cgroup: str, id: str) -> bool:
    """False when the group is gone, or goes meanwhile: there is nobody to go on."""
    if mode() == "none":
        return True  # nothing is ever frozen
    try:
        with _standing():
            if mode() == "v2":
                cgroupfs.write(f"{ROOT}/{cgroup}/{id}/cgroup.freeze", "0")
            else:
                cgroupfs.write(f"{hierarchies()['freezer']}/{cgroup}/{id}/freezer.state", "THAWED")
    except FileNotFoundError:
        return False
    return True


def is_frozen(cgroup: str, id: str) -> bool:
    if mode() == "none":
        return False
    if mode() == "v2":
        return cgroupfs.read(f"{ROOT}/{cgroup}/{id}/cgroup.freeze").strip() != "0"
    return cgroupfs.read(f"{hierarchies()['freezer']}/{cgroup}/{id}/freezer.state").strip() != "THAWED"


@contextmanager
def _standing() -> Iterator[None]:
    """A group that goes between open(2) and write(2) or read(2) is gone like one that went before (ENODEV)."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), error.filename) from error


def _until(condition: Callable[[], bool], timeout: float, id: str) -> None:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise KernelRefused("write", errno.EBUSY, f"unable to freeze container {id}")
        time.sleep(0.002)
