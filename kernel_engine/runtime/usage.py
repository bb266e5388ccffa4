"""What a container's control group has used so far, read from the kernel's files; v1 and v2. Changing is `cgroups`'.

cgroups(7), Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/{memory,cpuacct,blkio-controller}.rst. A file that this
kernel does not have counts as nothing used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernel_engine.runtime import cgroups
from kernel_engine.syscalls import cgroupfs

_UNLIMITED_V1 = 1 << 62
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
#: v2's words in io.stat → Docker's operations
_OPERATIONS = {"rbytes": "read", "wbytes": "write"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Bytes that went to or came from one block device."""

    major: int
    minor: int
    operation: str  #: "read" | "write"
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Times in nanoseconds, memory in bytes, both since the group was made."""

    cpu: int
    cpu_user: int = 0
    cpu_kernel: int = 0
    periods: int = 0
    throttled_periods: int = 0
    throttled_time: int = 0
    memory: int  #: page cache included
    memory_limit: int  #: 0 = none
    memory_peak: int | None = None  #: v1 only, as Docker tells it
    memory_failures: int | None = None  #: v1 only
    memory_details: Mapping[str, int] = field(default_factory=dict)  #: memory.stat
    pids: int
    pids_limit: int = 0  #: 0 = none
    transfers: tuple[Transfer, ...] = ()


def usage(cgroup: str, id: str) -> Usage:
    """FileNotFoundError when the container does not run."""
    if cgroups.mode() == "v2":
        return _unified(f"{cgroups.ROOT}/{cgroup}/{id}")
    return _hierarchies({name: f"{point}/{cgroup}/{id}" for name, point in cgroups.hierarchies().items()})


def _unified(directory: str) -> Usage:
    cpu = _pairs(cgroupfs.read(f"{directory}/cpu.stat"))
    return Usage(
        cpu=cpu.get("usage_usec", 0) * 1000,
        cpu_user=cpu.get("user_usec", 0) * 1000,
        cpu_kernel=cpu.get("system_usec", 0) * 1000,
        periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_time=cpu.get("throttled_usec", 0) * 1000,
        memory=int(cgroupfs.read(f"{directory}/memory.current")),
        memory_limit=_limit(cgroupfs.read(f"{directory}/memory.max")),
        memory_details=_pairs(cgroupfs.read(f"{directory}/memory.stat")),
        pids=int(cgroupfs.read(f"{directory}/pids.current")),
        pids_limit=_limit(cgroupfs.read(f"{directory}/pids.max")),
        transfers=transfers_v2(_read(f"{directory}/io.stat")),
    )


def _hierarchies(places: Mapping[str, str]) -> Usage:
    memory, pids = places["memory"], places["pids"]
    limit = int(cgroupfs.read(f"{memory}/memory.limit_in_bytes"))
    ticks = _pairs(cgroupfs.read(f"{places['cpuacct']}/cpuacct.stat"))
    throttling = _pairs(_read(f"{places.get('cpu', '')}/cpu.stat"))
    return Usage(
        cpu=int(cgroupfs.read(f"{places['cpuacct']}/cpuacct.usage")),
        cpu_user=ticks.get("user", 0) * _TICK,
        cpu_kernel=ticks.get("system", 0) * _TICK,
        periods=throttling.get("nr_periods", 0),
        throttled_periods=throttling.get("nr_throttled", 0),
        throttled_time=throttling.get("throttled_time", 0),
        memory=int(cgroupfs.read(f"{memory}/memory.usage_in_bytes")),
        memory_limit=0 if limit >= _UNLIMITED_V1 else limit,
        memory_peak=int(_read(f"{memory}/memory.max_usage_in_bytes") or 0),
        memory_failures=int(_read(f"{memory}/memory.failcnt") or 0),
        memory_details=_pairs(cgroupfs.read(f"{memory}/memory.stat")),
        pids=int(cgroupfs.read(f"{pids}/pids.current")),
        pids_limit=_limit(cgroupfs.read(f"{pids}/pids.max")),
        transfers=transfers_v1(_read(f"{places.get('blkio', '')}/blkio.throttle.io_service_bytes_recursive")),
    )


def transfers_v1(text: str) -> tuple[Transfer, ...]:
    """Lines of `8:0 Read 4096`, a `Total 4096` at the end. Pure."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in ("Read", "Write"):
            found.append(_transfer(words[0], words[1].lower(), words[2]))
    return tuple(found)


def transfers_v2(text: str) -> tuple[Transfer, ...]:
    """Lines of `8:0 rbytes=4096 wbytes=0 rios=1 …`. Pure."""
    found = []
    for line in text.splitlines():
        device, *values = line.split()
        for key, _, value in (word.partition("=") for word in values):
            if key in _OPERATIONS:
                found.append(_transfer(device, _OPERATIONS[key], value))
    return tuple(found)


def _transfer(device: str, operation: str, count: str) -> Transfer:
    major, _, minor = device.partition(":")
    return Transfer(major=int(major), minor=int(minor), operation=operation, bytes=int(count))


def _pairs(text: str) -> dict[str, int]:
    """`name number` a line."""
    return {words[0]: int(words[1]) for words in map(str.split, text.splitlines()) if len(words) == 2}


def _limit(text: str) -> int:
    return 0 if text.strip() == "max" else int(text)


def _read(path: str) -> str:
    try:
        return cgroupfs.read(path)
    except OSError:
        return ""
