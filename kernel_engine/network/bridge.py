"""The default network: a bridge with NAT, and the leases of those who are on it.

`ground` makes the bridge in the kernel, `veth` the cables; here they meet the records. Which container is on the
network is `containers`' business.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, TypeVar

from kernel_engine.errors import KernelRefused, Unavailable
from kernel_engine.network import ground, nat
from kernel_engine.network.addresses import free_address, mac_address, parse_subnet
from kernel_engine.network.endpoint import Endpoint, Published
from kernel_engine.network.ground import Ground, destroy
from kernel_engine.network.ports import Ports, Reservation, Wish
from kernel_engine.network.veth import Cable, loopback_up, plug, unplug
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.syscalls.netlink import Netlink

__all__ = ["SCHEMA", "Bridge", "Endpoint", "destroy", "loopback_up"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS networks (
    name TEXT PRIMARY KEY,
    network_id TEXT NOT NULL UNIQUE,
    gateway TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS leases (
    address TEXT PRIMARY KEY,
    container_id TEXT NOT NULL,
    host_interface TEXT NOT NULL
);
"""
_NAME = "bridge"
#: seconds between looks whether the kernel has removed a cable by itself (30 to 60 ms, measured, under load)
_PATIENCE = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1)
_SUFFIX = 7  #: characters of a veth's name after the instance's prefix: IFNAMSIZ is 16 with the NUL

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An address that is given away."""

    address: str
    container_id: str
    host_interface: str


class Bridge:
    """The bridge of one instance. It stands in the kernel, with all that is on it, when the daemon does not run."""

    SCHEMA = SCHEMA
    name = _NAME

    def __init__(self, instance: Instance, records: Records, network_id: str, ground: Ground) -> None:
        self.network_id = network_id
        self.gateway = str(ground.gateway.ip)
        self.subnet = str(ground.gateway.network)
        self.interface = instance.bridge
        self._instance = instance
        self._records = records
        self._ground = ground
        self._leases: dict[str, Lease] = {}
        self._ports = Ports()
        self._background: set[asyncio.Future[Any]] = set()
        # attaching must not wait for a detaching, which the kernel delays by 10 ms and more: a thread each
        self._plugging = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plug")
        self._unplugging = ThreadPoolExecutor(max_workers=1, thread_name_prefix="unplug")
        self._host = Netlink()

    @classmethod
    async def open(
        cls, instance: Instance, records: Records, *, subnet: str | None = None, endpoints: Iterable[Endpoint] = ()
    ) -> Bridge:
        """Makes the bridge, or finds the one of an earlier daemon with its leases (see `adopt`).

        subnet: "172.30.0.0/16"; None = the one it had, else the first free one of Docker's pools. endpoints: what the
        records know to be in use; their published ports are never closed meanwhile. InvalidRequest, Conflict (in use),
        Unavailable (no nft, nothing free), KernelRefused.
        """
        wanted = parse_subnet(subnet) if subnet else None
        row, leases = await records.transact(_read)
        recorded = IPv4Interface(row["gateway"]) if row else None
        network_id = row["network_id"] if row else secrets.token_hex(32)
        open_ports = tuple((port, place.address) for place in endpoints for port in place.published)
        ready = await asyncio.to_thread(ground.lay, instance, wanted=wanted, recorded=recorded, published=open_ports)
        if recorded != ready.gateway:
            await records.transact(lambda connection: _save(connection, network_id, str(ready.gateway)))
        bridge = cls(instance, records, network_id, ready)
        bridge._leases = {lease.address: lease for lease in leases}
        bridge._ports.take(port for port, _ in open_ports)
        return bridge

    def adopt(self, endpoints: Iterable[Endpoint]) -> None:
        """After `open`, before the first `attach`: the endpoints still in use. Other leases and cables are swept."""
        kept = {
            endpoint.address: Lease(
                address=endpoint.address,
                container_id=self._leases[endpoint.address].container_id if endpoint.address in self._leases else "",
                host_interface=endpoint.host_interface,
            )
            for endpoint in endpoints
        }
        for address in self._leases.keys() - kept.keys():
            self._forget(address)
        self._leases = kept
        self._later(self._sweep())

    def reserve(self, wishes: Iterable[Wish]) -> Reservation:
        """Takes ports of the host for a container that is to be attached; not one of them where one cannot be had.

        `give_up` gives them back, or `detach` does once they belong to an endpoint. Unavailable or KernelRefused with
        Docker's text.
        """
        return self._ports.reserve(wishes)

    async def attach(
        self, container_id: str, netlink_fd: int, pid: int, reservation: Reservation | None = None
    ) -> Endpoint:
        """Plugs a container in: eth0 with an address and a default route, lo up, its ports open. About 1 ms, off the
        loop.

        netlink_fd: an AF_NETLINK socket opened in the container's network namespace (stays the caller's); pid: a
        process in it. Unavailable when all addresses are given; KernelRefused, with nothing left behind.
        """
        published = () if reservation is None else reservation.published
        lease = self._lease(container_id)
        interface = IPv4Interface((IPv4Address(lease.address), self._ground.gateway.network.prefixlen))
        mac = mac_address(interface.ip)
        cable = Cable(
            outside=lease.host_interface,
            bridge=self._ground.index,
            pid=pid,
            mac=mac,
            interface=interface,
            gateway=self.gateway,
            mtu=self._ground.mtu,
            hairpin=bool(published),
        )
        inside = os.dup(netlink_fd)  # the caller may be cancelled, and close its own, while the thread works
        try:
            await self._in(self._plugging, lambda: self._plug(inside, cable, published))
        except asyncio.CancelledError:
            self._later(self._give_up(lease, published))
            raise
        except OSError as error:
            self._forget(lease.address)
            text = f"failed to create endpoint {container_id[:12]} on network {_NAME}: {error}"
            raise KernelRefused("netlink", error.errno or 0, text) from error
        return Endpoint(
            network_id=self.network_id,
            network_name=_NAME,
            endpoint_id=secrets.token_hex(32),
            address=lease.address,
            prefix_length=interface.network.prefixlen,
            gateway=self.gateway,
            mac=mac,
            host_interface=lease.host_interface,
            published=published,
        )

    async def detach(self, endpoint: Endpoint) -> None:
        """Closes the ports; takes the address back when the host's end of the cable is gone. All that is so when this
        returns. Idempotent.

        The container has ended as a rule. Then the kernel removes the cable with the namespace, several in one go,
        while a request of ours would hold the lock that the next `attach` waits for; so it is given a moment first.
        """
        if endpoint.published:
            await self._withdraw(endpoint.published)
        for pause in _PATIENCE:
            if not _exists(endpoint.host_interface):
                break
            await asyncio.sleep(pause)
        else:
            try:
                await self._in(self._unplugging, lambda: _unplug((endpoint.host_interface,)))
            except OSError as error:
                text = f"failed to remove endpoint {endpoint.endpoint_id[:12]} of network {_NAME}: {error}"
                raise KernelRefused("netlink", error.errno or 0, text) from error
        lease = self._leases.get(endpoint.address)
        if lease is not None and lease.host_interface == endpoint.host_interface:
            self._forget(endpoint.address)

    async def close(self) -> None:
        """Finishes what was begun. The bridge and those on it stay."""
        while self._background:
            await asyncio.gather(*self._background, return_exceptions=True)
        self._plugging.shutdown()
        self._unplugging.shutdown()
        self._host.close()

    # leases -----------------------------------------------------------------------------------------------------
    def _lease(self, container_id: str) -> Lease:
        """The row is queued, not waited for: after a crash the kernel's own list of cables tells as much."""
        address = free_address(self._ground.gateway, self._leases)
        if address is None:
            raise Unavailable(  # Docker's text (libnetwork, ipamapi.ErrNoAvailableIPs)
                f"no available IPv4 addresses on this network's address pools: {_NAME} ({self.network_id})",
                hint="remove containers that you no longer need: docker rm",
            )
        used = {lease.host_interface for lease in self._leases.values()}
        outside = ""
        while not outside or outside in used:
            outside = self._instance.veth_prefix + secrets.token_hex(4)[:_SUFFIX]
        lease = Lease(address=str(address), container_id=container_id, host_interface=outside)
        self._leases[lease.address] = lease
        values = (lease.address, container_id, outside)
        self._write("INSERT OR REPLACE INTO leases (address, container_id, host_interface) VALUES (?, ?, ?)", values)
        return lease

    def _forget(self, address: str) -> None:
        self._leases.pop(address, None)
        self._write("DELETE FROM leases WHERE address = ?", (address,))

    async def _give_up(self, lease: Lease, published: tuple[Published, ...]) -> None:
        """After an attach that nobody waits for any more; in the thread that made the cable, so that it is there."""
        await self._in(self._plugging, lambda: nat.withdraw(self._instance.nft_table, published))
        await self._in(self._plugging, lambda: _unplug((lease.host_interface,)))
        self._forget(lease.address)

    async def _sweep(self) -> None:
        """Cables that no lease knows. A lease is noted before its cable is made, so a new one is always known."""

        def present() -> list[str]:
            with Netlink() as netlink:
                return [link.name for link in ground.host_ends(netlink, self._instance)]

        names = await self._in(self._unplugging, present)
        known = {lease.host_interface for lease in self._leases.values()}
        await self._in(self._unplugging, lambda: _unplug(name for name in names if name not in known))

    def _plug(self, inside: int, cable: Cable, published: tuple[Published, ...]) -> None:
        plug(self._host, inside, cable)
        if not published:
            return
        try:
            nat.publish(self._instance.nft_table, published, str(cable.interface.ip))
        except OSError:
            unplug(self._host, (cable.outside,))
            raise

    async def _withdraw(self, published: tuple[Published, ...]) -> None:
        """The ports are free at once. In the thread that opens ports: who takes one of them next comes after this."""
        self._ports.free(published)
        try:
            await self._in(self._plugging, lambda: nat.withdraw(self._instance.nft_table, published))
        except OSError as error:
            raise KernelRefused("netlink", error.errno or 0, f"failed to close published ports: {error}") from error

    # ------------------------------------------------------------------------------------------------------------
    async def _in(self, worker: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        """In a thread, with the current trace."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(worker, context.run, work)

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        self._keep(self._records.submit(write))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.get_running_loop().create_task(work))

    def _keep(self, future: asyncio.Future[Any]) -> None:
        self._background.add(future)
        future.add_done_callback(self._done)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._background.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            context = {"message": "work of the network beside a request failed", "exception": error, "future": future}
            future.get_loop().call_exception_handler(context)


def _read(connection: sqlite3.Connection) -> tuple[sqlite3.Row | None, tuple[Lease, ...]]:
    row = connection.execute("SELECT network_id, gateway FROM networks WHERE name = ?", (_NAME,)).fetchone()
    leases = connection.execute("SELECT address, container_id, host_interface FROM leases").fetchall()
    return row, tuple(Lease(**dict(lease)) for lease in leases)


def _save(connection: sqlite3.Connection, network_id: str, gateway: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO networks (name, network_id, gateway) VALUES (?, ?, ?)", (_NAME, network_id, gateway)
    )


def _exists(interface: str) -> bool:
    """Without the kernel's rtnl lock, unlike a netlink request."""
    try:
        socket.if_nametoindex(interface)
    except OSError:
        return False
    return True


def _unplug(names: Iterable[str]) -> None:
    with Netlink() as netlink:
        unplug(netlink, names)
