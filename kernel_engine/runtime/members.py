"""Which processes are a container's, and what they use, also where no control group says so.

Without groups (a rootless engine whose user was given none) they are those of its process namespace; of a container
that shares another's, its first process and all that descends from it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from kernel_engine.runtime import cgroups
from kernel_engine.runtime.usage import Usage, usage
from kernel_engine.syscalls.cgroupfs import read

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: fields of /proc/PID/stat behind the name (proc_pid_stat(5)): parent, times in user and kernel mode, threads, pages
_PARENT, _USER, _KERNEL, _THREADS, _PAGES = 1, 11, 12, 17, 21


def members(cgroup: str, id: str, pid: int) -> tuple[int, ...]:
    """Pids as the engine sees them. `pid`: of the container's first process."""
    if cgroups.mode() != "none":
        return cgroups.processes(cgroup, id)
    own = _namespace("self")
    space = _namespace(pid)
    if space is None:
        return ()
    everyone = tuple(int(name) for name in os.listdir("/proc") if name.isdigit())
    if space != own and _is_first(pid):
        return tuple(other for other in everyone if _namespace(other) == space)
    return _family(pid, everyone)


def used(cgroup: str, id: str, pid: int) -> Usage:
    """What they use. Without groups: those that live now, shared pages as often as they are shared. OSError when the
    container does not run."""
    if cgroups.mode() != "none":
        return usage(cgroup, id)
    return _added(_stat(other) for other in members(cgroup, id, pid))


def is_executing(pid: int, launcher: int) -> bool:
    """Whether its execve(2) is still to come, or in the middle: its command line is the launcher's, or it has none
    yet; and it has not ended."""
    try:
        line, stat = read(f"/proc/{pid}/cmdline"), _stat(pid)
        if stat[:1] in ((), ("Z",), ("X",)):
            return False
        return not line or (int(stat[_PARENT]) == launcher and line == read(f"/proc/{launcher}/cmdline"))
    except OSError:
        return False


def is_at_work(pid: int) -> bool:
    """Whether it computes, or waits for a processor or the disk: for nothing that others would have to do."""
    return _stat(pid)[:1] in (("R",), ("D",))


def _added(found: Iterable[tuple[str, ...]]) -> Usage:
    known = [words for words in found if words]
    user = sum(int(words[_USER]) for words in known) * _TICK
    kernel = sum(int(words[_KERNEL]) for words in known) * _TICK
    return Usage(
        cpu=user + kernel,
        cpu_user=user,
        cpu_kernel=kernel,
        memory=sum(int(words[_PAGES]) for words in known) * _PAGE,
        memory_limit=0,
        pids=sum(int(words[_THREADS]) for words in known),
    )


def _family(first: int, everyone: tuple[int, ...]) -> tuple[int, ...]:
    parents = {pid: int(words[_PARENT]) for pid in everyone if (words := _stat(pid))}
    found = [first] if first in parents else []
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return tuple(found)


def _is_first(pid: int) -> bool:
    """Whether its process namespace began with it."""
    try:
        line = next(line for line in read(f"/proc/{pid}/status").splitlines() if line.startswith("NSpid:"))
    except (OSError, StopIteration):
        return False
    return line.split()[-1] == "1"


def _namespace(pid: int | str) -> tuple[int, int] | None:
    """None for one that has ended, or is somebody else's."""
    try:
        status = os.stat(f"/proc/{pid}/ns/pid")
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _stat(pid: int) -> tuple[str, ...]:
    """() for one that has ended. The name, in brackets, may hold anything."""
    try:
        return tuple(read(f"/proc/{pid}/stat").rpartition(")")[2].split())
    except OSError:
        return ()
