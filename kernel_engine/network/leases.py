"""Which address of which network is whose. A row is queued, not waited for: after a crash the kernel's own list of
cables tells as much.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Any

from kernel_engine.errors import Forbidden, InvalidRequest, Unavailable
from kernel_engine.network import rows
from kernel_engine.network.addresses import free_address, free_address6
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.network.ground import Ground
from kernel_engine.network.network import Network
from kernel_engine.network.rows import Lease
from kernel_engine.records import Records

__all__ = ["Lease", "Leases"]

#: seconds until a full disk gets a row again
_AGAIN = 2.0


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
            for address in filter(None, (endpoint.address, endpoint.address6)):
                known = self._leases.get(address)
                owner = known.container_id if known else ""
                kept[address] = Lease(address=address, host_interface=endpoint.host_interface, container_id=owner)
        changed = self._leases.keys() ^ kept.keys()
        self._leases = kept
        for address in changed:
            self._write(address)

    def take(
        self, network: Network, ground: Ground, container_id: str, host_interface: str, *, fixed: tuple[str, str]
    ) -> tuple[Lease, Lease | None]:
        """An address of each kind that the network has: any free one, or the fixed one ("" = any). Both or none.

        Unavailable: none is free; Forbidden: the fixed one is somebody's.
        """
        address = self._choose(network, ground, container_id, fixed[0])
        address6 = self._choose6(network, ground, container_id, fixed[1])
        lease = self._note(Lease(address=address, host_interface=host_interface, container_id=container_id))
        if not address6:
            return lease, None
        return lease, self._note(Lease(address=address6, host_interface=host_interface, container_id=container_id))

    def _choose(self, network: Network, ground: Ground, container_id: str, fixed: str) -> str:
        if fixed:
            return self._fixed(network, ground.gateway, container_id, fixed)
        if former := self._former(container_id, ground.gateway.network):
            return former
        part = IPv4Network(network.ip_range) if network.ip_range else None
        address = free_address(ground.gateway, (*self._leases, *network.reserved.values()), part)
        if address is None:
            raise _all_given(network, "IPv4")
        return str(address)

    def _choose6(self, network: Network, ground: Ground, container_id: str, fixed: str) -> str:
        """ "" where the network has none."""
        if ground.gateway6 is None:
            return ""
        if fixed:
            return self._fixed(network, ground.gateway6, container_id, fixed)
        if former := self._former(container_id, ground.gateway6.network):
            return former
        part = IPv6Network(network.ip_range6) if network.ip_range6 else None
        address = free_address6(ground.gateway6, (*self._leases, *network.reserved.values()), part)
        if address is None:
            raise _all_given(network, "IPv6")
        return str(address)

    def _note(self, lease: Lease) -> Lease:
        self._leases[lease.address] = lease
        self._write(lease.address)
        return lease

    def give_back(self, lease: Lease) -> None:
        """Nothing where the address is another cable's by now."""
        known = self._leases.get(lease.address)
        if known is not None and known.host_interface == lease.host_interface:
            del self._leases[lease.address]
            self._write(lease.address)

    def former_cables(self, ground: Ground, container_id: str) -> frozenset[str]:
        """Host's ends that are on their way out: the same container had them on this network until a moment ago."""
        subnets = [gateway.network for gateway in (ground.gateway, ground.gateway6) if gateway is not None]
        former = (self._leases.get(self._former(container_id, subnet)) for subnet in subnets)
        return frozenset(lease.host_interface for lease in former if lease is not None)

    def _former(self, container_id: str, subnet: IPv4Network | IPv6Network) -> str:
        """What the same container had until a moment ago: the others know it there. "" for nothing."""
        own = (address for address, lease in self._leases.items() if lease.container_id == container_id)
        return next((address for address in own if ip_address(address) in subnet), "")

    def _fixed(self, network: Network, gateway: IPv4Interface | IPv6Interface, container_id: str, text: str) -> str:
        """One that the same container had is still its own: the former cable may be on its way out (a restart)."""
        address = ip_address(text)
        if address.version != gateway.version or address not in gateway.network:
            raise InvalidRequest(f"Invalid address {text}: It does not belong to any of this network's subnets")
        reserved = {ip_address(word) for word in network.reserved.values()}
        lease = self._leases.get(str(address))
        taken = lease is not None and lease.container_id != container_id
        if taken or address == gateway.ip or address in reserved:
            raise Forbidden("Address already in use")
        return str(address)

    def _write(self, address: str) -> None:
        """Whose it is now; on a full disk again later."""
        lease = self._leases.get(address)

        def write(connection: sqlite3.Connection) -> None:
            if lease is None:
                rows.end_lease(connection, address)
            else:
                rows.lease(connection, lease)

        def written(done: asyncio.Future[None]) -> None:
            refused = not done.cancelled() and isinstance(done.exception(), sqlite3.Error)
            if refused and not self._records.closed:
                done.get_loop().call_later(_AGAIN, self._write, address)

        writing = self._records.follow(write)
        writing.add_done_callback(written)
        self._keep(writing)


def _all_given(network: Network, kind: str) -> Unavailable:
    return Unavailable(  # Docker's text (libnetwork, ipamapi.ErrNoAvailableIPs)
        f"no available {kind} addresses on this network's address pools: {network.name} ({network.id})",
        hint="remove containers that you no longer need: docker rm",
    )
