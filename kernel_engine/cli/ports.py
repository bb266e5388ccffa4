"""`-p` and `--expose` words as the API's port maps (go-connections' nat). Pure."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed

PROTOCOLS = ("tcp", "udp", "sctp")


def exposed(published: list[str], named: list[str]) -> list[str]:
    """`80/tcp` for every port that either option names, each once."""
    ports = [port for item in published for port, _, _ in split(item)]
    for item in named:
        numbers, protocol = _protocol(item)
        first, last = _range(numbers, f"invalid range format for --expose: {numbers}, error: ")
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
    address, _, host = before.rpartition(":")
    address = address.strip("[]")
    if not container:
        raise Failed(f"no port specified: {text}<empty>", 125)
    if protocol not in PROTOCOLS:
        raise Failed(f"invalid proto: {protocol}", 125)
    first, last = _range(container, f"invalid containerPort: {container}")
    if not host:
        return [(f"{number}/{protocol}", address, "") for number in range(first, last + 1)]
    host_first, host_last = _range(host, f"invalid hostPort: {host}")
    if last - first != host_last - host_first:
        if first != last:
            raise Failed(f"invalid ranges specified for container and host Ports: {container} and {host}", 125)
        return [(f"{first}/{protocol}", address, host)]
    return [(f"{first + at}/{protocol}", address, str(host_first + at)) for at in range(last - first + 1)]


def _protocol(text: str) -> tuple[str, str]:
    rest, _, protocol = text.partition("/")
    return rest, protocol.lower() or "tcp"


def _range(text: str, refusal: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    ends = [first, last] if dash else [first]
    for end in ends:
        if not end.isascii() or not end.isdigit() or int(end) > 65535:
            reason = f'strconv.ParseUint: parsing "{end}": invalid syntax' if refusal.endswith("error: ") else ""
            raise Failed(refusal + reason, 125)
    low, high = int(ends[0]), int(ends[-1])
    if high < low:
        raise Failed(f"invalid range specified for port: {text}", 125)
    return low, high
