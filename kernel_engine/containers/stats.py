"""docker stats: what one container uses at a moment. Numbers only; percentages are the client's to work out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernel_engine.containers.house import House
from kernel_engine.containers.roster import Live
from kernel_engine.runtime import members
from kernel_engine.runtime.usage import Usage

#: seconds between two samples of a stream, as Docker's
EVERY = 1.0
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
#: the numbers of a line of /proc/PID/net/dev (proc_pid_net(5)) that Docker shows, by their place
_DEVICE_FIELDS = {
    "rx_bytes": 0, "rx_packets": 1, "rx_errors": 2, "rx_dropped": 3,
    "tx_bytes": 8, "tx_packets": 9, "tx_errors": 10, "tx_dropped": 11,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`usage` is None while the container does not run."""

    container_id: str
    name: str
    read_at: float  #: seconds since the epoch
    usage: Usage | None = None
    networks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  #: interface → rx_bytes, tx_bytes, …
    machine_cpu: int = 0  #: nanoseconds that all processors together have spent
    processors: int = 0
    machine_memory: int = 0  #: bytes: the limit of a container that has none


async def sample(house: House, live: Live) -> Sample:
    """One look. Reads files of /proc and /sys, in a thread."""
    record = live.record
    if not record.state.running or not record.state.pid:
        return Sample(container_id=record.id, name=record.name, read_at=time.time())
    return await asyncio.to_thread(_look, house.instance.cgroup, record.id, record.name, record.state.pid)


async def samples(house: House, live: Live) -> AsyncIterator[Sample]:
    """A sample now and one every second; ends when the container is removed."""
    while house.roster.by_id(live.record.id) is not None:
        begun = time.monotonic()
        yield await sample(house, live)
        await asyncio.sleep(max(0.0, begun + EVERY - time.monotonic()))


def _look(cgroup: str, container_id: str, name: str, pid: int) -> Sample:
    try:
        used = members.used(cgroup, container_id, pid)
        networks = devices(Path(f"/proc/{pid}/net/dev").read_text())
    except OSError:
        return Sample(container_id=container_id, name=name, read_at=time.time())  # it has ended meanwhile
    return Sample(
        container_id=container_id,
        name=name,
        read_at=time.time(),
        usage=used,
        networks=networks,
        machine_cpu=machine_cpu(Path("/proc/stat").read_text()),
        processors=os.sysconf("SC_NPROCESSORS_ONLN"),
        machine_memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )


def machine_cpu(stat: str) -> int:
    """The first line of /proc/stat (proc_stat(5)): user to steal, without the guests, which user holds already."""
    return sum(int(word) for word in stat.splitlines()[0].split()[1:9]) * _TICK


def devices(text: str) -> dict[str, dict[str, int]]:
    """/proc/PID/net/dev without the loopback."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        if (name := name.strip()) != "lo":
            values = numbers.split()
            found[name] = {key: int(values[at]) for key, at in _DEVICE_FIELDS.items()}
    return found
