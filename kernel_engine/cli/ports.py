"""`-p` and `--expose` words as the API's port maps, and those of `docker ps` as words (go-connections' nat). Pure."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST = 65535
_SYNTAX, _RANGE = "invalid syntax", "value out of range"


def exposed(published: list[str], named: list[str]) -> list[str]:
    """`80/tcp` for every port that either option names, each once."""
    ports = [port for item in published for port, _, _ in split(item)]
    for item in named:
        if ":" in item:
            raise Failed(f"invalid port format for --expose: {item}", 125)
        numbers, protocol = _protocol(item)
        try:
            first, last = _range(numbers)
        except ValueError as error:
            raise Failed(f"invalid range format for --expose: {numbers}, error: {error}", 125) from None
        ports += [f"{number}/{protocol}" for number in range(first, last + 1)]
    return list(dict.fromkeys(ports))


def bindings(published: list[str]) -> dict[str, list[dict[str, str]]]:
    """Container port → where on the host; an empty host port is the engine's choice."""
    result: dict[str, list[dict[str, str]]] = {}
    for item in published:
        for port, address, host_port in split(item):
            result.setdefault(port, []).append({"HostIp": address, "HostPort": host_port})
    return result


def split(text: str) -> list[tuple[str, str, str]]:
    """(`80/tcp`, host address, host port) for each port of `[[address:]host:]container[/protocol]`, ranges opened."""
    rest, protocol = _protocol(text)
    before, _, container = rest.rpartition(":")
    place, _, host = before.rpartition(":")
    address = _address(place)
    if not container:
        raise Failed(f"no port specified: {text}<empty>", 125)
    first, last = _ports(container, f"invalid containerPort: {container}")
    numbers = [f"{number}/{protocol}" for number in range(first, last + 1)]
    if not host:
        result = [(number, address, "") for number in numbers]
    else:
        host_first, host_last = _ports(host, f"invalid hostPort: {host}")
        if last - first == host_last - host_first:
            result = [(number, address, str(host_first + at)) for at, number in enumerate(numbers)]
        elif first == last:
            result = [(numbers[0], address, host)]
        else:
            raise Failed(f"invalid ranges specified for container and host Ports: {container} and {host}", 125)
    if protocol not in PROTOCOLS:
        raise Failed(f"invalid proto: {protocol}", 125)
    return result


def _protocol(text: str) -> tuple[str, str]:
    """What follows a second slash is nothing to Docker."""
    rest, _, protocol = text.partition("/")
    return rest, protocol.partition("/")[0].lower() or "tcp"


def _address(text: str) -> str:
    """An address of the host, without the brackets that an IPv6 one may have."""
    if not text:
        return ""
    address = text
    if text.startswith("["):
        if not text.endswith("]"):
            raise Failed(f"invalid IP address {text}: address {text}:: missing ']' in address", 125)
        address = text[1:-1]
    from ipaddress import ip_address

    try:
        known = "%" not in address and bool(ip_address(address))
    except ValueError:
        known = False
    if not known:
        raise Failed(f"invalid IP address: {address}", 125)
    return address


def _ports(text: str, refusal: str) -> tuple[int, int]:
    try:
        return _range(text)
    except ValueError:
        raise Failed(refusal, 125) from None


def _range(text: str) -> tuple[int, int]:
    """ValueError with the reason, as Go's strconv has it. A third number is nothing to Docker."""
    if not text:
        raise ValueError("empty string specified for ports")
    ends = text.split("-")[:2]
    for end in ends:
        fault = _SYNTAX if not end.isascii() or not end.isdigit() else _RANGE if int(end) > _HIGHEST else ""
        if fault:
            raise ValueError(f'strconv.ParseUint: parsing "{end}": {fault}')
    low, high = int(ends[0]), int(ends[-1])
    if high < low:
        raise ValueError(f"invalid range specified for port: {text}")
    return low, high


def as_words(given: Iterable[dict[str, Any]]) -> str:
    """The column PORTS: `443/tcp, 0.0.0.0:8080->80/tcp`.

    As Docker's command has it: neighbours become a range where their number is the same inside and outside (or they
    are only exposed); what has another number outside comes last, each by itself.
    """
    order = sorted(given, key=lambda port: (port["PrivatePort"], port.get("IP", ""), port.get("PublicPort", 0)))
    runs: dict[tuple[str, str], tuple[int, int]] = {}
    ended: list[str] = []
    moved: list[str] = []
    for port in order:
        address, kind, inside = port.get("IP", ""), port.get("Type", "tcp"), port["PrivatePort"]
        if address and port.get("PublicPort") != inside:
            moved.append(f"{joined(address, port.get('PublicPort', 0))}->{inside}/{kind}")
            continue
        first, last = runs.get((address, kind), (inside, inside - 1))
        if inside != last + 1:
            ended.append(_run(address, kind, first, last))
            first = inside
        runs[(address, kind)] = (first, inside)
    return ", ".join([*ended, *(_run(*key, *ends) for key, ends in runs.items()), *moved])


def _run(address: str, kind: str, first: int, last: int) -> str:
    numbers = str(first) if first == last else f"{first}-{last}"
    return f"{joined(address, numbers)}->{numbers}/{kind}" if address else f"{numbers}/{kind}"


def joined(address: str, port: int | str) -> str:
    """`0.0.0.0:80`, `[::]:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
