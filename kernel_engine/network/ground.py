"""The kernel's part of an instance's networks: bridges, subnets, NAT tables, forwarding. Made once, found again later.

All of it blocks (nft takes 10 to 20 ms, the machine's lock as long as its holder): to be called in a thread.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface

from kernel_engine.errors import Conflict, EngineError, KernelRefused, Unavailable
from kernel_engine.network import nat
from kernel_engine.network.addresses import SERVERS, choose_subnet, choose_subnet6, mac_address, overlapping
from kernel_engine.network.claims import FORWARDING6, Claims, machine_lock
from kernel_engine.network.endpoint import Published
from kernel_engine.network.making import Wish
from kernel_engine.network.rules import Ways, ruleset
from kernel_engine.network.veth import unplug
from kernel_engine.paths import Instance
from kernel_engine.syscalls.netlink import Link, Netlink
from kernel_engine.syscalls.procfs import write

_BRIDGE_PREFIX = "ke-"
_ETHERNET_MTU = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What stands in the kernel of one network."""

    gateway: IPv4Interface  #: the bridge's address in its subnet
    gateway6: IPv6Interface | None = None
    index: int  #: of the bridge
    mtu: int  #: 0 = the kernel's own 1500; smaller where the way out of this machine is narrower


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A network of a user's, as its bridge is to stand."""

    interface: str
    gateway: IPv4Interface
    gateway6: IPv6Interface | None = None
    internal: bool = False
    masquerade: bool = True
    icc: bool = True
    mtu: int = 0

    @property
    def ways(self) -> Ways:
        return Ways(
            bridge=self.interface,
            subnet=str(self.gateway.network),
            subnet6=str(self.gateway6.network) if self.gateway6 is not None else "",
            internal=self.internal,
            masquerade=self.masquerade,
            icc=self.icc,
        )


def lay(
    instance: Instance,
    *,
    wanted: IPv4Interface | None,
    recorded: IPv4Interface | None,
    others: Sequence[Plan] = (),
    published: tuple[tuple[Published, str], ...] = (),
) -> tuple[Ground, ...]:
    """Makes or finds the default bridge and those of `others`, in this order. Doing it twice changes nothing.

    wanted: `--subnet`; recorded: what this instance had before. A bridge that stands keeps its subnet unless another
    one is wanted; Conflict where containers still live in the old one, or where the wanted one is in use elsewhere.
    published: ports that are open, with their container's address; they stay so.
    """
    with machine_lock(instance.machine_lock) as claims, Netlink() as netlink:
        try:
            links = netlink.links()
            bridge = next((link for link in links if link.name == instance.bridge), None)
            gateway = _standing_address(netlink, bridge)
            if wanted is not None and gateway is not None and wanted != gateway:
                _forbid_if_used(instance, links, bridge, gateway)
                gateway = None
            if gateway is None:
                gateway = _free_subnet(netlink, bridge, wanted, recorded)
            default = Plan(interface=instance.bridge, gateway=gateway)
            plans = (default, *others)
            standing = [_stand_up(netlink, instance, links, plan) for plan in plans]
            planned = {plan.interface for plan in plans}  # others: of a network whose making or end was cut off
            unplug(netlink, [name for name in bridges(netlink, instance) if name not in planned])
        except OSError as error:
            raise KernelRefused("netlink", error.errno or 0, f"make bridge {instance.bridge}: {error}") from error
        try:
            nat.load(ruleset(instance.nft_table, [plan.ways for plan in plans], published, ipv6=nat.has_ipv6()))
        except EngineError:
            if all(link.name != instance.bridge for link in links):
                unplug(netlink, [instance.bridge])
            raise
        _claim(claims, netlink, instance, ipv6=any(plan.gateway6 is not None for plan in plans))
        return tuple(standing)


def add(instance: Instance, wish: Wish, make: Callable[[IPv4Interface, IPv6Interface | None], Plan]) -> Ground:
    """One more bridge. wish: its addresses and subnets, where somebody named them. `make` says how it is to stand once
    they are known. Conflict for a subnet in use; nothing is left then.
    """
    with machine_lock(instance.machine_lock) as claims, Netlink() as netlink:
        if wish.ipv6 and not nat.has_ipv6():
            raise Unavailable("this machine's kernel has no IPv6", hint="leave --ipv6 out")
        plan = make(_unused(netlink, 0, wish.gateway, None), _unused6(netlink, wish, instance))
        links = netlink.links()
        if any(link.name == plan.interface for link in links):
            raise Conflict(f"an interface named {plan.interface} exists already", hint="give the bridge another name")
        try:
            ground = _stand_up(netlink, instance, links, plan)
            nat.add(instance.nft_table, plan.ways)
        except OSError as error:
            _unplug_quietly(netlink, plan.interface)
            raise KernelRefused("netlink", error.errno or 0, f"make bridge {plan.interface}: {error}") from error
        except EngineError:
            _unplug_quietly(netlink, plan.interface)
            raise
        if plan.gateway6 is not None:
            claims.forwarding(instance.id, _instances(netlink), FORWARDING6)
        return ground


