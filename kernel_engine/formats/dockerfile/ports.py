"""EXPOSE's words → `80/tcp`: ranges, protocols, and the host parts that Docker takes and drops."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from kernel_engine.formats.dockerfile.errors import DockerfileError

_PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST = 65535


def exposed(words: Iterable[str]) -> tuple[str, ...]:
    """Each port once, in order. DockerfileError with Docker's texts."""
    found: dict[str, None] = {}
    for word in words:
        found.update(dict.fromkeys(_one(word)))
    return tuple(found)


def _one(word: str) -> list[str]:
    *host, inside = word.rsplit(":", 2)
    numbers, _, protocol = inside.partition("/")
    if not numbers:
        raise DockerfileError(f"No port specified: {word}<empty>")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise DockerfileError(f"Invalid proto: {protocol}")
    if len(host) == 2:
        _check_address(host[0])
    ports = _range(numbers)
    if ports is None:
        raise DockerfileError(f"Invalid containerPort: {numbers}")
    if host and host[-1]:
        outside = _range(host[-1])
        if outside is None:
            raise DockerfileError(f"Invalid hostPort: {host[-1]}")
        if len(outside) != len(ports) and len(ports) != 1:
            raise DockerfileError(f"Invalid ranges specified for container and host Ports: {numbers} and {host[-1]}")
    return [f"{number}/{protocol}" for number in ports]


def _range(text: str) -> range | None:
    first, dash, last = text.partition("-")
    if not all(number.isascii() and number.isdecimal() for number in (first, last if dash else first)):
        return None
    start = int(first[:8])
    end = int(last[:8]) if dash else start
    return range(start, end + 1) if start <= end <= _HIGHEST else None


def _check_address(text: str) -> None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        if bare:
            ipaddress.ip_address(bare)
    except ValueError:
        raise DockerfileError(f"Invalid ip address: {text}") from None
