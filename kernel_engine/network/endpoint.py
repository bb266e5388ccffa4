"""A container's place on a network, as a value."""

from __future__ import annotations

from dataclasses import dataclass


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
    host_interface: str  #: the veth end on the host
