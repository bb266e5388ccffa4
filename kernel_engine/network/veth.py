"""The virtual cable: a veth(4) pair between the host's bridge and a container's eth0.

The container's side is configured through a netlink socket that was opened inside its namespace.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv6Interface
from typing import NamedTuple

from kernel_engine.network.inside import within
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.procfs import write

#: the kernel gives the loopback interface the first index in every namespace (LOOPBACK_IFINDEX)
_LOOPBACK = 1
INSIDE = "eth0"


class Cable(NamedTuple):
    """One veth pair, as it is to be."""

    outside: str  #: the host's end
    bridge: int  #: index of the bridge that it is plugged into
    pid: int  #: a process in the container's namespace
    mac: str  #: of the container's end
    interface: IPv4Interface  #: address of the container's end
    gateway: str
    mtu: int  #: 0 = the kernel's 1500
    inside: str = INSIDE  #: the container's end
    routes: bool = True  #: whether the way out leads through here
    hairpin: bool = False  #: the container may reach itself through a port that it publishes
    isolated: bool = False  #: nothing comes from, or goes to, other isolated ones on the bridge
    interface6: IPv6Interface | None = None
    gateway6: str = ""
    routes6: bool = False
    sysctls: tuple[tuple[str, str], ...] = ()  #: settings of the container's end: names with dots, values
    more: tuple[str, ...] = ()  #: further addresses of the container's end: "169.254.8.8/16"


def plug(host: Netlink, inside_fd: int, cable: Cable) -> None:
    """Makes the pair and configures both ends; made wholly or not at all. Closes `inside_fd`."""
    with Netlink(inside_fd) as inside:
        host.add_veth(
            cable.outside,
            cable.inside,
            peer_pid=cable.pid,
            master=cable.bridge,
            up=True,
            peer_mac=cable.mac,
            mtu=cable.mtu,
        )
        try:
            if cable.hairpin:  # where netfilter sees bridged frames (br_netfilter), the way there and back is one port
                host.set_hairpin(cable.outside)
            if cable.isolated:
                host.set_isolated(cable.outside)
            _configure(inside, cable)
        except OSError:
            unplug(host, (cable.outside,))
            raise


def _configure(inside: Netlink, cable: Cable) -> None:
    """The container's end: addresses, up, ways out."""
    inside.set_link(_LOOPBACK, up=True)
    index = inside.link(cable.inside).index
    inside.add_address(index, str(cable.interface))
    if settings := (*_ipv6_on(cable), *cable.sysctls):
        within(cable.pid, lambda: _set(settings))
    if cable.interface6 is not None:
        inside.add_address(index, str(cable.interface6))
    for address in cable.more:
        inside.add_address(index, address)
    inside.set_link(index, up=True)
    if cable.routes:
        inside.add_route(gateway=cable.gateway)
    if cable.routes6:
        inside.add_route(gateway=cable.gateway6)


def _ipv6_on(cable: Cable) -> tuple[tuple[str, str], ...]:
    """It is off in a container but on interfaces of networks that have it, as with Docker."""
    interfaces = (
        ("lo", cable.inside) if cable.interface6 is not None or any(":" in address for address in cable.more) else ()
    )
    return tuple((f"net.ipv6.conf.{name}.disable_ipv6", "0") for name in interfaces)


def _set(sysctls: Iterable[tuple[str, str]]) -> None:
    for name, value in sysctls:
        write("/".join(("/proc/sys", *name.split("."))), value)


def unplug(host: Netlink, outside: Iterable[str]) -> None:
    """Removes the host's ends, and with each its pair. Each takes the kernel several ms; one that is gone is fine."""
    for name in outside:
        try:
            host.delete_link(name)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise


def loopback_up(netlink_fd: int) -> None:
    """`--network none`: nothing but lo. The descriptor stays the caller's."""
    inside = Netlink(netlink_fd)
    try:
        inside.set_link(_LOOPBACK, up=True)
    finally:
        inside.detach()