def take_away(instance: Instance, plan: Plan) -> None:
    """The opposite; what is not there is no error."""
    with machine_lock(instance.machine_lock), Netlink() as netlink:
        nat.take_away(instance.nft_table, plan.ways)
        try:
            unplug(netlink, [plan.interface])
        except OSError as error:
            raise KernelRefused("netlink", error.errno or 0, f"remove bridge {plan.interface}: {error}") from error


def stand_alone(netlink: Netlink, name: str, recorded: IPv4Interface | None) -> IPv4Interface:
    """A bridge that belongs to no network of containers, made or found: its address. The machine's lock is held.
    OSError."""
    bridge = next((link for link in netlink.links() if link.name == name), None)
    own = 0 if bridge is None else bridge.index
    gateway = _standing_address(netlink, bridge)
    if gateway is None:
        gateway = choose_subnet(_taken(netlink, own), preferred=recorded, pools=SERVERS)
    _stand(netlink, bridge, Plan(interface=name, gateway=gateway))
    return gateway


def _unplug_quietly(netlink: Netlink, interface: str) -> None:
    """After a failure, which says more than this could."""
    with suppress(OSError):
        unplug(netlink, [interface])


def bridges(netlink: Netlink, instance: Instance) -> tuple[str, ...]:
    """Every bridge of this instance, whatever its name."""
    return tuple(
        link.name
        for link in netlink.links()
        if link.kind == "bridge"
        and (
            link.name == instance.bridge or link.name.startswith(f"{instance.bridge}-") or link.alias == _mark(instance)
        )
    )


def destroy(instance: Instance) -> None:
    """Removes everything of an instance from the kernel, also when its daemon is dead. Nothing there is no error."""
    with machine_lock(instance.machine_lock) as claims, Netlink() as netlink:
        try:
            unplug(netlink, [link.name for link in host_ends(netlink, instance)])
            unplug(netlink, bridges(netlink, instance))
        except OSError as error:
            raise KernelRefused("netlink", error.errno or 0, f"remove bridge {instance.bridge}: {error}") from error
        nat.remove(instance.nft_table)
        others = any(link.kind == "bridge" and not link.name.startswith(_BRIDGE_PREFIX) for link in netlink.links())
        claims.give_back(instance.id, _instances(netlink), others_forward=others)
        claims.give_back(instance.id, _instances(netlink), FORWARDING6, others_forward=others)


def host_ends(netlink: Netlink, instance: Instance) -> tuple[Link, ...]:
    """The veth ends of this instance on the host."""
    return tuple(link for link in netlink.links() if link.kind == "veth" and link.name.startswith(instance.veth_prefix))


def _claim(claims: Claims, netlink: Netlink, instance: Instance, *, ipv6: bool) -> None:
    """Forwarding, of IPv6 only where a network has it."""
    existing = _instances(netlink)
    claims.forwarding(instance.id, existing)
    if ipv6:
        claims.forwarding(instance.id, existing, FORWARDING6)
    else:
        claims.give_back(instance.id, existing, FORWARDING6, others_forward=False)


def _mark(instance: Instance) -> str:
    """What is written on a bridge of ours that somebody else has named."""
    return f"kernel-engine {instance.id}"


def _instances(netlink: Netlink) -> frozenset[str]:
    """Ids of the instances that have a bridge in this namespace."""
    return frozenset(
        link.name.removeprefix(_BRIDGE_PREFIX).partition("-")[0]
        for link in netlink.links()
        if link.name.startswith(_BRIDGE_PREFIX)
    )


def _standing_address(netlink: Netlink, bridge: Link | None) -> IPv4Interface | None:
    if bridge is None:
        return None
    if bridge.kind != "bridge":
        raise EngineError(f"{bridge.name} is not a bridge", hint=f"remove it: ip link delete {bridge.name}")
    return next((item.interface for item in netlink.addresses() if item.index == bridge.index), None)


