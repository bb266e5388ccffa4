"""What the kernel itself says of a running container: the files under /proc and /sys/fs/cgroup, as values.

Nothing is remembered or decided here; each value names the file that it was read from. What a group has used, added
up for `docker stats`, is `usage`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.runtime import capabilities, cgroups
from kernel_engine.runtime.members import members
from kernel_engine.syscalls import cgroupfs

NAMESPACES = ("mnt", "pid", "uts", "ipc", "net", "cgroup", "user", "time")
#: the file with the value, the file with its limit ("" = there is none): those that a learner can follow
VALUES_V1 = (
    ("memory", "memory.usage_in_bytes", "memory.limit_in_bytes"),
    ("memory", "memory.max_usage_in_bytes", ""),
    ("cpuacct", "cpuacct.usage", ""),
    ("cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us"),
    ("cpu", "cpu.shares", ""),
    ("pids", "pids.current", "pids.max"),
    ("freezer", "freezer.state", ""),
)
VALUES_V2 = (
    ("", "memory.current", "memory.max"),
    ("", "memory.peak", ""),
    ("", "cpu.stat", "cpu.max"),
    ("", "cpu.weight", ""),
    ("", "pids.current", "pids.max"),
    ("", "cgroup.freeze", ""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One of namespaces(7): two processes are in the same one if the inode is the same."""

    kind: str  #: "mnt", "pid", …
    inode: int
    host_inode: int  #: of the engine's own process
    source: str

    @property
    def shared(self) -> bool:
        return self.inode == self.host_inode


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process, as both sides number it."""

    pid: int  #: on the host
    inner_pid: int  #: in the container's pid namespace
    parent: int  #: the parent's pid on the host
    command: str  #: words of the command line, joined by blanks
    user: int  #: effective uid on the host
    state: str  #: one letter of proc_pid_stat(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One line of uid_map or gid_map (user_namespaces(7))."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of mountinfo (proc_pid_mountinfo(5))."""

    target: str
    type: str
    source: str
    root: str  #: which directory of that file system
    options: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A file of the container's control group, and the one with its limit."""

    path: str
    value: str
    limit_path: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """From /proc/PID/status."""

    effective: tuple[str, ...]  #: capabilities by name
    bounding: tuple[str, ...]
    host_bounding: tuple[str, ...]  #: what the engine itself could have given
    seccomp: int  #: 0 none, 2 a filter
    filters: int
    no_new_privileges: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at one container."""

    pid: int
    processes: tuple[Process, ...]
    namespaces: tuple[Namespace, ...]
    uid_map: tuple[Range, ...]
    gid_map: tuple[Range, ...]
    mounts: tuple[Mount, ...]
    cgroup: tuple[Value, ...]
    security: Security


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The engine's own process, for comparison."""

    pid: int
    hostname: str
    mounts: int  #: how many it sees
    group: str  #: its control group, as /proc/self/cgroup names it


def host() -> Host:
    found = len(mounts(Path("/proc/self/mountinfo").read_text(errors="replace")))
    return Host(pid=os.getpid(), hostname=os.uname().nodename, mounts=found, group=group("self"))


