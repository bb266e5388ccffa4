"""Control groups of one instance: made, limited, entered, frozen and removed; v1 and v2.

v1: `/sys/fs/cgroup/<controller>/<instance>/<id>`; v2: `/sys/fs/cgroup/<instance>/<id>`. What to write is planned
(`plan_v1`, `plan_v2`, pure); the writing is a loop. What a group has used is `usage`. Device rules of v2 are a BPF
program (`syscalls.bpf`).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from kernel_engine.errors import KernelRefused, NotSupported
from kernel_engine.runtime.spec import DeviceRule, Resources
from kernel_engine.syscalls import bpf, cgroupfs, ids
from kernel_engine.syscalls.process import kill as kill_process

ROOT = "/sys/fs/cgroup"
#: what a container's group is made in on v1, cpuset only where it is asked for, or may be: entering one costs
CONTROLLERS_V1 = ("memory", "cpu", "cpuacct", "pids", "devices", "freezer", "blkio")
CONTROLLERS_V2 = ("memory", "cpu", "pids", "cpuset", "io")
CPUSET, NAMED = "cpuset", "name="
LIMITED = frozenset(("memory", "cpu", "cpuset", "pids"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One write: `controller` names the v1 hierarchy ("" on v2)."""

    controller: str
    file: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of all containers of an instance together; 0 = none."""

    memory: int = 0  #: bytes, with swap
    nano_cpus: int = 0
    pids: int = 0
    containers: int = 0


NO_LIMITS = Limits()


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


# what to write: pure ------------------------------------------------------------------------------------------------
def plan_v1(resources: Resources) -> tuple[Setting, ...]:
    found: list[Setting] = []

    def put(controller: str, file: str, value: object) -> None:
        found.append(Setting(controller=controller, file=f"{controller}.{file}", value=str(value)))

    if resources.memory:
        put("memory", "limit_in_bytes", resources.memory)
    if resources.memory_swap:
        put("memory", "memsw.limit_in_bytes", resources.memory_swap)
    if resources.memory_reservation:
        put("memory", "soft_limit_in_bytes", resources.memory_reservation)
    if resources.oom_kill_disable:
        put("memory", "oom_control", 1)
    if resources.cpu_shares:
        put("cpu", "shares", resources.cpu_shares)
    if resources.cpu_period:
        put("cpu", "cfs_period_us", resources.cpu_period)
    if resources.cpu_quota:
        put("cpu", "cfs_quota_us", resources.cpu_quota)
    if resources.cpuset_cpus:
        put(CPUSET, "cpus", resources.cpuset_cpus)
    if resources.cpuset_mems:
        put(CPUSET, "mems", resources.cpuset_mems)
    if resources.pids:
        put("pids", "max", resources.pids if resources.pids > 0 else "max")
    return tuple(found)


def plan_v2(resources: Resources) -> tuple[Setting, ...]:
    found: list[Setting] = []

    def put(file: str, value: object) -> None:
        found.append(Setting(controller="", file=file, value=str(value)))

    if resources.memory:
        put("memory.max", resources.memory)
    if resources.memory_swap:
        # v2 counts swap alone, Docker memory and swap together
        put("memory.swap.max", "max" if resources.memory_swap < 0 else resources.memory_swap - resources.memory)
    if resources.memory_reservation:
        put("memory.low", resources.memory_reservation)
    if resources.cpu_shares:
        put("cpu.weight", weight(resources.cpu_shares))
    if resources.cpu_quota or resources.cpu_period:
        quota = resources.cpu_quota if resources.cpu_quota > 0 else "max"
        put("cpu.max", f"{quota} {resources.cpu_period or 100_000}")
    if resources.cpuset_cpus:
        put("cpuset.cpus", resources.cpuset_cpus)
    if resources.cpuset_mems:
        put("cpuset.mems", resources.cpuset_mems)
    if resources.pids:
        put("pids.max", resources.pids if resources.pids > 0 else "max")
    return tuple(found)


def weight(shares: int) -> int:
    """cpu.shares (2 to 262144) as cpu.weight (1 to 10000), by the line that every OCI runtime draws."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def device_lines(rules: Sequence[DeviceRule]) -> Iterator[Setting]:
    """v1's devices.allow and devices.deny, one write a rule."""
    for rule in rules:
        file = "devices.allow" if rule.allow else "devices.deny"
        numbers = ":".join("*" if number < 0 else str(number) for number in (rule.major, rule.minor))
        whole = rule.type == "a" and rule.major < 0 and rule.minor < 0
        yield Setting(controller="devices", file=file, value="a" if whole else f"{rule.type} {numbers} {rule.access}")


# the instance -------------------------------------------------------------------------------------------------------
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


def plan_limits_v1(limits: Limits) -> tuple[Setting, ...]:
    """What to write for the instance's own groups. What is not limited (any more) is written too."""
    memory = str(limits.memory or -1)
    quota = limits.nano_cpus * 100_000 // 1_000_000_000
    return (
        # memory may never exceed memory + swap, so the latter is out of the way first
        Setting(controller="memory", file="memory.memsw.limit_in_bytes", value="-1"),
        Setting(controller="memory", file="memory.limit_in_bytes", value=memory),
        Setting(controller="memory", file="memory.memsw.limit_in_bytes", value=memory),
        Setting(controller="cpu", file="cpu.cfs_period_us", value="100000"),
        Setting(controller="cpu", file="cpu.cfs_quota_us", value=str(quota or -1)),
        Setting(controller="pids", file="pids.max", value=str(limits.pids or "max")),
    )