def _forbid_if_used(instance: Instance, links: tuple[Link, ...], bridge: Link | None, old: IPv4Interface) -> None:
    ports = [link for link in links if bridge is not None and link.master == bridge.index]
    if ports:
        raise Conflict(
            f"{instance.bridge} still serves {len(ports)} containers in {old.network}",
            hint="stop them, or start the engine without --subnet",
        )


def _free_subnet(
    netlink: Netlink, bridge: Link | None, wanted: IPv4Interface | None, recorded: IPv4Interface | None
) -> IPv4Interface:
    return _unused(netlink, 0 if bridge is None else bridge.index, wanted, recorded)


def _unused(netlink: Netlink, own: int, wanted: IPv4Interface | None, recorded: IPv4Interface | None) -> IPv4Interface:
    """A subnet that nothing on this machine uses, but the interface with the index `own`."""
    taken = _taken(netlink, own)
    if wanted is None:
        return choose_subnet(taken, preferred=recorded)
    if in_the_way := overlapping(wanted.network, taken):
        raise Conflict(f"subnet {wanted.network} overlaps {in_the_way[0]}, which this machine uses already")
    return wanted


def _taken(netlink: Netlink, own: int) -> set[IPv4Network]:
    taken: set[IPv4Network] = {item.interface.network for item in netlink.addresses() if item.index != own}
    # the default route overlaps everything and takes nothing
    return taken | {
        route.destination for route in netlink.routes() if route.index != own and route.destination.prefixlen
    }


def _unused6(netlink: Netlink, wish: Wish, instance: Instance) -> IPv6Interface | None:
    """The same of IPv6; None for a network without."""
    if not wish.ipv6:
        return None
    taken = {item.interface.network for item in netlink.addresses6()}
    taken |= {route.destination for route in netlink.routes6() if route.destination.prefixlen}
    taken = {network for network in taken if not (network.is_link_local or network.is_multicast)}
    if wish.gateway6 is None:
        return choose_subnet6(taken, instance.id)
    if in_the_way := overlapping(wish.gateway6.network, taken):
        raise Conflict(f"subnet {wish.gateway6.network} overlaps {in_the_way[0]}, which this machine uses already")
    return wish.gateway6


def _stand_up(netlink: Netlink, instance: Instance, links: Sequence[Link], plan: Plan) -> Ground:
    bridge = next((link for link in links if link.name == plan.interface), None)
    new = bridge is None
    bridge = _stand(netlink, bridge, plan)
    if new:
        netlink.set_link(bridge.index, alias=_mark(instance))
    mtu = plan.mtu or way_out_mtu(netlink, links)
    return Ground(gateway=plan.gateway, gateway6=plan.gateway6, index=bridge.index, mtu=mtu)


def _stand(netlink: Netlink, bridge: Link | None, plan: Plan) -> Link:
    """The bridge, up, with its addresses. Its MAC is given, or it would change with each container."""
    if bridge is None:
        netlink.add_bridge(plan.interface, mac=mac_address(plan.gateway.ip))
        bridge = netlink.link(plan.interface)
    _address(netlink, bridge, plan)
    netlink.set_link(bridge.index, up=True)
    # or a connection from 127.0.0.1 to a published port could not leave; the rules' chain guard answers for it
    write(f"/proc/sys/net/ipv4/conf/{plan.interface}/route_localnet", "1")
    return bridge


def _address(netlink: Netlink, bridge: Link, plan: Plan) -> None:
    """These addresses and no others (besides the link's own)."""
    for item in netlink.addresses():
        if item.index == bridge.index and item.interface != plan.gateway:
            netlink.delete_address(bridge.index, str(item.interface))
    _add_address(netlink, bridge, str(plan.gateway))
    if plan.gateway6 is not None:
        # a machine may have IPv6 switched off in general
        write(f"/proc/sys/net/ipv6/conf/{plan.interface}/disable_ipv6", "0")
        _add_address(netlink, bridge, str(plan.gateway6))


def _add_address(netlink: Netlink, bridge: Link, address: str) -> None:
    try:
        netlink.add_address(bridge.index, address)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


def way_out_mtu(netlink: Netlink, links: Sequence[Link]) -> int:
    """Clouds and tunnels have narrower ways out than Ethernet's 1500 bytes; large packets would be lost there."""
    ways = {route.index for route in netlink.routes() if not route.destination.prefixlen}
    widths = [link.mtu for link in links if link.index in ways]
    return min(widths) if widths and min(widths) < _ETHERNET_MTU else 0
