"""What is another container's instead of one's own: `--network container:NAME`, `--pid container:NAME`, `--ipc …`.

The other one must run when this one starts; when it ends, this one goes on in the namespace that is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kernel_engine.containers.house import House
from kernel_engine.containers.options import ContainerOptions, HostOptions
from kernel_engine.containers.record import Container
from kernel_engine.errors import Conflict, InvalidRequest, NotFound
from kernel_engine.runtime.spec import Joined

_PREFIX = "container:"
_IPC_MODES = ("", "none", "private", "shareable", "host")


def owner_of(mode: str) -> str:
    """The word after `container:`; "" for any other mode."""
    return mode.removeprefix(_PREFIX) if mode.startswith(_PREFIX) else ""


def check_modes(options: ContainerOptions) -> None:
    """What cannot be had together with another's network, in Docker's texts and order. InvalidRequest."""
    host, mode = options.host, options.host.network_mode
    if mode in ("container", _PREFIX):
        raise InvalidRequest("Invalid network mode: invalid container format container:<name|id>")
    if host.pid_mode not in ("", "host") and not owner_of(host.pid_mode):
        raise InvalidRequest("invalid PID mode: " + host.pid_mode)
    if host.ipc_mode not in _IPC_MODES and not owner_of(host.ipc_mode):
        raise InvalidRequest(f"Invalid IPC mode: {host.ipc_mode}")
    if host.links and (mode == "host" or owner_of(mode)):
        kind = "host type networking" if mode == "host" else "container type network"
        raise InvalidRequest(
            f"conflicting options: {kind} can't be used with links. This would result in undefined behavior"
        )
    if not owner_of(mode):
        return
    conflicts = {
        "hostname and the network mode": options.hostname,
        "dns and the network mode": host.dns,
        "custom host-to-IP mapping and the network mode": host.extra_hosts,
        "mac-address and the network mode": options.mac_address,
        "port publishing and the container type network mode": host.port_bindings or host.publish_all,
        "port exposing and the container type network mode": options.exposed_ports,
    }
    for words, given in conflicts.items():
        if given:
            raise InvalidRequest(f"conflicting options: {words}")


def settled_modes(house: House, host: HostOptions) -> HostOptions:
    """With whole ids for names. One that is not there keeps the caller's word: the start says so, as Docker does.
    NotFound, Conflict for an IPC namespace that cannot be had: that is said at once."""

    def settled(mode: str) -> str:
        try:
            return _PREFIX + house.roster.find(owner_of(mode)).record.id if owner_of(mode) else mode
        except NotFound:
            return mode

    if owner_of(host.ipc_mode):
        _check_shareable(house.roster.find(owner_of(host.ipc_mode)).record)
    modes = {name: settled(getattr(host, name)) for name in ("network_mode", "pid_mode", "ipc_mode")}
    return replace(host, **modes)  # type: ignore[arg-type]


def joined(house: House, record: Container) -> tuple[Joined, ...]:
    """What is entered when it starts. NotFound, or Conflict for one that does not run."""
    host = record.config.host
    wanted = (("net", "network", host.network_mode), ("pid", "PID", host.pid_mode), ("ipc", "IPC", host.ipc_mode))
    if owner_of(host.ipc_mode):
        _check_shareable(house.roster.find(owner_of(host.ipc_mode)).record)
    return tuple(
        Joined(namespace=namespace, container=_running(house, record, owner_of(mode), words))
        for namespace, words, mode in wanted
        if owner_of(mode)
    )


def of_machine(house: House, record: Container) -> frozenset[str]:
    """Namespaces that are the machine's own, by its own word or by that of whose they are. NotFound."""
    uts = ("uts",) if record.config.host.uts_mode == "host" else ()
    modes = (("net", "network_mode"), ("ipc", "ipc_mode"), ("pid", "pid_mode"))
    return frozenset((*uts, *(name for name, field in modes if _is_machines(house, record, field))))


def _is_machines(house: House, record: Container, field: str) -> bool:
    seen: set[str] = set()
    while (owner := owner_of(getattr(record.config.host, field))) and record.id not in seen:
        seen.add(record.id)
        record = house.roster.find(owner).record
    return bool(getattr(record.config.host, field) == "host")


def network_owner(house: House, record: Container) -> Container:
    """Whose network it has: its own as a rule. NotFound."""
    owner = owner_of(record.config.host.network_mode)
    return house.roster.find(owner).record if owner else record


def sharers(house: House, container_id: str) -> tuple[Container, ...]:
    """Who runs in the network of this container."""
    records = (live.record for live in house.roster.all() if live.record.state.running)
    return tuple(record for record in records if owner_of(record.config.host.network_mode) == container_id)


def in_order(records: Iterable[Container]) -> tuple[Container, ...]:
    """Those that others need first: owners of networks and processes, and who is linked to."""
    by_id = {record.id: record for record in records}

    def depth(record: Container, above: frozenset[str]) -> int:
        host = record.config.host
        modes = (host.network_mode, host.pid_mode, host.ipc_mode)
        needed = {*map(owner_of, modes), *(link.container_id for link in record.links)}
        below = [by_id[name] for name in needed if name in by_id and name not in above]
        return 1 + max((depth(other, above | {other.id}) for other in below), default=0)

    return tuple(sorted(by_id.values(), key=lambda record: depth(record, frozenset({record.id}))))


def _check_shareable(donor: Container) -> None:
    if donor.config.host.ipc_mode not in ("shareable", "host"):
        reason = "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
        raise Conflict(f"can't join IPC of container {donor.id}: {reason}")


def _running(house: House, record: Container, owner: str, words: str) -> str:
    other = house.roster.find(owner).record
    if other.id == record.id:
        raise Conflict(f"cannot join own {words}")
    if other.state.status == "restarting":
        raise Conflict(f"Container {other.id} is restarting, wait until the container is running")
    if not other.state.running:
        raise Conflict(f"cannot join {words} of a non running container: {other.id}")
    return other.id
