"""Which of a container's ports are to be open on the host: `-p`, `-P` and EXPOSE, understood. Pure.

Which port of the host each one gets is `network.ports`' to find.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from kernel_engine.containers.options import ContainerOptions
from kernel_engine.containers.record import Container
from kernel_engine.errors import InvalidRequest
from kernel_engine.network.endpoint import ANYWHERE, Published
from kernel_engine.network.nat import PROTOCOLS
from kernel_engine.network.ports import Wish

_NUMBER = re.compile(r"[0-9]{1,5}")
_HIGHEST = 65535

#: Docker's warning for `--network host -p …`
DISCARDED = "Published ports are discarded when using host network mode"


def wishes(config: ContainerOptions, *, everywhere: tuple[str, ...] = (ANYWHERE,)) -> tuple[Wish, ...]:
    """In the order in which they are to be served: fixed ports first, then those that may be any.

    everywhere: the host's addresses that are meant where none is named. InvalidRequest. Docker's own order among the
    free ones is from the highest port down.
    """
    host = config.host
    found = [
        _wish(port, _addresses(address, everywhere), number)
        for port, places in host.port_bindings.items()
        for address, number in places
    ]
    if host.publish_all:
        named = {parse_port(port) for port, places in host.port_bindings.items() if places}
        exposed = {number_and_protocol for port in config.exposed_ports if (number_and_protocol := known_port(port))}
        found += [
            Wish(container_port=number, protocol=protocol, host_addresses=everywhere)
            for number, protocol in exposed - named
        ]
    return tuple(sorted(found, key=lambda wish: (not wish.first, wish.first != wish.last, -wish.container_port)))


def opened(record: Container) -> dict[str, tuple[Published, ...]]:
    """The ports of a container that runs on a bridge, by "80/tcp": where they are open on the host, nowhere for one
    that is only exposed."""
    if not record.endpoints or not record.state.running:
        return {}
    found: dict[str, tuple[Published, ...]] = dict.fromkeys((normal(port) for port in record.config.exposed_ports), ())
    for port in (port for endpoint in record.endpoints for port in endpoint.published):
        key = f"{port.container_port}/{port.protocol}"
        found[key] = (*found.get(key, ()), port)
    return found


def is_published(record: Container, word: str) -> bool:
    """`--filter publish=9000`, `publish=9000-9005/udp`: is one of these ports of the host its own?"""
    first, last, protocol = port_range("publish", word)
    places = (port for ports in opened(record).values() for port in ports)
    return any(port.protocol == protocol and first <= port.host_port <= last for port in places)


def is_exposed(record: Container, word: str) -> bool:
    """`--filter expose=80`: is one of these ports of the container open to others, or meant to be?"""
    first, last, protocol = port_range("expose", word)
    known = (known_port(port) for port in opened(record))
    return any(port is not None and port[1] == protocol and first <= port[0] <= last for port in known)


def port_range(name: str, word: str) -> tuple[int, int, str]:
    numbers, _, protocol = word.partition("/")
    first, dash, last = numbers.partition("-")
    for end in (first, last) if dash else (first,):
        if not _NUMBER.fullmatch(end) or int(end) > _HIGHEST:
            reason = "value out of range" if end.isascii() and end.isdigit() else "invalid syntax"
            raise InvalidRequest(
                f'error while looking up for {name} {word}: strconv.ParseUint: parsing "{end}": {reason}'
            )
    return int(first), int(last if dash else first), protocol.lower() or "tcp"


def normal(port: str) -> str:
    """ "80" is "80/tcp"; what is no port stays as it is."""
    known = known_port(port)
    return f"{known[0]}/{known[1]}" if known else port


def parse_port(text: str) -> tuple[int, str]:
    """ "80/tcp" or "80" → number and protocol."""
    number, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in PROTOCOLS:
        raise InvalidRequest(f"invalid proto: {protocol}")
    value = _number(number)
    if value == 0:
        raise InvalidRequest(f'invalid port specification: "{number}"')
    return value, protocol


def known_port(port: str) -> tuple[int, str] | None:
    """EXPOSE is a remark: what Docker would not understand is left out."""
    try:
        return parse_port(port)
    except InvalidRequest:
        return None


def _wish(port: str, addresses: tuple[str, ...], number: str) -> Wish:
    container_port, protocol = parse_port(port)
    first, dash, last = number.partition("-")
    low = _number(first, whole=number) if number else 0
    high = _number(last, whole=number) if dash else low
    if high < low:
        raise InvalidRequest(f'invalid port specification: "{number}"')
    return Wish(container_port=container_port, protocol=protocol, host_addresses=addresses, first=low, last=high)


def _number(text: str, *, whole: str = "") -> int:
    if not _NUMBER.fullmatch(text) or int(text) > _HIGHEST:
        raise InvalidRequest(f'invalid port specification: "{whole or text}"')
    return int(text)


def _addresses(text: str, everywhere: tuple[str, ...]) -> tuple[str, ...]:
    if not text:
        return everywhere
    try:
        return (str(ip_address(text)),)
    except ValueError:
        raise InvalidRequest(f"invalid IP address: {text}") from None
