"""Makes the groups of an instance and of its containers, and sets and changes their limits.

Device rules of v2 are a BPF program (`syscalls.bpf`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from kernel_engine.errors import NotSupported
from kernel_engine.runtime.cgroups.ending import processes
from kernel_engine.runtime.cgroups.settings import (
    Limits,
    Setting,
    device_lines,
    plan_limits_v1,
    plan_limits_v2,
    plan_v1,
    plan_v2,
)
from kernel_engine.runtime.cgroups.tree import CPUSET, NAMED, ROOT, groups_v1, hierarchies, mode
from kernel_engine.runtime.spec import DeviceRule, Resources
from kernel_engine.syscalls import bpf, cgroupfs

CONTROLLERS_V2 = ("memory", "cpu", "pids", "cpuset", "io")


def prepare_instance(cgroup: str) -> None:
    """Makes the instance's own groups, idempotent. On v2 controllers are enabled for the children."""
    for point in (ROOT,) if mode() == "v2" else dict.fromkeys(hierarchies().values()):
        os.makedirs(f"{point}/{cgroup}", exist_ok=True)
    if mode() == "v2":
        above = os.path.dirname(f"{ROOT}/{cgroup}")
        available = cgroupfs.read(f"{above}/cgroup.controllers").split()
        wanted = [name for name in CONTROLLERS_V2 if name in available]
        for directory in (above, f"{ROOT}/{cgroup}"):
            enabled = cgroupfs.read(f"{directory}/cgroup.subtree_control").split()
            for name in wanted:
                if name not in enabled:
                    cgroupfs.write(f"{directory}/cgroup.subtree_control", f"+{name}")
    elif CPUSET in hierarchies():
        # a cpuset without cpus and mems takes no process: children inherit by cgroup.clone_children
        point = hierarchies()[CPUSET]
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not cgroupfs.read(f"{point}/{cgroup}/{file}").strip():
                cgroupfs.write(f"{point}/{cgroup}/{file}", cgroupfs.read(f"{point}/{file}").strip())
        cgroupfs.write(f"{point}/{cgroup}/cgroup.clone_children", "1")


def limit_instance(cgroup: str, limits: Limits) -> None:
    """Holds all containers of an instance together to these limits. NotSupported where the machine has no controller
    for one that is asked for."""
    unified = mode() == "v2"
    asked = {"memory": limits.memory, "cpu": limits.nano_cpus, "pids": limits.pids}
    for setting in plan_limits_v2(limits) if unified else plan_limits_v1(limits):
        point = ROOT if unified else hierarchies().get(setting.controller, f"{ROOT}/{setting.controller}")
        path = f"{point}/{cgroup}/{setting.file}"
        name = setting.file.partition(".")[0]
        if os.path.exists(path):
            cgroupfs.write(path, setting.value)
        elif asked[name] and "sw" not in setting.file:  # swap accounting may be switched off
            raise NotSupported(f"the {name} of all containers cannot be limited: this machine has no {path}")


def create(cgroup: str, id: str, resources: Resources, rules: Sequence[DeviceRule]) -> None:
    """Makes the container's groups with their limits. A group of that name left by a crash is used again."""
    if mode() == "v2":
        _mkdir(f"{ROOT}/{cgroup}/{id}")
        _write_all(plan_v2(resources), {"": f"{ROOT}/{cgroup}/{id}"})
        _attach_devices(f"{ROOT}/{cgroup}/{id}", rules)
        return
    places = {name: f"{point}/{cgroup}/{id}" for name, point in groups_v1(resources).items()}
    for name, directory in places.items():
        if name.startswith(NAMED):  # where the instance has no group of its own
            _mkdir(os.path.dirname(directory))
        _mkdir(directory)
    settings = (*plan_v1(resources), *device_lines(rules))
    _write_all(tuple(setting for setting in settings if setting.controller in places), places)


def update(cgroup: str, id: str, resources: Resources) -> None:
    """Changes limits of a container that runs; what is 0 or empty stays as it is."""
    if mode() == "none":
        return
    if mode() == "v2":
        _write_all(plan_v2(resources), {"": f"{ROOT}/{cgroup}/{id}"})
        return
    places = {name: f"{point}/{cgroup}/{id}" for name, point in hierarchies().items()}
    settings = plan_v1(resources)
    if resources.memory and resources.memory_swap:
        now = int(cgroupfs.read(f"{places['memory']}/memory.memsw.limit_in_bytes"))
        if resources.memory > now:  # memory may never exceed memory + swap, so the larger one goes first
            settings = (settings[1], settings[0], *settings[2:])
    late = any(setting.controller == CPUSET for setting in settings) and not os.path.isdir(places[CPUSET])
    if late:
        _mkdir(places[CPUSET])
    _write_all(settings, places)
    if late:
        _fill(places[CPUSET], cgroup, id)


def _fill(directory: str, cgroup: str, id: str) -> None:
    """v1: moves a container that runs into one more group; what it forks meanwhile is moved in the next round."""
    while left := set(processes(cgroup, id)) - {int(pid) for pid in cgroupfs.read(f"{directory}/cgroup.procs").split()}:
        for pid in left:
            try:
                cgroupfs.write(f"{directory}/cgroup.procs", str(pid))
            except ProcessLookupError:
                continue  # it has just ended


def _mkdir(directory: str) -> None:
    try:
        cgroupfs.mkdir(directory)
    except FileExistsError:
        return


def _write_all(settings: Sequence[Setting], places: dict[str, str]) -> None:
    for setting in settings:
        path = f"{places[setting.controller]}/{setting.file}"
        try:
            cgroupfs.write(path, setting.value)
        except FileNotFoundError:
            # swap accounting may be switched off (swapaccount=0): Docker goes on without it
            if "memsw" not in setting.file and "memory.swap" not in setting.file:
                raise


def _attach_devices(directory: str, rules: Sequence[DeviceRule]) -> None:
    if not rules:
        return  # those of a group above hold
    program = bpf.load_device_program(bpf.device_program(rules))
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        bpf.attach_device_program(fd, program, shown=directory)
    finally:
        os.close(fd)
        os.close(program)
