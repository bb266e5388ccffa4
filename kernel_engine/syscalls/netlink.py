"""rtnetlink on a plain AF_NETLINK socket: links, addresses and routes (netlink(7), rtnetlink(7)).

A socket belongs for ever to the network namespace it was opened in (network_namespaces(7)), so whoever is handed one
by SCM_RIGHTS configures that namespace without entering it: `Netlink(fd)`. Every request is recorded in the current
trace. What a bridge or an address is good for is not decided here.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from types import FrameType
from typing import Self

from kernel_engine.syscalls import trace


class Message(IntEnum):
    """nlmsg_type, linux/netlink.h and linux/rtnetlink.h."""

    NLMSG_ERROR = 2
    NLMSG_DONE = 3
    RTM_NEWLINK = 16
    RTM_DELLINK = 17
    RTM_GETLINK = 18
    RTM_SETLINK = 19
    RTM_NEWADDR = 20
    RTM_DELADDR = 21
    RTM_GETADDR = 22
    RTM_NEWROUTE = 24
    RTM_DELROUTE = 25
    RTM_GETROUTE = 26


class Flag(IntFlag):
    """nlmsg_flags."""

    NLM_F_REQUEST = 0x1
    NLM_F_ACK = 0x4
    NLM_F_DUMP = 0x300
    NLM_F_EXCL = 0x200
    NLM_F_CREATE = 0x400


IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_PROTINFO, IFLA_LINKINFO = 1, 3, 4, 10, 12, 18
IFLA_NET_NS_PID, IFLA_NET_NS_FD, IFLA_IFALIAS = 19, 28, 20
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 31, 32
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED, NLA_F_NESTED = 4, 33, 0x8000
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_F_NODAD = 1, 2, 4, 0x02
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 4, 5, 15
IFF_UP = 0x1
NETLINK_EXT_ACK, NETLINK_CAP_ACK = 11, 10
SOL_NETLINK = 270
NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSGERR_ATTR_MSG = 0x200, 0x100, 1
NLA_TYPE_MASK = 0x3FFF
_AF_BRIDGE = 7
RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST, RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 254, 3, 1, 0, 253

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_IFINFO = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_IFADDR = struct.Struct("=BBBBi")  # ifaddrmsg: family, prefix length, flags, scope, index
_RTMSG = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
_ATTRIBUTE = struct.Struct("=HH")
_OWN_FILES = ("kernel_engine/syscalls/netlink.py", "kernel_engine/syscalls/nfnetlink.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One network interface of the socket's namespace."""

    index: int
    name: str
    up: bool
    kind: str  #: "veth", "bridge", …; "" for physical ones and lo
    master: int  #: index of the bridge it is a port of; 0 = none
    mac: str
    mtu: int
    alias: str = ""  #: words that somebody has left on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One IPv4 address of an interface."""

    index: int
    interface: IPv4Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class Address6:
    """One IPv6 address of an interface."""

    index: int
    interface: IPv6Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class Route6:
    """Where an IPv6 route leads to; that of the default route is ::/0."""

    destination: IPv6Network
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One IPv4 route. The default route's destination is 0.0.0.0/0."""

    destination: IPv4Network
    gateway: IPv4Address | None
    index: int  #: outgoing interface; 0 = none (unreachable, blackhole)
    table: int


#: linux/sockios.h, and the request of netdevice(7): a name and room for the answer
SIOCGIFINDEX = 0x8933
_ifreq = struct.Struct("16s24x")