def group(pid: int | str) -> str:
    """The control group of a process: of the hierarchy that counts its memory (v1), or the only one (v2)."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    places = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
    return next((path for names, path in places.items() if "memory" in names.split(",")), places.get("", ""))


def observe(cgroup: str, container_id: str, pid: int) -> Observation:
    """Reads some dozen files: to be called in a thread. OSError when the first process (`pid`) has ended meanwhile.
    It may not be in its group yet."""
    status = fields(_proc(pid, "status"))
    pids = {pid, *members(cgroup, container_id, pid)}
    return Observation(
        pid=pid,
        processes=tuple(sorted(filter(None, map(_process, pids)), key=lambda found: found.inner_pid)),
        namespaces=tuple(_namespaces(pid)),
        uid_map=ranges(_proc(pid, "uid_map")),
        gid_map=ranges(_proc(pid, "gid_map")),
        mounts=mounts(_proc(pid, "mountinfo")),
        cgroup=tuple(_values(cgroup, container_id)),
        security=_security(status, fields(Path("/proc/self/status").read_text()), pid),
    )


def socket_holders(pids: Iterable[int], inodes: frozenset[int]) -> dict[int, int]:
    """Which process holds which socket: inode → pid, the first that has it open (/proc/PID/fd)."""
    found: dict[int, int] = {}
    for pid in pids:
        try:
            with os.scandir(f"/proc/{pid}/fd") as entries:
                links = [os.readlink(entry.path) for entry in entries]
        except OSError:  # it has ended
            continue
        for link in links:
            number = link.removeprefix("socket:[").removesuffix("]")
            if link.startswith("socket:[") and int(number) in inodes:
                found.setdefault(int(number), pid)
    return found


# pure ----------------------------------------------------------------------------------------------------------------
def fields(text: str) -> dict[str, str]:
    """`Name:<tab>value` a line."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def ranges(text: str) -> tuple[Range, ...]:
    rows = (map(int, line.split()) for line in text.splitlines())
    return tuple(Range(inside=inside, outside=outside, count=count) for inside, outside, count in rows)


def mounts(text: str) -> tuple[Mount, ...]:
    """In the order in which they were made. Paths may hold blanks, which the kernel writes as \\040."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        words, rest = before.split(" "), after.split(" ")
        found.append(
            Mount(
                target=unescaped(words[4]),
                type=rest[0],
                source=unescaped(rest[1]),
                root=unescaped(words[3]),
                options=words[5],
            )
        )
    return tuple(found)


def unescaped(word: str) -> str:
    """Blank, tab, newline and backslash as the kernel writes them in tables: three octal digits."""
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, letter)
    return word


# reading -------------------------------------------------------------------------------------------------------------
def _proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text(errors="replace")


def _process(pid: int) -> Process | None:
    """None when it has ended."""
    try:
        status = fields(_proc(pid, "status"))
        words = _proc(pid, "cmdline").split("\0")
    except OSError:
        return None
    return Process(
        pid=pid,
        inner_pid=int(status["NSpid"].split()[-1]),
        parent=int(status["PPid"]),
        command=" ".join(words).strip() or f"[{status['Name']}]",
        user=int(status["Uid"].split()[1]),
        state=status["State"][:1],
    )


def _namespaces(pid: int) -> Iterator[Namespace]:
    for kind in NAMESPACES:
        source = f"/proc/{pid}/ns/{kind}"
        try:
            inode, own = os.stat(source).st_ino, os.stat(f"/proc/self/ns/{kind}").st_ino
        except FileNotFoundError:  # a kernel without this kind
            continue
        yield Namespace(kind=kind, inode=inode, host_inode=own, source=source)


def _values(cgroup: str, container_id: str) -> Iterator[Value]:
    unified = cgroups.mode() == "v2"
    places = {"": f"{cgroups.ROOT}/{cgroup}/{container_id}"}
    if not unified:
        places = {name: f"{point}/{cgroup}/{container_id}" for name, point in cgroups.hierarchies().items()}
    for controller, name, limit in VALUES_V2 if unified else VALUES_V1:
        place = places.get(controller)
        value = _read(f"{place}/{name}") if place else None
        if value is None:
            continue
        limit_path = f"{place}/{limit}" if limit else ""
        bound = _read(limit_path) if limit else None
        yield Value(path=f"{place}/{name}", value=value, limit_path=limit_path, limit=bound or "")


def _read(path: str) -> str | None:
    try:
        return cgroupfs.read(path).strip()
    except OSError:
        return None


def _security(status: dict[str, str], own: dict[str, str], pid: int) -> Security:
    def named(said: dict[str, str], name: str) -> tuple[str, ...]:
        return capabilities.from_mask(int(said[name], 16))

    return Security(
        effective=named(status, "CapEff"),
        bounding=named(status, "CapBnd"),
        host_bounding=named(own, "CapBnd"),
        seccomp=int(status.get("Seccomp", "0")),
        filters=int(status.get("Seccomp_filters", "0")),
        no_new_privileges=status.get("NoNewPrivs") == "1",
        source=f"/proc/{pid}/status",
    )
