"""A container's place on a network, as a value."""

from __future__ import annotations

from dataclasses import dataclass

#: a port that is open on every IPv4 address of the host, and on every IPv6 one
ANYWHERE, ANYWHERE6 = "0.0.0.0", "::"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One port of the host that leads into a container."""

    container_port: int
    protocol: str  #: "tcp" | "udp" | "sctp"
    host_address: str  #: IPv4, dotted, or IPv6; ANYWHERE or ANYWHERE6 for all
    host_port: int
    relayed: bool = False  #: the daemon passes on what comes, because the kernel cannot (see `relay`)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What `attach` gave one container on one network."""

    network_id: str
    network_name: str
    endpoint_id: str
    address: str  #: IPv4, dotted
    prefix_length: int
    gateway: str
    mac: str
    address6: str = ""  #: IPv6; "" where the network has none
    prefix_length6: int = 0
    gateway6: str = ""
    host_interface: str  #: the veth end on the host
    interface: str = "eth0"  #: the container's end
    routes: bool = True  #: whether the container's way out leads through here
    routes6: bool = False  #: that over IPv6
    published: tuple[Published, ...] = ()

    def address_for(self, port: Published) -> str:
        """Where in the container a port of the host leads to: of the same kind of address, unless it is relayed."""
        return self.address6 if ":" in port.host_address and not port.relayed else self.address