class Netlink:
    """A NETLINK_ROUTE socket of this thread's network namespace, or the one behind `fd` (which it then owns).

    Errors: OSError with the kernel's errno and, where it gave one, its own sentence (NETLINK_EXT_ACK).
    """

    def __init__(self, fd: int | None = None) -> None:
        if fd is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        else:
            self._socket = socket.socket(fileno=fd)
        self._sequence = int(time.monotonic_ns() & 0x3FFFFFFF)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def detach(self) -> int:
        """Gives the descriptor away; this object is closed afterwards."""
        return self._socket.detach()

    # links ------------------------------------------------------------------------------------------------------
    def has_link(self, name: str) -> bool:
        """Asked by ioctl (netdevice(7), SIOCGIFINDEX): without the kernel's rtnl lock, unlike a netlink request."""
        try:
            fcntl.ioctl(self._socket, SIOCGIFINDEX, _ifreq.pack(name.encode()))
        except OSError:
            return False
        return True

    def add_bridge(self, name: str, *, mac: str = "", up: bool = False) -> None:
        """A bridge. EEXIST where an interface has that name."""
        body = _ifinfo(up=up) + text(IFLA_IFNAME, name)
        if mac:
            body += attribute(IFLA_ADDRESS, _mac(mac))
        body += attribute(IFLA_LINKINFO, text(IFLA_INFO_KIND, "bridge"))
        self._create(Message.RTM_NEWLINK, body, f"bridge {name}{' up' if up else ''}")

    def add_veth(
        self,
        name: str,
        peer: str,
        *,
        peer_pid: int | None = None,
        peer_fd: int | None = None,
        master: int = 0,
        up: bool = False,
        mac: str = "",
        peer_mac: str = "",
        mtu: int = 0,
    ) -> None:
        """A veth(4) pair in one message; the peer may be born in another namespace (of a pid, or of an nsfs fd).

        `master` and `up` are about the end that stays here; `mtu` is for both (0 = the kernel's 1500).
        """
        # one queue each, which the kernel would come to as well: but from one for each processor, with an RCU grace
        # period for each end (veth_init_queues)
        one = struct.pack("=I", 1)
        common = attribute(IFLA_NUM_TX_QUEUES, one) + attribute(IFLA_NUM_RX_QUEUES, one)
        if mtu:
            common += attribute(IFLA_MTU, struct.pack("=I", mtu))
        other = _ifinfo() + text(IFLA_IFNAME, peer) + common
        if peer_mac:
            other += attribute(IFLA_ADDRESS, _mac(peer_mac))
        if peer_pid is not None:
            other += attribute(IFLA_NET_NS_PID, struct.pack("=I", peer_pid))
        if peer_fd is not None:
            other += attribute(IFLA_NET_NS_FD, struct.pack("=I", peer_fd))
        body = _ifinfo(up=up) + text(IFLA_IFNAME, name) + common
        if mac:
            body += attribute(IFLA_ADDRESS, _mac(mac))
        if master:
            body += attribute(IFLA_MASTER, struct.pack("=I", master))
        data = attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, other))
        body += attribute(IFLA_LINKINFO, text(IFLA_INFO_KIND, "veth") + data)
        where = f" netns-of-pid {peer_pid}" if peer_pid is not None else " netns-fd" if peer_fd is not None else ""
        shown = f"veth {name} peer {peer}{where}{f' master {master}' if master else ''}{' up' if up else ''}"
        self._create(Message.RTM_NEWLINK, body, shown)

    def set_link(
        self,
        index: int,
        *,
        up: bool | None = None,
        name: str = "",
        master: int | None = None,
        mac: str = "",
        mtu: int = 0,
        alias: str = "",
    ) -> None:
        """Changes an interface; what is not given stays. `master=0` takes it off its bridge."""
        body = _ifinfo(index=index, up=up)
        shown = [f"index {index}"]
        if name:
            body += text(IFLA_IFNAME, name)
            shown.append(f"name {name}")
        if master is not None:
            body += attribute(IFLA_MASTER, struct.pack("=I", master))
            shown.append(f"master {master}")
        if mac:
            body += attribute(IFLA_ADDRESS, _mac(mac))
            shown.append(f"address {mac}")
        if mtu:
            body += attribute(IFLA_MTU, struct.pack("=I", mtu))
            shown.append(f"mtu {mtu}")
        if alias:
            body += text(IFLA_IFALIAS, alias)
            shown.append(f"alias {alias}")
        if up is not None:
            shown.append("up" if up else "down")
        self._acknowledged(Message.RTM_NEWLINK, Flag(0), body, " ".join(shown))

    def set_hairpin(self, name: str) -> None:
        """A port of a bridge: frames may leave by the port that they came in by."""
        self._set_port(name, IFLA_BRPORT_MODE, "hairpin")

    def set_isolated(self, name: str) -> None:
        """A port of a bridge: no frames to or from other isolated ports."""
        self._set_port(name, IFLA_BRPORT_ISOLATED, "isolated")

    def _set_port(self, name: str, flag: int, shown: str) -> None:
        on = attribute(IFLA_PROTINFO | NLA_F_NESTED, attribute(flag, b"\1"))
        body = _ifinfo(family=_AF_BRIDGE, index=self.link(name).index) + on
        self._acknowledged(Message.RTM_SETLINK, Flag(0), body, f"{name} {shown} on")

    def delete_link(self, name: str) -> None:
        """Removes an interface (of a veth pair both ends). ENODEV where there is none."""
        self._acknowledged(Message.RTM_DELLINK, Flag(0), _ifinfo() + text(IFLA_IFNAME, name), name)

    def link(self, name: str) -> Link:
        """ENODEV where there is none."""
        body = _ifinfo() + text(IFLA_IFNAME, name)
        replies = self._request(Message.RTM_GETLINK, Flag.NLM_F_REQUEST, body, name)
        return _link(replies[0])

    def links(self) -> tuple[Link, ...]:
        return tuple(_link(reply) for reply in self._dump(Message.RTM_GETLINK, _ifinfo()))

    # addresses --------------------------------------------------------------------------------------------------
    def add_address(self, index: int, interface: str, *, broadcast: bool = True) -> None:
        """`interface` is "172.30.0.2/16" or "fd00::2/64"; an IPv6 one is used at once, without looking for doubles."""
        self._create(Message.RTM_NEWADDR, _ifaddr(index, interface, broadcast), f"{interface} index {index}")

    def delete_address(self, index: int, interface: str) -> None:
        body = _ifaddr(index, interface, False)
        self._acknowledged(Message.RTM_DELADDR, Flag(0), body, f"{interface} index {index}")

    def addresses(self) -> tuple[Address, ...]:
        """IPv4 only."""
        replies = self._dump(Message.RTM_GETADDR, _IFADDR.pack(socket.AF_INET, 0, 0, 0, 0))
        return tuple(_address(reply) for reply in replies if reply[0] == socket.AF_INET)

    def addresses6(self) -> tuple[Address6, ...]:
        """IPv6 only."""
        replies = self._dump(Message.RTM_GETADDR, _IFADDR.pack(socket.AF_INET6, 0, 0, 0, 0))
        return tuple(_address6(reply) for reply in replies if reply[0] == socket.AF_INET6)

    # routes -----------------------------------------------------------------------------------------------------
    def add_route(self, destination: str = "", *, gateway: str = "", index: int = 0) -> None:
        """To a network ("10.0.0.0/8"; the gateway's default one when not given) through a gateway, an interface, or
        both."""
        self._create(Message.RTM_NEWROUTE, *_route_to(destination, gateway, index))

    def delete_route(self, destination: str = "", *, gateway: str = "", index: int = 0) -> None:
        """ESRCH where there is no such route."""
        body, shown = _route_to(destination, gateway, index)
        self._acknowledged(Message.RTM_DELROUTE, Flag(0), body, shown)

    def routes(self) -> tuple[Route, ...]:
        """IPv4 only, all tables but the kernel's own `local` one."""
        replies = self._dump(Message.RTM_GETROUTE, _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))
        routes = (_route(reply) for reply in replies if reply[0] == socket.AF_INET)
        return tuple(route for route in routes if route.table != 255)

    def routes6(self) -> tuple[Route6, ...]:
        """IPv6 only, all tables but the kernel's own `local` one."""
        replies = self._dump(Message.RTM_GETROUTE, _RTMSG.pack(socket.AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0))
        found = []
        for body in replies:
            _family, length, _s, _t, table, _p, _scope, _type, _f = _RTMSG.unpack_from(body)
            given = attributes(body[_RTMSG.size :])
            if body[0] == socket.AF_INET6 and table != 255:
                destination = IPv6Network((given.get(RTA_DST, bytes(16)), length))
                found.append(Route6(destination=destination, index=int.from_bytes(given.get(RTA_OIF, b""), "little")))
        return tuple(found)

    # the wire ---------------------------------------------------------------------------------------------------
    def _create(self, kind: Message, body: bytes, shown: str) -> None:
        self._acknowledged(kind, Flag.NLM_F_CREATE | Flag.NLM_F_EXCL, body, shown)

    def _acknowledged(self, kind: Message, flags: Flag, body: bytes, shown: str) -> None:
        self._request(kind, Flag.NLM_F_REQUEST | Flag.NLM_F_ACK | flags, body, shown)

    def _dump(self, kind: Message, body: bytes) -> list[bytes]:
        return self._request(kind, Flag.NLM_F_REQUEST | Flag.NLM_F_DUMP, body, "NLM_F_DUMP")

    def _request(self, kind: Message, flags: Flag, body: bytes, shown: str) -> list[bytes]:
        """Sends one message, gives the bodies of its replies; records it with the line that called this class."""
        started = time.monotonic_ns()
        try:
            replies = self._exchange(kind, flags, body)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, str(error.errno))
            self._record(kind, shown, name, started, ok=False)
            if error.filename is None:
                error.filename = shown
            raise
        self._record(kind, shown, "0", started, ok=True)
        return replies

    @staticmethod
    def _record(kind: Message, shown: str, result: str, started: int, *, ok: bool) -> None:
        current = trace.current()
        if current is not None:
            current.add(f"netlink {kind.name}", shown, result, ok, started, caller())

    def _exchange(self, kind: Message, flags: Flag, body: bytes) -> list[bytes]:
        self._sequence += 1
        self._socket.sendall(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
        replies: list[bytes] = []
        while True:
            for answer, sequence, answer_flags, content in messages(self._socket.recv(1 << 18)):
                if sequence != self._sequence:
                    continue  # the rest of an exchange that an error cut short
                if answer == Message.NLMSG_ERROR:
                    raise_for(content, answer_flags)
                    return replies
                if answer == Message.NLMSG_DONE:
                    return replies
                replies.append(content)
                if not flags & (Flag.NLM_F_DUMP | Flag.NLM_F_ACK):
                    return replies


def caller() -> FrameType:
    """The first frame up the stack that is not in a file of netlink's."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.endswith(_OWN_FILES) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def messages(packet: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(packet):
        length, kind, flags, sequence, _port = _HEADER.unpack_from(packet, offset)
        yield kind, sequence, flags, packet[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def raise_for(content: bytes, flags: int) -> None:
    """Raises for an nlmsgerr whose error is not 0 (0 is the acknowledgement)."""
    (code,) = struct.unpack_from("=i", content)
    if code == 0:
        return
    sentence = ""
    if flags & NLM_F_ACK_TLVS:
        # the attributes follow the failed request's header; its body too, unless NLM_F_CAPPED
        request = struct.unpack_from("=I", content, 4)[0]
        skip = 4 + (_HEADER.size if flags & NLM_F_CAPPED else (request + 3) & ~3)
        sentence = attributes(content[skip:]).get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode(errors="replace")
    raise OSError(-code, f"{os.strerror(-code)}{f' ({sentence})' if sentence else ''}")


def attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * padding


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def attributes(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & NLA_TYPE_MASK] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def _ifinfo(*, family: int = socket.AF_UNSPEC, index: int = 0, up: bool | None = None) -> bytes:
    return _IFINFO.pack(family, 0, index, IFF_UP if up else 0, 0 if up is None else IFF_UP)


def _ifaddr(index: int, interface: str, broadcast: bool) -> bytes:
    value = ip_interface(interface)
    family, flags = (socket.AF_INET, 0) if value.version == 4 else (socket.AF_INET6, IFA_F_NODAD)
    body = _IFADDR.pack(family, value.network.prefixlen, flags, 0, index)
    body += attribute(IFA_LOCAL, value.ip.packed) + attribute(IFA_ADDRESS, value.ip.packed)
    if broadcast and value.version == 4:
        body += attribute(IFA_BROADCAST, value.network.broadcast_address.packed)
    return body


def _route_to(destination: str, gateway: str, index: int) -> tuple[bytes, str]:
    """rtmsg and its attributes, and the words that are shown of it."""
    version = ip_address(gateway).version if gateway else 0
    network = ip_network(destination or ("::/0" if version == 6 else "0.0.0.0/0"))
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    scope = RT_SCOPE_UNIVERSE if gateway or network.version == 6 else RT_SCOPE_LINK
    body = _RTMSG.pack(family, network.prefixlen, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST, 0)
    if network.prefixlen:
        body += attribute(RTA_DST, network.network_address.packed)
    if gateway:
        body += attribute(RTA_GATEWAY, ip_address(gateway).packed)
    if index:
        body += attribute(RTA_OIF, struct.pack("=I", index))
    return body, f"{network}{f' via {gateway}' if gateway else ''}{f' index {index}' if index else ''}"


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _link(body: bytes) -> Link:
    _family, _type, index, flags, _change = _IFINFO.unpack_from(body)
    given = attributes(body[_IFINFO.size :])
    kind = attributes(given.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"")
    return Link(
        index=index,
        name=given[IFLA_IFNAME].rstrip(b"\0").decode(),
        up=bool(flags & IFF_UP),
        kind=kind.rstrip(b"\0").decode(),
        master=int.from_bytes(given.get(IFLA_MASTER, b""), "little"),
        mac=given.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=int.from_bytes(given.get(IFLA_MTU, b""), "little"),
        alias=given.get(IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace"),
    )


def _address(body: bytes) -> Address:
    _family, prefix_length, _flags, _scope, index = _IFADDR.unpack_from(body)
    given = attributes(body[_IFADDR.size :])
    packed = given.get(IFA_LOCAL, given.get(IFA_ADDRESS, b"\0\0\0\0"))
    return Address(index=index, interface=IPv4Interface((packed, prefix_length)))


def _address6(body: bytes) -> Address6:
    _family, prefix_length, _flags, _scope, index = _IFADDR.unpack_from(body)
    given = attributes(body[_IFADDR.size :])
    return Address6(index=index, interface=IPv6Interface((given.get(IFA_ADDRESS, bytes(16)), prefix_length)))


def _route(body: bytes) -> Route:
    _family, destination_length, _s, _t, table, _p, _scope, _type, _f = _RTMSG.unpack_from(body)
    given = attributes(body[_RTMSG.size :])
    gateway = given.get(RTA_GATEWAY)
    return Route(
        destination=IPv4Network((given.get(RTA_DST, b"\0\0\0\0"), destination_length)),
        gateway=None if gateway is None else IPv4Address(gateway),
        index=int.from_bytes(given.get(RTA_OIF, b""), "little"),
        table=int.from_bytes(given.get(RTA_TABLE, bytes([table])), "little"),
    )
