"""What bounds a process, as the kernel shows it: user, rights, namespaces, control groups, root.

Two processes of one container have the same. `template` lets nobody do anything in a container before it has been
compared with the container's first process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from kernel_engine.syscalls.cgroupfs import read

#: of /proc/PID/status, proc_pid_status(5)
FIELDS = (
    *("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "Seccomp_filters"),
    *("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"),
)
#: how wide the name of a limit is in /proc/PID/limits
_NAME = 26
_NO_LIMIT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`status` holds FIELDS, `namespaces` and `groups` what /proc/PID/ns and /proc/PID/cgroup show, `limits` soft and
    hard by their numbers, and `root` is a directory's device and inode."""

    status: dict[str, str]
    namespaces: dict[str, str]
    groups: dict[str, str]
    limits: tuple[tuple[int, int], ...]
    root: tuple[int, int]

    def difference(self, other: Bounds) -> str:
        """In which words the two differ; "" = in none."""
        mine, others = self._words(), other._words()
        names = sorted(name for name in mine.keys() | others.keys() if mine.get(name) != others.get(name))
        return ", ".join(f"{name}: {others.get(name)} is not {mine.get(name)}" for name in names)

    def _words(self) -> dict[str, str]:
        limits = {f"rlimit {number}": str(limit) for number, limit in enumerate(self.limits)}
        return {**self.status, **self.namespaces, **self.groups, **limits, "root": str(self.root)}


def bounds(pid: int) -> Bounds:
    """OSError (ENOENT, ESRCH) for one that has ended."""
    lines = dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":\t" in line)
    root = os.stat(f"/proc/{pid}/root/")
    return Bounds(
        status={name: lines[name].strip() for name in FIELDS if name in lines},
        namespaces={name: os.readlink(f"/proc/{pid}/ns/{name}") for name in os.listdir(f"/proc/{pid}/ns")},
        groups=dict(line.split(":", 2)[1:] for line in read(f"/proc/{pid}/cgroup").splitlines()),
        limits=tuple(map(_limit, read(f"/proc/{pid}/limits").splitlines()[1:])),
        root=(root.st_dev, root.st_ino),
    )


def _limit(line: str) -> tuple[int, int]:
    """A line of /proc/PID/limits, which has them in the order of their numbers. Readable where prlimit(2) of another
    user's process is not: for that even root needs CAP_SYS_RESOURCE."""
    soft, hard = (_NO_LIMIT if word == "unlimited" else int(word) for word in line[_NAME:].split()[:2])
    return soft, hard
