"""Which subnet a bridge takes and which address a container: pure arithmetic over what is in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from kernel_engine.errors import InvalidRequest, Unavailable

#: Docker's default pools (libnetwork, ipamutils): 172.17 to 172.31, then 192.168 in pieces
POOLS = (
    *(IPv4Network((f"172.{second}.0.0", 16)) for second in range(17, 32)),
    *IPv4Network("192.168.0.0/16").subnets(new_prefix=20),
)
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


def choose_subnet(taken: Iterable[IPv4Network], *, preferred: IPv4Interface | None = None) -> IPv4Interface:
    """The gateway's address in a subnet that overlaps nothing in `taken`; the preferred one where it is free."""
    used = tuple(taken)
    if preferred is not None and not overlapping(preferred.network, used):
        return preferred
    for network in POOLS:
        if not overlapping(network, used):
            return first_address(network)
    # Docker's text (libnetwork, ipam)
    raise Unavailable(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        hint="name a free one: kernel-engine serve --subnet 10.200.0.0/16",
    )


def overlapping(network: IPv4Network, used: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    return tuple(other for other in used if network.overlaps(other))


def free_address(
    gateway: IPv4Interface, leased: Iterable[str], ip_range: IPv4Network | None = None
) -> IPv4Address | None:
    """The lowest address of the subnet (or of a part of it) that nobody has; None when all are given."""
    used = {int(IPv4Address(address)) for address in leased} | {int(gateway.ip)}
    return next((IPv4Address(number) for number in _hosts(gateway.network, ip_range) if number not in used), None)


def _hosts(network: IPv4Network, ip_range: IPv4Network | None) -> Iterator[int]:
    part = ip_range or network
    first = max(int(network.network_address) + 1, int(part.network_address))
    return iter(range(first, min(int(network.broadcast_address), int(part.broadcast_address) + 1)))


def mac_address(address: IPv4Address) -> str:
    """As Docker: 02:42 and the four bytes of the IPv4 address, so that one address always has one MAC."""
    return "02:42:" + address.packed.hex(":")
