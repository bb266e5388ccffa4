"""The network that this machine and the servers beside it share: a bridge, and a cable to each server's namespace.

To the containers of this machine it is outside, like a network card: they get there by the machine's own address, and
from there nobody gets to them but through published ports. So `nat`'s rules need not know of it; a table of its own
leads the servers on to the internet and to what listens on 127.0.0.1 here for them. All of it blocks.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from kernel_engine.errors import EngineError, KernelRefused
from kernel_engine.network import ground, nat
from kernel_engine.network.addresses import free_address, mac_address
from kernel_engine.network.claims import machine_lock
from kernel_engine.paths import Instance
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.process import CloneFlag, setns

#: a server's own end of the cable
INSIDE = "eth0"
_LOOPBACK = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """From the bridge to a server."""

    outside: str
    interface: IPv4Interface  #: the server's address


def lay(instance: Instance, recorded: IPv4Interface | None, ports: Collection[int]) -> IPv4Interface:
    """Makes the bridge or finds it: this machine's address on it. `ports` of 127.0.0.1 answer there, too.

    recorded: the address that it had, taken again where it is free. Unavailable, Conflict, KernelRefused.
    """
    with machine_lock(), Netlink() as netlink:
        try:
            gateway = ground.stand_alone(netlink, instance.servers_bridge, recorded)
        except OSError as error:
            raise _refused(f"make bridge {instance.servers_bridge}", error) from error
        try:
            nat.load(ruleset(instance.servers_table, instance.servers_bridge, gateway, ports))
        except EngineError:
            _delete_quietly(netlink, instance.servers_bridge)
            raise
        return gateway


def ruleset(table: str, bridge: str, gateway: IPv4Interface, ports: Collection[int]) -> str:
    """For `nft -f -`: replaces the table."""
    led = "\n".join(
        f"        iifname {bridge} ip daddr {gateway.ip} tcp dport {port} dnat to 127.0.0.1:{port}"
        for port in sorted(ports)
    )
    return f"""\
table ip {table}
delete table ip {table}
table ip {table} {{
    chain guard {{
        type filter hook prerouting priority raw; policy accept;
        iifname {bridge} ip daddr 127.0.0.0/8 drop comment "route_localnet is for what is led there"
        iifname {bridge} ip saddr 127.0.0.0/8 drop
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
{led}
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {gateway.network} oifname != {bridge} oifname != "ke-*" masquerade
    }}
}}
"""


def interface(text: str) -> IPv4Interface:
    return IPv4Interface(text)


def choose(gateway: IPv4Interface, taken: Collection[str]) -> IPv4Interface:
    """The first free address."""
    address = free_address(gateway, taken)
    assert address is not None  # a subnet of Docker's pools holds thousands
    return IPv4Interface((address, gateway.network.prefixlen))


def cable(instance: Instance, interface: IPv4Interface) -> Cable:
    """Its name on this side holds the last two bytes of the address: 15 characters at most."""
    number = int(interface.ip) & 0xFFFF
    return Cable(outside=f"kes{instance.id}{number:04x}", interface=interface)


def join(instance: Instance, gateway: IPv4Interface, namespace: str, cable: Cable) -> None:
    """Plugs a server in, with its address and its way out. One that is plugged in already stays. KernelRefused.

    namespace: the file that its network namespace is bound to.
    """
    there = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Netlink() as netlink:
            if any(link.name == cable.outside for link in netlink.links()):
                return
            bridge = netlink.link(instance.servers_bridge).index
            mac = mac_address(IPv4Address(cable.interface.ip))
            netlink.add_veth(
                cable.outside,
                INSIDE,
                peer_fd=there,
                master=bridge,
                up=True,
                peer_mac=mac,
                mtu=ground.way_out_mtu(netlink, netlink.links()),
            )
            try:
                _configure(there, gateway, cable)
            except OSError:
                _delete_quietly(netlink, cable.outside)
                raise
    except OSError as error:
        raise _refused(f"connect {cable.interface.ip} to {instance.servers_bridge}", error) from error
    finally:
        os.close(there)


def _configure(there: int, gateway: IPv4Interface, cable: Cable) -> None:
    """From within: called in a thread of its own, whose namespace is put back."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(there, CloneFlag.CLONE_NEWNET)
        try:
            with Netlink() as inside:
                inside.set_link(_LOOPBACK, up=True)
                index = inside.link(INSIDE).index
                inside.add_address(index, str(cable.interface))
                inside.set_link(index, up=True)
                inside.add_route(gateway=str(gateway.ip))
        finally:
            setns(home, CloneFlag.CLONE_NEWNET)
    finally:
        os.close(home)


def leave(cable: Cable) -> None:
    """One that is gone is no error. KernelRefused."""
    with Netlink() as netlink:
        _delete(netlink, cable.outside)


def take_away(instance: Instance) -> None:
    """Bridge, cables and table, also of a daemon that is dead. What is not there is no error."""
    prefix = f"kes{instance.id}"
    with machine_lock(), Netlink() as netlink:
        nat.remove(instance.servers_table)
        for link in netlink.links():
            if link.name == instance.servers_bridge or (link.kind == "veth" and link.name.startswith(prefix)):
                _delete(netlink, link.name)


def stands(instance: Instance) -> bool:
    with Netlink() as netlink:
        return any(link.name == instance.servers_bridge for link in netlink.links())


def _delete(netlink: Netlink, name: str) -> None:
    """The kernel may be faster: a namespace that ended takes its cable with it."""
    try:
        netlink.delete_link(name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise _refused(f"remove {name}", error) from error


def _delete_quietly(netlink: Netlink, name: str) -> None:
    """After a failure, which says more than this could."""
    with suppress(OSError):
        netlink.delete_link(name)


def _refused(doing: str, error: OSError) -> KernelRefused:
    return KernelRefused("netlink", error.errno or 0, f"{doing}: {error}")
