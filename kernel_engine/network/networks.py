"""The networks of one instance: the default bridge, those that users make, and the leases of who is on them.

`ground` makes bridges in the kernel, `wiring` the cables; here they meet the records. Which container is on which
network is `containers`' business.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from kernel_engine.errors import Conflict, Forbidden, InvalidRequest, KernelRefused, NotFound
from kernel_engine.network import ground, nat, rows
from kernel_engine.network.addresses import parse_subnet
from kernel_engine.network.door import Door, Here
from kernel_engine.network.endpoint import Endpoint, Published
from kernel_engine.network.ground import Ground, Plan, destroy
from kernel_engine.network.leases import Leases
from kernel_engine.network.making import check_predefined, planned
from kernel_engine.network.nameserver import NameServers
from kernel_engine.network.network import (
    BRIDGE_NAME,
    DEFAULT,
    HOST,
    ICC,
    MASQUERADE,
    MTU,
    NONE,
    Network,
    NetworkOptions,
)
from kernel_engine.network.places import ANY_PLACE, Wanted, cable_of, endpoint_of, leases_of
from kernel_engine.network.ports import PortRefused, Ports, Reservation, Wish, hold
from kernel_engine.network.veth import loopback_up
from kernel_engine.network.wiring import Wiring
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.syscalls.netlink import Netlink

_log = logging.getLogger(__name__)
#: seconds between tries for a port that was given back a moment ago
_AGAIN = 0.005

__all__ = ["Endpoint", "Networks", "Wanted", "destroy", "loopback_up"]


class Networks:
    """They stand in the kernel, with all that is on them, when the daemon does not run."""

    def __init__(self, instance: Instance, records: Records) -> None:
        self._instance = instance
        self._records = records
        self._networks: dict[str, Network] = {}
        self._grounds: dict[str, Ground] = {}
        self._leases = Leases(records, self._keep)
        self._ports = Ports(outside=instance.rootless)
        self.door: Door = Here()  #: who passes on what the kernel does not
        self.no_way_out = ""  #: why containers do not reach what is outside; "" where nothing is known against it
        self._wiring = Wiring(instance)
        self.names = NameServers(self._wiring)
        self._changing = asyncio.Lock()
        self._background: set[asyncio.Future[Any]] = set()
        self.default: Network

    @classmethod
    async def open(
        cls, instance: Instance, records: Records, *, subnet: str | None = None, endpoints: Iterable[Endpoint] = ()
    ) -> Networks:
        """Makes the bridges, or finds those of an earlier daemon with their leases (see `adopt`).

        subnet: of the default one, "172.30.0.0/16"; None = the one it had, else the first free one of Docker's pools.
        endpoints: what the records know to be in use; their published ports are never closed meanwhile.
        InvalidRequest, Conflict (in use), Unavailable (no nft, nothing free), KernelRefused.
        """
        wanted = parse_subnet(subnet) if subnet else None
        row, others, leases = await records.transact(rows.read)
        recorded = IPv4Interface(row["gateway"]) if row else None
        known = tuple(endpoints)
        open_ports = tuple(pair for place in known for pair in ports_of(place))
        plans = tuple(_plan(item) for item in others)
        networks = cls(instance, records)
        try:
            standing = await networks._wiring.apart(
                lambda: ground.lay(instance, wanted=wanted, recorded=recorded, others=plans, published=open_ports)
            )
        except BaseException:
            networks._wiring.close()
            raise
        network_id = row["network_id"] if row else secrets.token_hex(32)
        if recorded != standing[0].gateway:
            gateway = str(standing[0].gateway)
            await records.transact(lambda connection: rows.save_default(connection, network_id, gateway))
        networks.default = _default(instance, network_id, standing[0])
        for item, place in zip((networks.default, *others), standing, strict=True):
            networks._networks[item.id] = item
            networks._grounds[item.id] = place
        for name, driver in ((HOST, "host"), (NONE, "null")):
            fixed = hashlib.sha256(f"{instance.id}/{name}".encode()).hexdigest()
            networks._networks[fixed] = Network(id=fixed, name=name, driver=driver, created=networks.default.created)
        networks._leases.begin(leases)
        networks._ports.take(port for place in known for port in place.published)
        return networks

    async def adopt(self, endpoints: Iterable[Endpoint]) -> None:
        """After `open`, before the first `attach`: the endpoints still in use. Other leases and cables are swept."""
        known = tuple(endpoints)
        self._leases.keep_only(known)
        await self.open_again((endpoint, 0) for endpoint in known)
        await self._wiring.sweep(self._leases.interfaces)

    async def close(self) -> None:
        """Finishes what was begun. The bridges and those on them stay."""
        self.names.close_all()
        self.door.shut()
        while self._background:  # since Python 3.12, gather on done ones gives _done no turn: wait does
            await asyncio.wait(self._background)
        self._wiring.close()

    # which there are --------------------------------------------------------------------------------------------
    def all(self) -> tuple[Network, ...]:
        return tuple(self._networks.values())

    def find(self, reference: str) -> Network:
        """By name, id or the unambiguous beginning of one. NotFound with Docker's text."""
        reference = DEFAULT if reference == "default" else reference
        exact = [item for item in self._networks.values() if reference in (item.name, item.id)]
        found = exact or [item for item in self._networks.values() if reference and item.id.startswith(reference)]
        if len(found) > 1:
            raise InvalidRequest(f"network {reference} is ambiguous ({len(found)} matches found on name)")
        if not found:
            raise NotFound(f"network {reference} not found")
        return found[0]

    async def create(self, options: NetworkOptions) -> Network:
        """A bridge of the user's own. Conflict: the name is in use; Forbidden: the subnet is. Nothing is left then."""
        async with self._changing:
            check_predefined(options.name)
            if any(item.name == options.name for item in self._networks.values()):
                raise Conflict(f"network with name {options.name} already exists")
            network, wish = planned(options, self._instance, self.all(), secrets.token_hex(32))
            made = network

            def make(gateway: IPv4Interface, gateway6: IPv6Interface | None) -> Plan:
                nonlocal made
                made = replace(_settled(network, gateway, gateway6), created=time.time())
                return _plan(made)

            adding = asyncio.ensure_future(self._wiring.apart(lambda: ground.add(self._instance, wish, make)))
            try:
                place = await asyncio.shield(adding)
                await self._records.transact(lambda connection: rows.insert(connection, made))
            except BaseException:
                self._later(self._undo(adding, lambda: _plan(made)))
                raise
            self._networks[made.id] = made
            self._grounds[made.id] = place
            return made

    async def remove(self, network: Network) -> None:
        """The caller knows that no container is on it. Forbidden for one of the three that always are."""
        if network.predefined:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        async with self._changing:
            if network.id not in self._networks:
                raise NotFound(f"network {network.id} not found")
            await self._records.transact(lambda connection: rows.delete(connection, network))
            del self._networks[network.id]
            del self._grounds[network.id]
            await self._wiring.apart(lambda: ground.take_away(self._instance, _plan(network)))

    async def _undo(self, adding: asyncio.Future[Ground], plan: Callable[[], Plan]) -> None:
        """After a create that was cut off, or whose record could not be written."""
        (place,) = await asyncio.gather(adding, return_exceptions=True)
        if isinstance(place, Ground):
            await self._wiring.apart(lambda: ground.take_away(self._instance, plan()))

    # who is on them ---------------------------------------------------------------------------------------------
    async def reserve(self, wishes: Sequence[Wish]) -> Reservation:
        """Takes ports of the host for a container that is to be attached; not one of them where one cannot be had.

        `give_up` gives them back, or `detach` does once they belong to an endpoint. Unavailable or KernelRefused with
        Docker's text.
        """
        while True:
            try:
                return self._ports.reserve(wishes)
            except PortRefused as refused:
                if not self._ports.lingers(refused):
                    raise
            await asyncio.sleep(_AGAIN)

    async def attach(
        self,
        network: Network,
        container_id: str,
        netlink_fd: int,
        pid: int,
        *,
        wanted: Wanted = ANY_PLACE,
        reservation: Reservation | None = None,
    ) -> Endpoint:
        """Plugs a container in: an interface with an address and (where wanted) a default route, lo up, its ports open.
        About 1 ms, off the loop.

        netlink_fd: an AF_NETLINK socket opened in the container's network namespace (stays the caller's); pid: a
        process in it. Unavailable when all addresses are given, Forbidden for a fixed one that somebody has;
        KernelRefused, with nothing left behind.
        """
        published = () if reservation is None else reservation.published
        outside = self._wiring.new_name(self._leases.interfaces())
        place = self._grounds[network.id]
        former = self._leases.former_cables(place, container_id)
        leases = self._leases.take(network, place, container_id, outside, fixed=(wanted.address, wanted.address6))
        cable = cable_of(network, place, leases, wanted, pid=pid, published=published)
        endpoint = endpoint_of(network, cable, published)
        try:
            for cable_end in former:  # what was there answers no longer at this address
                await self._wiring.unplug(cable_end)
            await self._wiring.plug(netlink_fd, cable, ports_of(endpoint))
        except asyncio.CancelledError:
            self._later(self._give_up(endpoint))
            raise
        except OSError as error:
            self._give_back(endpoint)
            text = f"failed to create endpoint {container_id[:12]} on network {network.name}: {error}"
            raise KernelRefused("netlink", error.errno or 0, text) from error
        if reservation is not None:
            await self._pass_on(reservation, endpoint, pid)
        return endpoint

    async def hand_over(self, endpoint: Endpoint, heir: Endpoint) -> tuple[Endpoint, Endpoint]:
        """Both as they are now: the ports that led to the one lead to the other, where it has an address of their
        kind. KernelRefused."""
        kept = tuple(port for port in endpoint.published if heir.address_for(port))
        self._ports.free(port for port in endpoint.published if port not in kept)
        moved = tuple((port, heir.address_for(port)) for port in kept)
        for port, address in moved:
            if self._is_passed_on(port):
                await self.door.lead(port, address)
        former = tuple(port for port in endpoint.published if not port.relayed)
        await self._wiring.lead(former, heir.host_interface, tuple(pair for pair in moved if not pair[0].relayed))
        return replace(endpoint, published=()), replace(heir, published=(*heir.published, *kept))

    async def detach(self, endpoint: Endpoint, *, running: bool = False) -> None:
        """Closes the ports; takes the address back when the host's end of the cable is gone. All that is so when this
        returns. Idempotent. running: the container goes on, so that the kernel will not take the cable by itself."""
        if endpoint.published:
            for port in endpoint.published:
                if self._is_passed_on(port):
                    await self.door.close(port)
            self._ports.free(endpoint.published)
            await self._wiring.withdraw(tuple(port for port in endpoint.published if not port.relayed))
        try:
            if running:
                await self._wiring.unplug(endpoint.host_interface)
            else:
                await self._wiring.gone(endpoint.host_interface)
        except OSError as error:
            name = endpoint.network_name
            text = f"failed to remove endpoint {endpoint.endpoint_id[:12]} of network {name}: {error}"
            raise KernelRefused("netlink", error.errno or 0, text) from error
        self._give_back(endpoint)

    async def open_again(self, endpoints: Iterable[tuple[Endpoint, int]]) -> None:
        """What an earlier daemon or gate served, with a process of each container (0 = whichever it is); what the door
        has open of others is closed. A port that somebody has taken since then stays his."""
        there = frozenset(await self.door.known())
        wanted = {
            port: (endpoint.address_for(port), pid)
            for endpoint, pid in endpoints
            for port in endpoint.published
            if self._is_passed_on(port)
        }
        for port in there - wanted.keys():
            await self.door.close(port)
        for port in wanted.keys() - there:
            with suppress(OSError), hold(port.host_address, port.protocol, port.host_port) as held:
                await self.door.open(port, held, *wanted[port])

    async def _pass_on(self, reservation: Reservation, endpoint: Endpoint, pid: int) -> None:
        try:
            for port, held in reservation.passed_on():
                await self.door.open(port, held, endpoint.address_for(port), pid)
        except BaseException as error:
            self._later(self.detach(replace(endpoint, published=reservation.published), running=True))
            if isinstance(error, OSError):
                raise KernelRefused("listen", error.errno or 0, f"open published ports: {error}") from error
            raise

    def _is_passed_on(self, port: Published) -> bool:
        return port.relayed or self._instance.rootless

    async def open_netlink(self, pid: int) -> int:
        """A netlink socket in the network namespace of a process that runs. The caller closes it."""
        try:
            return await self._wiring.inside(pid, lambda: Netlink().detach())
        except OSError as error:
            raise KernelRefused("setns", error.errno or 0, f"enter the network of process {pid}: {error}") from error

    async def lead_out(self, pid: int, turns: Iterable[tuple[str, str]], *, again: bool = False) -> None:
        """Gives a running container other ways out: each a gateway that was ("" = it went with its interface) and one
        that is. again: after a death in the middle of a change, when some may be there already."""
        found = tuple(turns)

        def turn() -> None:
            with Netlink() as netlink:
                for old, new in found:
                    if old:
                        netlink.delete_route(gateway=old)
                    with suppress(*((FileExistsError,) if again else ())):
                        netlink.add_route(gateway=new)

        try:
            await self._wiring.inside(pid, turn)
        except OSError as error:
            text = f"add a route through {' and '.join(new for _, new in found)}: {error}"
            raise KernelRefused("netlink", error.errno or 0, text) from error

    def stands(self, endpoint: Endpoint) -> bool:
        """Whether its cable is there."""
        return self._wiring.stands(endpoint.host_interface)

    async def _give_up(self, endpoint: Endpoint) -> None:
        await self._wiring.give_up(endpoint.host_interface, endpoint.published)
        self._give_back(endpoint)

    def _give_back(self, endpoint: Endpoint) -> None:
        for lease in leases_of(endpoint):
            self._leases.give_back(lease)

    # ------------------------------------------------------------------------------------------------------------
    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.get_running_loop().create_task(work))

    def _keep(self, future: asyncio.Future[Any]) -> None:
        self._background.add(future)
        future.add_done_callback(self._done)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._background.discard(future)
        if future.cancelled() or (error := future.exception()) is None:
            return
        if isinstance(error, sqlite3.Error):
            _log.warning("a lease could not be written: %s", error)
        else:
            context = {"message": "work of the network beside a request failed", "exception": error, "future": future}
            future.get_loop().call_exception_handler(context)


