"""Which address of which network is whose. A row is queued, not waited for: after a crash the kernel's own list of
cables tells as much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from kernel_engine.errors import Forbidden, InvalidRequest, Unavailable
from kernel_engine.network import rows
from kernel_engine.network.addresses import free_address
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.network import Network
from kernel_engine.network.rows import Lease
from kernel_engine.records import Records

__all__ = ["Lease", "Leases"]


class Leases:
    """Addresses of different networks never meet, so that one table serves all."""

    def __init__(self, records: Records, keep: Callable[[asyncio.Future[Any]], None]) -> None:
        """keep: told of each row on its way to the disk."""
        self._records = records
        self._keep = keep
        self._leases: dict[str, Lease] = {}

    def begin(self, leases: Iterable[Lease]) -> None:
        """With what an earlier daemon wrote."""
        self._leases = {lease.address: lease for lease in leases}

    def interfaces(self) -> frozenset[str]:
        """The host's ends of all cables that are in use."""
        return frozenset(lease.host_interface for lease in self._leases.values())

    def keep_only(self, endpoints: Iterable[Endpoint]) -> None:
        """Those of these endpoints, known or not; all others end."""
        kept: dict[str, Lease] = {}
        for endpoint in endpoints:
            known = self._leases.get(endpoint.address)
            kept[endpoint.address] = Lease(
                address=endpoint.address,
                host_interface=endpoint.host_interface,
                container_id=known.container_id if known else "",
            )
        for address in self._leases.keys() - kept.keys():
            self._end(address)
        self._leases = kept

    def take(
        self, network: Network, gateway: IPv4Interface, container_id: str, host_interface: str, *, fixed: str = ""
    ) -> Lease:
        """Any free address, or the fixed one. Unavailable: none is free; Forbidden: the fixed one is somebody's."""
        address: IPv4Address | None
        if fixed:
            address = self._fixed(network, gateway, fixed)
        else:
            part = IPv4Network(network.ip_range) if network.ip_range else None
            address = free_address(gateway, (*self._leases, *network.reserved.values()), part)
        if address is None:
            raise Unavailable(  # Docker's text (libnetwork, ipamapi.ErrNoAvailableIPs)
                f"no available IPv4 addresses on this network's address pools: {network.name} ({network.id})",
                hint="remove containers that you no longer need: docker rm",
            )
        lease = Lease(address=str(address), host_interface=host_interface, container_id=container_id)
        self._leases[lease.address] = lease
        self._keep(self._records.submit(lambda connection: rows.lease(connection, lease)))
        return lease

    def give_back(self, lease: Lease) -> None:
        """Nothing where the address is another cable's by now."""
        known = self._leases.get(lease.address)
        if known is not None and known.host_interface == lease.host_interface:
            del self._leases[lease.address]
            self._end(lease.address)

    def _fixed(self, network: Network, gateway: IPv4Interface, text: str) -> IPv4Address:
        address = IPv4Address(text)
        if address not in gateway.network:
            raise InvalidRequest(f"Invalid address {text}: It does not belong to any of this network's subnets")
        if text in self._leases or address == gateway.ip or text in network.reserved.values():
            raise Forbidden("Address already in use")
        return address

    def _end(self, address: str) -> None:
        self._keep(self._records.submit(lambda connection: rows.end_lease(connection, address)))
