"""Where control groups lie on this machine, for this process: the hierarchies of v1 and v2, and a container's place.

v1: `/sys/fs/cgroup/<controller>/<instance>/<id>`; v2: `/sys/fs/cgroup/<instance>/<id>`. Nothing is written here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from kernel_engine.runtime.spec import Resources
from kernel_engine.syscalls import cgroupfs, ids

ROOT = "/sys/fs/cgroup"
#: what a container's group is made in on v1, cpuset only where it is asked for, or may be: entering one costs
CONTROLLERS_V1 = ("memory", "cpu", "cpuacct", "pids", "devices", "freezer", "blkio")
CPUSET, NAMED = "cpuset", "name="
LIMITED = frozenset(("memory", "cpu", "cpuset", "pids"))


@cache
def is_unified() -> bool:
    """v2's hierarchy has the controllers, whoever may use them."""
    return os.path.exists(f"{ROOT}/cgroup.controllers")


def mode() -> Literal["v1", "v2", "none"]:
    """Which hierarchy has the controllers on this machine. "none": they are not for this process, which is root in a
    user namespace only and was given no groups; then there are no groups and no limits."""
    return _mode(_given.parent)


@cache
def _mode(parent: str) -> Literal["v1", "v2", "none"]:
    unified = is_unified()
    if not ids.is_machines():
        places = (ROOT, f"{ROOT}/{parent}") if unified else (f"{ROOT}/memory",)
        if not any(os.access(place, os.W_OK) for place in places):
            return "none"
    return "v2" if unified else "v1"


@dataclass(slots=True)
class _Given:
    parent: str = ""


_given = _Given()


def stand_below(parent: str) -> None:
    """Told once, when a process begins: the group of v2 in which the instance's own is; "" = the topmost."""
    _given.parent = parent


def controllers() -> frozenset[str]:
    """What containers can be limited in: some of memory, cpu, cpuset, pids. On v1 a kernel without one of them refuses
    when it is asked for."""
    if mode() == "none":
        return frozenset()
    if mode() == "v1":
        return LIMITED
    return LIMITED & set(cgroupfs.read(f"{ROOT}/{_given.parent}/cgroup.controllers").split())


def _mounts() -> Iterator[tuple[str, str, str]]:
    """("cgroup" for v1 or "cgroup2", mount point, options) of each hierarchy, from /proc/self/mountinfo
    (proc_pid_mountinfo(5))."""
    for line in cgroupfs.read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            yield kind, before.split()[4], options


@cache
def _mounted() -> dict[str, str]:
    """v1: controller, or name of a hierarchy without one ("name=systemd") → mount point."""
    found: dict[str, str] = {}
    if mode() == "none":
        return found
    known = (*CONTROLLERS_V1, CPUSET)
    for kind, point, options in _mounts():
        if kind == "cgroup":
            found |= {word: point for word in options.split(",") if word in known or word.startswith(NAMED)}
    return found


@cache
def hierarchies() -> dict[str, str]:
    """v1: controller → mount point."""
    return {name: point for name, point in _mounted().items() if not name.startswith(NAMED)}


def groups_v1(resources: Resources) -> dict[str, str]:
    """The v1 hierarchies that a container with these limits has a group in, with their mount points."""
    wanted = (*CONTROLLERS_V1, CPUSET) if resources.cpuset_cpus or resources.cpuset_mems else CONTROLLERS_V1
    return {name: point for name, point in _mounted().items() if resources.every_controller or name in wanted}


def directories(cgroup: str, id: str) -> tuple[str, ...]:
    """Every directory that may hold this container's processes, whether it exists or not. id "" = the instance's."""
    tail = f"{cgroup}/{id}" if id else cgroup
    if mode() == "v2":
        return (f"{ROOT}/{tail}",)
    return tuple(f"{point}/{tail}" for point in dict.fromkeys(_mounted().values()))


def directories_of(cgroup: str, id: str, resources: Resources) -> tuple[str, ...]:
    """Those that a container with these limits is made, in this order."""
    if mode() == "v2":
        return directories(cgroup, id)
    return tuple(f"{point}/{cgroup}/{id}" for point in dict.fromkeys(groups_v1(resources).values()))


def accounting_directory(cgroup: str, id: str) -> str:
    """The one of them in which its processes are counted."""
    if mode() == "v2":
        return f"{ROOT}/{cgroup}/{id}"
    places = hierarchies()
    return f"{places.get('pids') or places.get('memory', '')}/{cgroup}/{id}"


def unified_place(text: str) -> str:
    """The group in /proc/PID/cgroup's line of v2, from the root of the reader's cgroup namespace."""
    for line in text.splitlines():
        if line.startswith("0::"):
            return line.removeprefix("0::")
    return ""


def doors(pid: int, other: int) -> Iterator[str]:
    """The files that `other` writes "0" to, to be in the groups of the process `pid`: none where it is in it already.

    v1: `tasks`, for the reason that `enter` gives; `other` must have one thread.
    """
    points, unified = dict[str, str](), ROOT
    for kind, point, options in _mounts():
        if kind == "cgroup":
            points |= dict.fromkeys(options.split(","), point)
        else:
            unified = point
    now = cgroupfs.read(f"/proc/{other}/cgroup").splitlines()
    for line in cgroupfs.read(f"/proc/{pid}/cgroup").splitlines():
        _number, controllers, place = line.split(":", 2)
        if line in now:
            continue
        if controllers:
            yield f"{points[controllers.split(',')[0]]}{place}/tasks"
        else:
            yield f"{unified}{place}/cgroup.procs"
