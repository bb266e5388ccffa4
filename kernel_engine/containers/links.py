"""`--link NAME[:ALIAS]` on the default bridge: lines in /etc/hosts and variables that tell where the other one is.

On networks of the user's own a link is a name that only this container has for another; that is `naming`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kernel_engine.containers import identity
from kernel_engine.containers.house import House
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.containers.publishing import known_port
from kernel_engine.containers.record import Container, Link
from kernel_engine.containers.roster import Live
from kernel_engine.containers.sharing import network_owner, owner_of
from kernel_engine.errors import Conflict, EngineError, InvalidRequest, NotFound
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.network import DEFAULT

#: variables of an image that say nothing about its container
_OWN_VARIABLES = frozenset({"HOME", "PATH"})


def parse_link(text: str) -> tuple[str, str]:
    """Name and alias. InvalidRequest with Docker's text."""
    name, colon, alias = text.partition(":")
    if not name or ":" in alias:
        raise InvalidRequest(f"bad format for links: {text}")
    return name.removeprefix("/"), (alias if colon and alias else name).removeprefix("/")


def settled_links(house: House, config: ContainerOptions) -> tuple[Link, ...]:
    """The links of a new container; of two with one alias the first counts. InvalidRequest for one to nobody."""
    if config.host.network_mode not in ("", "default", DEFAULT):
        return ()  # Docker keeps none of them either
    found: dict[str, Link] = {}
    for text in config.host.links:
        name, alias = parse_link(text)
        try:
            other = _network_of(house, house.roster.find(name).record)
        except NotFound as error:
            raise InvalidRequest(f"could not get container for {name}: {error.message}") from None
        if other.config.host.network_mode == "host":
            raise InvalidRequest(
                "conflicting options: host type networking can't be used with links. "
                "This would result in undefined behavior"
            )
        found.setdefault(alias, Link(container_id=other.id, name=other.name, alias=alias))
    return tuple(found.values())


def shown_links(house: House, record: Container) -> tuple[str, ...]:
    """ "/db:/web/database", as HostConfig.Links has them."""
    return tuple(f"/{_name(house, link)}:/{record.name}/{link.alias}" for link in record.links)


def names_by_links(house: House, record: Container) -> tuple[str, ...]:
    """ "web/database": what others call this container."""
    return tuple(
        f"{live.record.name}/{link.alias}"
        for live in house.roster.all()
        for link in live.record.links
        if link.container_id == record.id
    )


def check_links(house: House, record: Container) -> None:
    """Before it starts: everyone linked to runs, on the default bridge. EngineError in Docker's texts."""
    for link in record.links:
        live = house.roster.by_id(link.container_id)
        if live is None or not live.record.state.running:
            name = f"/{_name(house, link)} AS /{record.name}/{link.alias}"
            raise EngineError(f"Cannot link to a non running container: {name}")
        if DEFAULT not in live.record.config.networks:
            raise EngineError(f"Cannot link to /{live.record.name}, as it does not belong to the default network")


def known_hosts(house: House, record: Container) -> tuple[tuple[str, str], ...]:
    """(names, address) of those linked to that run, for /etc/hosts."""
    found = []
    for link, other, place in _linked(house, record):
        names = (link.alias, other.config.hostname, other.name)
        found.append((" ".join(dict.fromkeys(names)), place.address))
        if place.address6:
            found.append((" ".join(dict.fromkeys(names)), place.address6))
    return tuple(found)


def variables(house: House, record: Container) -> tuple[str, ...]:
    """ALIAS_PORT, ALIAS_PORT_80_TCP, ALIAS_NAME, ALIAS_ENV_… of those linked to that run."""
    return tuple(
        f"{link.alias.rpartition('/')[2].upper().replace('-', '_')}_{word}"
        for link, other, place in _linked(house, record)
        for word in _words(f"/{record.name}/{link.alias}", other, place.address)
    )


def tell_others(house: House, record: Container) -> None:
    """This one has another address (or none): everyone who is linked to it gets another /etc/hosts."""
    for live in house.roster.all():
        if any(link.container_id == record.id for link in live.record.links) and live.record.endpoints:
            write_hosts(house, live.record)


def write_hosts(house: House, record: Container) -> None:
    """/etc/hosts again, in place, because it is bound already."""
    identity.write_hosts(
        Path(record.directory),
        record.config.hostname,
        record.config,
        record.endpoints,
        known_hosts(house, record),
        host_gateway=house.networks.default.gateway,
    )


async def remove_link(house: House, reference: str) -> None:
    """`docker rm --link web/database`."""
    parent, _, alias = reference.removeprefix("/").rpartition("/")
    if not parent:
        house.roster.find(reference)
        raise Conflict("Conflict, cannot remove the default link name of the container")
    live = house.roster.find(parent)
    async with live.lock:
        left = tuple(link for link in live.record.links if link.alias != alias)
        if left == live.record.links:
            raise NotFound(f"No such container: {reference}")
        await house.roster.change(live, links=left)
        if live.record.endpoints:
            write_hosts(house, live.record)


def _network_of(house: House, record: Container) -> Container:
    """The container whose network this one has, also by way of others. NotFound."""
    while owner_of(record.config.host.network_mode):
        record = network_owner(house, record)
    return record


def _linked(house: House, record: Container) -> Iterator[tuple[Link, Container, Endpoint]]:
    """Those that run, with their place on the default bridge."""
    for link in record.links:
        live: Live | None = house.roster.by_id(link.container_id)
        for place in live.record.endpoints if live is not None else ():
            if live is not None and place.network_name == DEFAULT:
                yield link, live.record, place


def _words(name: str, other: Container, address: str) -> Iterator[str]:
    """What comes after the alias and its underscore."""
    named = (*other.config.exposed_ports, *other.config.host.port_bindings)
    ports = sorted({port for port in map(known_port, named) if port is not None})
    if ports:
        number, protocol = ports[0]
        yield f"PORT={protocol}://{address}:{number}"
    at = 0
    while at < len(ports):
        end = _contiguous(ports, at)
        if end > at + 1:
            (first, protocol), (last, last_protocol) = ports[at], ports[end]
            key = f"PORT_{first}_{protocol.upper()}"
            yield f"{key}_START={protocol}://{address}:{first}"
            yield f"{key}_ADDR={address}"
            yield f"{key}_PROTO={protocol}"
            yield f"{key}_PORT_START={first}"
            yield f"{key}_END={last_protocol}://{address}:{last}"
            yield f"{key}_PORT_END={last}"
        at = end + 1
    for number, protocol in ports:
        key = f"PORT_{number}_{protocol.upper()}"
        yield f"{key}={protocol}://{address}:{number}"
        yield f"{key}_ADDR={address}"
        yield f"{key}_PORT={number}"
        yield f"{key}_PROTO={protocol}"
    yield f"NAME={name}"
    for entry in other.config.environment:
        if "=" in entry and entry.partition("=")[0] not in _OWN_VARIABLES:
            yield f"ENV_{entry}"


def _contiguous(ports: list[tuple[int, str]], at: int) -> int:
    """The place of the last port of an unbroken row that begins at `at`."""
    while at + 1 < len(ports) and ports[at + 1][0] <= ports[at][0] + 1:
        at += 1
    return at


def _name(house: House, link: Link) -> str:
    live = house.roster.by_id(link.container_id)
    return live.record.name if live is not None else link.name
