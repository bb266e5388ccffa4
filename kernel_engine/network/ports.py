"""The host's ports of one instance: which are taken, which are free, and a socket that holds each taken one.

A held port is bound and does not listen: nobody else can have it, and nothing answers on it. Connections never see
the socket; `nat` leads them on before. Whoever gets the descriptors keeps the port for as long as he lives.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.errors import KernelRefused, Unavailable
from kernel_engine.network.endpoint import ANYWHERE, Published

_UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_LOCAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: moby, portallocator: where the kernel does not say
_DEFAULT_RANGE = (49153, 65535)
#: kind and protocol of socket(2)
SOCKETS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}

Place = tuple[str, str, int]  #: address, protocol, port
#: seconds for which a port that was given back may still be held: a process that the launcher forked a moment before
#: has a duplicate until it has closed what is not its own
_LINGERING = 3.0


class PortRefused(KernelRefused):
    """The kernel does not give the port; said as Go's net package says it, without capitals."""

    def __init__(self, place: Place, error: OSError) -> None:
        address, protocol, number = self.place = place
        reason = os.strerror(error.errno or 0).lower()
        kind, where = (6, f"[{address}]") if ":" in address else (4, address)
        text = f"listen {protocol}{kind} {where}:{number}: bind: {reason}"
        if error.errno == errno.EACCES:  # a rootless engine's; RootlessKit's words
            start = _UNPRIVILEGED.read_text().strip()
            text = (
                f"cannot expose privileged port {number}, you can add 'net.ipv4.ip_unprivileged_port_start={number}' "
                f"to /etc/sysctl.conf (currently {start}), or choose a larger port number (>= {start}): {text}"
            )
        super().__init__("bind", error.errno or 0, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A port of a container that is to be open on the host."""

    container_port: int
    protocol: str
    #: of the host; several are open with the same number
    host_addresses: tuple[str, ...] = (ANYWHERE,)
    relayed: bool = False  #: the kernel cannot lead there
    first: int = 0  #: of the host's ports that will do; 0 = any
    last: int = 0


class Reservation:
    """Ports that are taken for a container. `published` says which they are; the sockets are open until `close`."""

    def __init__(self, ports: Ports, *, outside: bool = False) -> None:
        self.published: tuple[Published, ...] = ()
        self._ports = ports
        self._outside = outside
        self._sockets: list[socket.socket] = []

    def descriptors(self) -> tuple[int, ...]:
        """Of the ports that the kernel leads on: they stay while the daemon is dead."""
        held = zip(self.published, self._sockets, strict=False)
        return tuple(end.fileno() for port, end in held if not (port.relayed or self._outside))

    def passed_on(self) -> tuple[tuple[Published, socket.socket], ...]:
        """Those that a `Door` serves. Until `close`."""
        held = zip(self.published, self._sockets, strict=False)
        return tuple(pair for pair in held if pair[0].relayed or self._outside)

    def add(self, port: Published, held: socket.socket) -> None:
        self.published += (port,)
        self._sockets.append(held)

    def close(self) -> None:
        """Closes our descriptors; the ports stay taken."""
        while self._sockets:
            self._sockets.pop().close()

    def give_up(self) -> None:
        self.close()
        self._ports.free(self.published)


class Ports:
    def __init__(self, *, outside: bool = False) -> None:
        """outside: the networks do not stand on this machine itself, so that a `Door` serves every port."""
        self._outside = outside
        self._taken: set[Place] = set()
        self._last: dict[str, int] = {}  #: protocol → the port that was chosen last
        self._freed: dict[tuple[str, int], float] = {}  #: protocol and port → when it was given back (monotonic)

    def reserve(self, wishes: Iterable[Wish]) -> Reservation:
        """All of them or none. Unavailable or PortRefused with Docker's text where one cannot be had."""
        reservation = Reservation(self, outside=self._outside)
        try:
            for wish in wishes:
                for port, held in self._take(wish):
                    reservation.add(port, held)
        except BaseException:
            reservation.close()
            self._taken -= {_place(port) for port in reservation.published}
            raise
        return reservation

    def take(self, ports: Iterable[Published]) -> None:
        """Ports that somebody holds already: those of an earlier daemon's containers."""
        self._taken |= {_place(port) for port in ports}

    def free(self, ports: Iterable[Published]) -> None:
        given = {place for port in ports if (place := _place(port)) in self._taken}
        self._taken -= given
        now = time.monotonic()
        recent = {key: moment for key, moment in self._freed.items() if now - moment < _LINGERING}
        self._freed = recent | {(protocol, number): now for _, protocol, number in given}

    def lingers(self, refused: PortRefused) -> bool:
        """Is it in use because it was given back only a moment ago, so that a second try is worth while?"""
        _, protocol, number = refused.place
        now = time.monotonic()
        recent = now - self._freed.get((protocol, number), now - _LINGERING) < _LINGERING
        return refused.errno == errno.EADDRINUSE and recent

    def _take(self, wish: Wish) -> list[tuple[Published, socket.socket]]:
        """The first number that can be had on every address."""
        fixed = wish.first == wish.last != 0
        for number in self._candidates(wish):
            taken = self._take_number(wish, number, fixed=fixed)
            if taken:
                if not wish.first:
                    self._last[wish.protocol] = number
                return taken
        raise Unavailable("all ports are allocated", hint="stop containers whose ports you no longer need")

    def _take_number(self, wish: Wish, number: int, *, fixed: bool) -> list[tuple[Published, socket.socket]]:
        """Empty where somebody has it on one of the addresses; an error if it is the only one that will do."""
        found: list[tuple[Published, socket.socket]] = []
        try:
            for address in wish.host_addresses:
                place = (address, wish.protocol, number)
                if place in self._taken:
                    raise Unavailable(f"Bind for {_shown(address)}:{number} failed: port is already allocated")
                try:
                    found.append((_published(wish, address, number), hold(*place)))
                except OSError as error:
                    raise PortRefused(place, error) from error
        except (Unavailable, PortRefused) as refused:
            for _, held in found:
                held.close()
            if fixed or (isinstance(refused, PortRefused) and refused.errno != errno.EADDRINUSE):
                raise
            return []
        self._taken |= {_place(port) for port, _ in found}
        return found

    def _candidates(self, wish: Wish) -> Iterator[int]:
        if wish.first:
            yield from range(wish.first, wish.last + 1)
            return
        low, high = local_range()
        start = self._last.get(wish.protocol, low - 1) + 1
        start = start if low <= start <= high else low
        yield from range(start, high + 1)
        yield from range(low, start)


def hold(address: str, protocol: str, port: int) -> socket.socket:
    """A socket that has the port to itself and answers nothing. OSError: EADDRINUSE, EADDRNOTAVAIL, EPROTONOSUPPORT."""
    kind, number = SOCKETS[protocol]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    held = socket.socket(family, kind | socket.SOCK_CLOEXEC, number)
    try:
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # the same number of IPv4 is another port
        if protocol == "udp":
            held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # nobody reads what might come: keep none of it
            held.bind((address, port))
        else:
            _bind_alone(held, address, port)
    except BaseException:
        held.close()
        raise
    return held


def _bind_alone(held: socket.socket, address: str, port: int) -> None:
    """Connections that ended a moment ago do not count (SO_REUSEADDR), but then others could bind the port in the same
    way. Having listened once, a socket keeps the port to itself (inet_csk_get_port)."""
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((address, port))
    held.listen(0)
    held.shutdown(socket.SHUT_RDWR)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def local_range() -> tuple[int, int]:
    """The ports from which the kernel and Docker choose."""
    try:
        low, high = (int(word) for word in _LOCAL_RANGE.read_text().split())
    except (OSError, ValueError):
        return _DEFAULT_RANGE
    return low, high


def _place(port: Published) -> Place:
    return port.host_address, port.protocol, port.host_port


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _published(wish: Wish, address: str, number: int) -> Published:
    return Published(
        container_port=wish.container_port,
        protocol=wish.protocol,
        host_address=address,
        host_port=number,
        relayed=wish.relayed,
    )
