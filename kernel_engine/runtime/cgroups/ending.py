"""Which processes are in a container's groups, their end, and the groups' own."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

from kernel_engine.runtime.cgroups.freezer import thaw
from kernel_engine.runtime.cgroups.tree import ROOT, accounting_directory, directories, hierarchies, mode
from kernel_engine.syscalls import cgroupfs
from kernel_engine.syscalls.process import kill as kill_process

#: seconds that killed processes have to end, on a machine that others want too, and between two looks
_PATIENCE, _LOOK_AGAIN = 30.0, 0.01


def processes(cgroup: str, id: str) -> tuple[int, ...]:
    """Host pids of all processes in the container's group and the groups below it; () when it is gone."""
    found: list[int] = []
    for directory, _children, _files in os.walk(accounting_directory(cgroup, id)):
        try:
            found += [int(pid) for pid in cgroupfs.read(f"{directory}/cgroup.procs").split()]
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
                raise
    return tuple(found)


def oom_kills(cgroup: str, id: str) -> int:
    """How many processes of the group the kernel has killed for memory; 0 when the group is gone."""
    if mode() == "v2":
        file = f"{ROOT}/{cgroup}/{id}/memory.events"
    else:
        file = f"{hierarchies().get('memory', '')}/{cgroup}/{id}/memory.oom_control"
    try:
        text = cgroupfs.read(file)
    except OSError:
        return 0
    counts = dict(line.split() for line in text.splitlines())
    return int(counts.get("oom_kill", 0))


def kill(cgroup: str, id: str) -> None:
    """SIGKILL to every process of the group; a frozen one dies too."""
    if mode() == "v2" and _kill_at_once(f"{ROOT}/{cgroup}/{id}"):
        return
    for pid in processes(cgroup, id):
        try:
            kill_process(pid, 9)
        except ProcessLookupError:
            continue
    with suppress(KeyError):  # a machine without that controller
        thaw(cgroup, id)


def remove(cgroup: str, id: str) -> None:
    """Removes the container's groups and those it made itself below. OSError EBUSY while a process is in one."""
    for directory in directories(cgroup, id):
        try:
            cgroupfs.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _remove_tree(directory)


def remove_instance(cgroup: str) -> None:
    """Kills what is left in the instance's groups and removes them all. Missing ones are fine. OSError EBUSY where a
    process does not end in time."""
    end = time.monotonic() + _PATIENCE
    for directory in directories(cgroup, ""):
        if not os.path.isdir(directory):
            continue
        for child in os.listdir(directory):
            if os.path.isdir(f"{directory}/{child}"):
                while not _removed_killing(cgroup, child, directory, end):
                    time.sleep(_LOOK_AGAIN)
        while not _removed(directory, end):
            time.sleep(_LOOK_AGAIN)


def _kill_at_once(directory: str) -> bool:
    """v2's own way, which no fork escapes; Linux 5.14."""
    try:
        cgroupfs.write(f"{directory}/cgroup.kill", "1")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # ENODEV: it goes in this moment
            raise
        return False
    return True


def _remove_tree(directory: str) -> None:
    for place, _children, _files in os.walk(directory, topdown=False):
        try:
            cgroupfs.rmdir(place)
        except FileNotFoundError:
            continue


def _removed_killing(cgroup: str, id: str, directory: str, end: float) -> bool:
    """Whoever was forked while others were killed is killed the next time."""
    kill(cgroup, id)
    return _removed(f"{directory}/{id}", end)


def _removed(directory: str, end: float) -> bool:
    """False while a process that was killed has not ended."""
    try:
        _remove_tree(directory)
    except OSError as error:
        if error.errno != errno.EBUSY or time.monotonic() > end:
            raise
        return False
    return True
