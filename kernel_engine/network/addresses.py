"""Which subnet a bridge takes and which address a container: pure arithmetic over what is in use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_address
from typing import TypeVar

from kernel_engine.errors import InvalidRequest, Unavailable

#: Docker's default pools (libnetwork, ipamutils): 172.17 to 172.31, then 192.168 in pieces
POOLS = (
    *(IPv4Network((f"172.{second}.0.0", 16)) for second in range(17, 32)),
    *IPv4Network("192.168.0.0/16").subnets(new_prefix=20),
)
Network = TypeVar("Network", IPv4Network, IPv6Network)
#: for the servers beside this machine: small ones, which take nothing of Docker's pools away where they are free
SERVERS = (*IPv4Network("10.201.0.0/16").subnets(new_prefix=24), *POOLS)
#: a bridge, a container, the network's own address and its broadcast address
_SMALLEST = 30


def parse_subnet(text: str) -> IPv4Interface:
    """`--subnet`: "172.30.0.0/16", or with the gateway's own address "172.30.0.1/16"."""
    try:
        interface = IPv4Interface(text)
    except ValueError:
        raise InvalidRequest(f"invalid subnet {text}: it should look like 172.30.0.0/16") from None
    network = interface.network
    if "/" not in text or network.prefixlen > _SMALLEST or network.is_loopback or network.is_multicast:
        raise InvalidRequest(f"invalid subnet {text}: it should look like 172.30.0.0/16")
    return interface if interface.ip != network.network_address else first_address(network)


def first_address(network: IPv4Network) -> IPv4Interface:
    """The gateway of a subnet, where none was named."""
    return IPv4Interface((network.network_address + 1, network.prefixlen))


def choose_subnet(
    taken: Iterable[IPv4Network], *, preferred: IPv4Interface | None = None, pools: Iterable[IPv4Network] = POOLS
) -> IPv4Interface:
    """The gateway's address in a subnet that overlaps nothing in `taken`; the preferred one where it is free."""
    used = tuple(taken)
    if preferred is not None and not overlapping(preferred.network, used):
        return preferred
    for network in pools:
        if not overlapping(network, used):
            return first_address(network)
    # Docker's text (libnetwork, ipam)
    raise Unavailable(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        hint="name a free one: kernel-engine serve --subnet 10.200.0.0/16",
    )


def choose_subnet6(taken: Iterable[IPv6Network], instance_id: str) -> IPv6Interface:
    """The gateway's address in a free /64 of a unique local prefix (RFC 4193) that is this instance's own."""
    used = tuple(taken)
    prefix = b"\xfd" + hashlib.sha256(instance_id.encode()).digest()[:5] + bytes(10)
    for network in IPv6Network((prefix, 48)).subnets(new_prefix=64):
        if not overlapping(network, used):
            return first_address6(network)
    raise Unavailable(
        "could not find an available, non-overlapping IPv6 address pool among the defaults to assign to the network"
    )


def first_address6(network: IPv6Network) -> IPv6Interface:
    return IPv6Interface((network.network_address + 1, network.prefixlen))


def overlapping(network: Network, used: Iterable[Network]) -> tuple[Network, ...]:
    return tuple(other for other in used if network.overlaps(other))


def free_address(
    gateway: IPv4Interface, leased: Iterable[str], ip_range: IPv4Network | None = None
) -> IPv4Address | None:
    """The lowest address of the subnet (or of a part of it) that nobody has; None when all are given."""
    used = {_number(address) for address in leased if ":" not in address} | {int(gateway.ip)}
    return next((IPv4Address(number) for number in _hosts(gateway.network, ip_range) if number not in used), None)


def free_address6(
    gateway: IPv6Interface, leased: Iterable[str], ip_range: IPv6Network | None = None
) -> IPv6Address | None:
    used = {_number(address) for address in leased if ":" in address} | {int(gateway.ip)}
    return next((IPv6Address(number) for number in _hosts(gateway.network, ip_range) if number not in used), None)


@lru_cache(maxsize=1 << 14)
def _number(address: str) -> int:
    """Read once: each start asks for those of all containers."""
    return int(ip_address(address))


def _hosts(network: Network, ip_range: Network | None) -> Iterator[int]:
    part = ip_range or network
    first = max(int(network.network_address) + 1, int(part.network_address))
    # the last address is the broadcast address, which IPv6 does not have and does not miss
    return iter(range(first, min(int(network.broadcast_address), int(part.broadcast_address) + 1)))


def mac_address(address: IPv4Address) -> str:
    """As Docker: 02:42 and the four bytes of the IPv4 address, so that one address always has one MAC."""
    return "02:42:" + address.packed.hex(":")
