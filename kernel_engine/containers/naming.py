"""Who is called what on user-defined networks: names, aliases and short ids of running containers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from kernel_engine.containers.house import House
from kernel_engine.containers.options import EndpointOptions
from kernel_engine.containers.record import Container
from kernel_engine.containers.roster import Live
from kernel_engine.network.endpoint import Endpoint


def names_on(record: Container, endpoint: Endpoint) -> tuple[str, ...]:
    """What a container is called on one network: its name, its aliases there, its short id, its host name if given."""
    options = options_on(record, endpoint)
    own = (record.config.hostname,) if record.config.hostname != record.id[:12] else ()
    aliases = options.aliases if options is not None else ()
    return tuple(dict.fromkeys((record.name, *aliases, record.id[:12], *own)))


def options_on(record: Container, endpoint: Endpoint) -> EndpointOptions | None:
    """How it asked to be there."""
    networks = record.config.networks
    return networks.get(endpoint.network_name) or networks.get(endpoint.network_id)


def places_of(live: Live, attached: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """Where a container is. Its program may ask before its start is on record: until then it is where it was
    `attached`."""
    return live.record.endpoints if live.record.state.running else attached


def found_by_name(house: House, asker: str, attached: Sequence[Endpoint], name: str) -> Sequence[str] | None:
    """Addresses of everyone who is called so on a network of the asker's, in changing order; None for nobody.

    `name.network` means that network only, as with Docker. attached: see `places_of`.
    """
    live = house.roster.by_id(asker)
    if live is None:
        return None
    found = [
        address
        for here in places_of(live, attached)
        if house.networks.find(here.network_id).resolves_names
        for other, there in _neighbours(house, live, here)
        if _is_called(other, there, _own_names(live.record, here).get(name, name))
        for address in (there.address, there.address6)
        if address
    ]
    random.shuffle(found)
    return found or None


def name_of(house: House, asker: str, attached: Sequence[Endpoint], address: str) -> str | None:
    """`container.network` for an address of a neighbour."""
    live = house.roster.by_id(asker)
    if live is None:
        return None
    for here in places_of(live, attached):
        if house.networks.find(here.network_id).resolves_names:
            for other, there in _neighbours(house, live, here):
                if address in (there.address, there.address6):
                    return f"{other.name}.{there.network_name}"
    return None


def _own_names(record: Container, endpoint: Endpoint) -> dict[str, str]:
    """Names that only this container has for others: the links of its place on a network, alias → name."""
    options = options_on(record, endpoint)
    pairs = (word.partition(":") for word in options.links) if options is not None else ()
    return {(alias or name).lower(): name.lower() for name, _, alias in pairs}


def _is_called(record: Container, endpoint: Endpoint, name: str) -> bool:
    names = {word.lower() for word in names_on(record, endpoint)}
    return name in names or (
        name.endswith(f".{endpoint.network_name.lower()}")
        and name.removesuffix(f".{endpoint.network_name.lower()}") in names
    )


def _neighbours(house: House, asker: Live, here: Endpoint) -> Iterator[tuple[Container, Endpoint]]:
    """Everyone on the same network, the asker (who is `here`) first."""
    yield asker.record, here
    for live in house.roster.all():
        for endpoint in live.record.endpoints if live is not asker else ():
            if endpoint.network_id == here.network_id:
                yield live.record, endpoint
