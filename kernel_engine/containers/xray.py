"""A running container from both sides at one moment: what the kernel says, which layers it stands on, how packets come.

What is read from /proc and /sys is `runtime.observation`'s, which layer a file is from `storage.origins`'. For people
who look on: nothing of the engine depends on it.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.containers import listening
from kernel_engine.containers.house import House
from kernel_engine.containers.record import Container
from kernel_engine.errors import Conflict, NotFound
from kernel_engine.runtime.observation import Observation, observe, socket_holders
from kernel_engine.storage.origins import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a packet comes from a port of the host to a process."""

    protocol: str
    host_address: str
    host_port: int
    table: str  #: of nftables, whose map `published` turns the address
    network: str
    bridge: str
    gateway: str  #: the bridge's own address
    host_interface: str  #: the end of the cable on the host
    interface: str  #: and the one inside
    address: str
    port: int
    listener: int  #: pid on the host of the process that waits there; 0 = nobody does


@dataclass(frozen=True, slots=True, kw_only=True)
class Xray:
    """`layers`: directories, topmost first: the container's own, the init layer, then the image's (`diff_ids`)."""

    container_id: str
    name: str
    observed: Observation
    layers: tuple[Path, ...]
    diff_ids: tuple[str, ...]  #: of the image's layers, topmost first
    ways: tuple[Way, ...]


def look(house: House, record: Container, pid: int = 0) -> Xray:
    """Reads files: to be called in a thread. Conflict with Docker's text when it has ended meanwhile. pid: of the
    first process where the record does not know it yet."""
    try:
        observed = observe(house.instance.cgroup, record.id, pid or record.state.pid)
    except (OSError, KeyError) as error:  # a status without its fields is that of a process on its way out
        raise Conflict(f"container {record.id} is not running") from error
    return Xray(
        container_id=record.id,
        name=record.name,
        observed=observed,
        layers=house.snapshots.places(record.id),
        diff_ids=_diff_ids(house, record.image_id),
        ways=_ways(house, record, observed),
    )


def origins(house: House, record: Container, path: str) -> tuple[Origin, ...]:
    """`path` as inside the container, absolute. Reads files: to be called in a thread."""
    inside = posixpath.normpath(f"/{path}").strip("/")
    found = house.snapshots.origins(record.id, inside)
    if not found and inside:
        raise NotFound(f"Could not find the directory /{inside} in container {record.name}")
    return found


def _diff_ids(house: House, image_id: str) -> tuple[str, ...]:
    """Empty when the image was removed by force."""
    try:
        return tuple(map(str, reversed(house.images.get(image_id).diff_ids)))
    except NotFound:
        return ()


def _ways(house: House, record: Container, observed: Observation) -> tuple[Way, ...]:
    waiting = listening.sockets(observed.pid)
    inodes = frozenset(inode for found in waiting.values() for inode in found)
    holders = socket_holders((process.pid for process in observed.processes), inodes)
    ways = []
    for endpoint in record.endpoints:
        network = house.networks.find(endpoint.network_id)
        for port in endpoint.published:
            sockets = waiting.get((port.protocol, port.container_port), frozenset())
            ways.append(
                Way(
                    protocol=port.protocol,
                    host_address=port.host_address,
                    host_port=port.host_port,
                    table=house.instance.nft_table,
                    network=endpoint.network_name,
                    bridge=network.interface,
                    gateway=endpoint.gateway,
                    host_interface=endpoint.host_interface,
                    interface=endpoint.interface,
                    address=endpoint.address,
                    port=port.container_port,
                    listener=next((holders[inode] for inode in sockets if inode in holders), 0),
                )
            )
    return tuple(ways)
