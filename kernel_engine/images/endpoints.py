"""Which addresses to ask for an image, in which order. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.reference import DEFAULT_DOMAIN

HUB = "https://registry-1.docker.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address of a registry: `url` has a scheme and no slash at its end."""

    url: str
    mirror: bool = False
    verify: bool = True  #: whether its TLS certificate must be good
    certificates: Path | None = None  #: the host's own folder of them (`certificates.trust`)


def endpoints(
    domain: str,
    *,
    mirrors: Sequence[str] = (),
    insecure: Collection[str] = (),
    hub: str = HUB,
    certificates: Path | None = None,
) -> tuple[Endpoint, ...]:
    """In the order of asking. Mirrors serve docker.io only; plain HTTP is for loopback and for names in `insecure`.

    insecure: `host`, `host:port` or an address range (`10.0.0.0/8`). certificates: where each host may have a folder.
    """
    if domain == DEFAULT_DOMAIN:
        return (*(_mirror(url) for url in mirrors), Endpoint(url=hub))
    if is_loopback(_host(domain)) or _is_named(domain, insecure):
        return (Endpoint(url=f"https://{domain}", verify=False), Endpoint(url=f"http://{domain}"))
    return (Endpoint(url=f"https://{domain}", certificates=certificates / domain if certificates else None),)


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _mirror(url: str) -> Endpoint:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InvalidRequest(f'invalid mirror: "{url}" is not a valid URI')
    return Endpoint(url=f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", mirror=True)


def _host(domain: str) -> str:
    return urlsplit(f"//{domain}").hostname or domain


def _is_named(domain: str, insecure: Collection[str]) -> bool:
    host = _host(domain)
    if domain in insecure or host in insecure:
        return True
    try:
        address = ipaddress.ip_address(host)
        return any(address in ipaddress.ip_network(item, strict=False) for item in insecure if "/" in item)
    except ValueError:
        return False