def _default(instance: Instance, network_id: str, place: Ground) -> Network:
    return Network(
        id=network_id,
        name=DEFAULT,
        driver="bridge",
        created=instance.database.stat().st_ctime,  # as old as the instance
        subnet=str(place.gateway.network),
        gateway=str(place.gateway.ip),
        interface=instance.bridge,
        options={
            "com.docker.network.bridge.default_bridge": "true",
            ICC: "true",
            MASQUERADE: "true",
            BRIDGE_NAME: instance.bridge,
        },
    )


def _settled(network: Network, gateway: IPv4Interface, gateway6: IPv6Interface | None) -> Network:
    """The network, its subnets being known."""
    network = replace(network, subnet=str(gateway.network), gateway=str(gateway.ip))
    return network if gateway6 is None else replace(network, subnet6=str(gateway6.network), gateway6=str(gateway6.ip))


def ports_of(endpoint: Endpoint) -> nat.Ports:
    """Its ports that the kernel leads on, each with the address that it leads to."""
    return tuple((port, endpoint.address_for(port)) for port in endpoint.published if not port.relayed)


def _plan(network: Network) -> Plan:
    length6 = network.subnet6.partition("/")[2]
    return Plan(
        interface=network.interface,
        gateway=IPv4Interface(f"{network.gateway}/{network.subnet.partition('/')[2]}"),
        gateway6=IPv6Interface(f"{network.gateway6}/{length6}") if network.gateway6 else None,
        internal=network.internal,
        masquerade=network.is_on(MASQUERADE),
        icc=network.is_on(ICC),
        mtu=int(network.options.get(MTU) or 0),
    )
