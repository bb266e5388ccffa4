"""What a server is, as the records and the doors know it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from kernel_engine.errors import InvalidRequest

#: a host name that fits into paths of sockets, and is no port number
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?")
State = Literal["starting", "running", "failed"]
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`interface` is its address in the servers' network, `gateway` this machine's: "172.18.0.1/16".

    plain_http: registries in the servers' network may be spoken to without TLS, by this engine and by the server's.
    """

    name: str
    interface: str
    gateway: str
    created: float
    plain_http: bool = False
    removing: bool = False

    @property
    def address(self) -> str:
        return self.interface.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server is given of this engine's own settings."""

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    certificates: Path
    dns: tuple[str, ...] = ()
    group: str = ""
    verbose: bool = False
    guard: tuple[str, ...] = ()  #: words of `serve`: what a restricted engine's server must not do either
    most: int | None = None  #: servers; None = as many as there is room for


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidRequest(
            f'invalid server name "{name}": it has up to 20 lower-case letters, digits and hyphens, a letter first, '
            "no hyphen at the end"
        )


def local_ports(mirrors: tuple[str, ...]) -> frozenset[int]:
    """Ports of this machine's 127.0.0.1 that a mirror listens on."""
    return frozenset(parts.port or 80 for parts in map(urlsplit, mirrors) if _is_local(parts.hostname))


def seen_from(gateway: str, mirrors: tuple[str, ...]) -> tuple[str, ...]:
    """The mirrors as a server calls them: this machine's 127.0.0.1 is not its own."""
    return tuple(_outside(mirror, gateway.partition("/")[0]) for mirror in mirrors)


def _outside(mirror: str, address: str) -> str:
    parts = urlsplit(mirror)
    if not _is_local(parts.hostname):
        return mirror
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{address}{port}"))


def _is_local(host: str | None) -> bool:
    return bool(host and _LOOPBACK.fullmatch(host))


def command(server: Server, settings: Settings, subnet: str) -> tuple[str, ...]:
    """What follows `kernel-engine serve --root … --run …`."""
    insecure = (*settings.insecure, *((subnet,) if server.plain_http else ()))
    words = ["--certificates", str(settings.certificates)]
    for mirror in seen_from(server.gateway, settings.mirrors):
        words += ["--registry-mirror", mirror]
    for resolver in settings.dns:
        words += ["--dns", resolver]
    for registry in insecure:
        words += ["--insecure-registry", registry]
    if settings.group:
        words += ["--group", settings.group]
    if settings.verbose:
        words.append("--debug")
    return (*words, *settings.guard)