def plan_limits_v2(limits: Limits) -> tuple[Setting, ...]:
    quota = limits.nano_cpus * 100_000 // 1_000_000_000
    return (
        Setting(controller="", file="memory.max", value=str(limits.memory or "max")),
        Setting(controller="", file="memory.swap.max", value="0" if limits.memory else "max"),
        Setting(controller="", file="cpu.max", value=f"{quota or 'max'} 100000"),
        Setting(controller="", file="pids.max", value=str(limits.pids or "max")),
    )


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


def remove_instance(cgroup: str) -> None:
    """Kills what is left in the instance's groups and removes them all. Missing ones are fine."""
    for directory in directories(cgroup, ""):
        if not os.path.isdir(directory):
            continue
        for child in os.listdir(directory):
            if os.path.isdir(f"{directory}/{child}"):
                kill(cgroup, child)
                _remove_patiently(f"{directory}/{child}")
        _remove_patiently(directory)


# one container ------------------------------------------------------------------------------------------------------
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


def enter(cgroup: str, id: str, resources: Resources | None = None) -> None:
    """Moves this process in. resources: what the groups were made with; None = whichever groups there are.

    v1: "0" to `tasks` moves a single-threaded writer without the lock that makes `cgroup.procs` wait for an RCU grace
    period (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
    """
    file = "cgroup.procs" if mode() == "v2" else "tasks"
    if resources is not None:
        found = directories_of(cgroup, id, resources)
    else:
        found = tuple(filter(os.path.isdir, directories(cgroup, id)))
    for directory in found:
        cgroupfs.write(f"{directory}/{file}", "0")


def join(cgroup: str, id: str, first: int) -> None:
    """Moves this process to where the container's first process (`first`, a pid that this process sees) may have gone.

    On v2 a container that manages groups of its own (a privileged one with a systemd or an engine inside) enables
    controllers for them; then its topmost group takes no process any more (cgroups(7), "no internal processes"), and
    an added process goes beside the first one, as with runc.
    """
    try:
        enter(cgroup, id)
    except OSError as error:
        if mode() == "v1" or error.errno != errno.EBUSY:
            raise
        place = unified_place(cgroupfs.read(f"/proc/{first}/cgroup"))
        if not place.startswith(f"/{cgroup}/{id}/"):
            raise
        cgroupfs.write(f"{ROOT}{place}/cgroup.procs", "0")


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


def open_directory(cgroup: str, id: str) -> int:
    """v2: for CLONE_INTO_CGROUP."""
    return os.open(f"{ROOT}/{cgroup}/{id}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


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


def freeze(cgroup: str, id: str, *, timeout: float = 2.0) -> None:
    """Stops every process of the container and returns when they stand still (blocks for milliseconds).

    KernelRefused where they do not in time, and go on, and where there are no groups.
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
    cgroupfs.write(file, word)
    try:
        _until(lambda: still in cgroupfs.read(told).splitlines(), timeout, id)
    except KernelRefused:
        thaw(cgroup, id)
        raise


def thaw(cgroup: str, id: str) -> None:
    if mode() == "none":
        return  # nothing is ever frozen
    if mode() == "v2":
        cgroupfs.write(f"{ROOT}/{cgroup}/{id}/cgroup.freeze", "0")
    else:
        cgroupfs.write(f"{hierarchies()['freezer']}/{cgroup}/{id}/freezer.state", "THAWED")


def is_frozen(cgroup: str, id: str) -> bool:
    if mode() == "none":
        return False
    if mode() == "v2":
        return cgroupfs.read(f"{ROOT}/{cgroup}/{id}/cgroup.freeze").strip() != "0"
    return cgroupfs.read(f"{hierarchies()['freezer']}/{cgroup}/{id}/freezer.state").strip() != "THAWED"


def processes(cgroup: str, id: str) -> tuple[int, ...]:
    """Host pids of all processes in the container's group and the groups below it; () when it is gone."""
    found: list[int] = []
    for directory, _children, _files in os.walk(_accounting_directory(cgroup, id)):
        try:
            found += [int(pid) for pid in cgroupfs.read(f"{directory}/cgroup.procs").split()]
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
                raise
    return tuple(found)


def kill(cgroup: str, id: str) -> None:
    """SIGKILL to every process of the group; a frozen one dies too."""
    if mode() == "v2" and _kill_at_once(f"{ROOT}/{cgroup}/{id}"):
        return
    for pid in processes(cgroup, id):
        try:
            kill_process(pid, 9)
        except ProcessLookupError:
            continue
    try:
        thaw(cgroup, id)
    except (FileNotFoundError, KeyError):
        return


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


# the small steps ----------------------------------------------------------------------------------------------------
def unified_place(text: str) -> str:
    """The group in /proc/PID/cgroup's line of v2, from the root of the reader's cgroup namespace."""
    for line in text.splitlines():
        if line.startswith("0::"):
            return line.removeprefix("0::")
    return ""


def _accounting_directory(cgroup: str, id: str) -> str:
    if mode() == "v2":
        return f"{ROOT}/{cgroup}/{id}"
    places = hierarchies()
    return f"{places.get('pids') or places.get('memory', '')}/{cgroup}/{id}"


def _kill_at_once(directory: str) -> bool:
    """v2's own way, which no fork escapes; Linux 5.14."""
    try:
        cgroupfs.write(f"{directory}/cgroup.kill", "1")
    except FileNotFoundError:
        return False
    return True


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


def _until(condition: object, timeout: float, id: str) -> None:
    assert callable(condition)
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise KernelRefused("write", errno.EBUSY, f"unable to freeze container {id}")
        time.sleep(0.002)


def _remove_tree(directory: str) -> None:
    for place, _children, _files in os.walk(directory, topdown=False):
        try:
            cgroupfs.rmdir(place)
        except FileNotFoundError:
            continue


def _remove_patiently(directory: str) -> None:
    end = time.monotonic() + 5
    while True:
        try:
            return _remove_tree(directory)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)
