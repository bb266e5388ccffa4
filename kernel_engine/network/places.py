"""A container's place on a network: how it wants it, and what cable and endpoint come of it. Pure."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from kernel_engine.network.addresses import mac_address
from kernel_engine.network.endpoint import Endpoint, Published
from kernel_engine.network.ground import Ground
from kernel_engine.network.leases import Lease
from kernel_engine.network.network import ICC, Network
from kernel_engine.network.veth import Cable


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a container wants to be on a network."""

    interface: str = "eth0"
    address: str = ""  #: a fixed one; "" = any
    address6: str = ""
    link_local: tuple[str, ...] = ()  #: more addresses, of either kind
    mac: str = ""
    routes: bool = True  #: its way out is to lead through here
    routes6: bool = False
    sysctls: tuple[tuple[str, str], ...] = ()  #: of its interface


ANY_PLACE = Wanted()


def cable_of(
    network: Network,
    ground: Ground,
    leases: tuple[Lease, Lease | None],
    wanted: Wanted,
    *,
    pid: int,
    published: tuple[Published, ...],
) -> Cable:
    lease, lease6 = leases
    interface = IPv4Interface((IPv4Address(lease.address), ground.gateway.network.prefixlen))
    interface6 = None
    if lease6 is not None and ground.gateway6 is not None:
        interface6 = IPv6Interface((IPv6Address(lease6.address), ground.gateway6.network.prefixlen))
    return Cable(
        outside=lease.host_interface,
        bridge=ground.index,
        pid=pid,
        mac=wanted.mac or mac_address(interface.ip),
        interface=interface,
        gateway=network.gateway,
        mtu=ground.mtu,
        inside=wanted.interface,
        routes=wanted.routes and not network.internal,
        routes6=wanted.routes6 and not network.internal and interface6 is not None,
        hairpin=bool(published),
        isolated=not network.is_on(ICC),
        interface6=interface6,
        gateway6=network.gateway6,
        sysctls=wanted.sysctls,
        more=tuple(f"{address}/{64 if ':' in address else 16}" for address in wanted.link_local),
    )


def endpoint_of(network: Network, cable: Cable, published: tuple[Published, ...]) -> Endpoint:
    six = cable.interface6
    return Endpoint(
        network_id=network.id,
        network_name=network.name,
        endpoint_id=secrets.token_hex(32),
        address=str(cable.interface.ip),
        prefix_length=cable.interface.network.prefixlen,
        gateway="" if network.internal else network.gateway,
        address6=str(six.ip) if six is not None else "",
        prefix_length6=six.network.prefixlen if six is not None else 0,
        gateway6="" if network.internal or six is None else network.gateway6,
        mac=cable.mac,
        host_interface=cable.outside,
        interface=cable.inside,
        routes=cable.routes,
        routes6=cable.routes6,
        published=published,
    )


def leases_of(endpoint: Endpoint) -> tuple[Lease, ...]:
    """One for each address."""
    addresses = filter(None, (endpoint.address, endpoint.address6))
    return tuple(Lease(address=address, host_interface=endpoint.host_interface) for address in addresses)
