"""Published ports that the kernel cannot lead on: IPv6 addresses of the host before a container without IPv6, and ::1,
which no route ever leads out (rt6_need_strict); and all of a rootless engine's (`gate`). Served by a loop, the
daemon's own as names are, or the gate's.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from kernel_engine.network.endpoint import Published
from kernel_engine.network.ports import SOCKETS

_PIECE = 1 << 16
_BACKLOG = 128
#: seconds without a datagram after which an asker is forgotten, and how many are known at a time (docker-proxy: 90)
_QUIET, _ASKERS = 90.0, 512
#: seconds for the container to answer a connection
_PATIENCE = 10.0

Target = tuple[str, int]
#: makes a socket where the containers are: family, kind, protocol
Make = Callable[[int, int, int], socket.socket]


class Relays:
    """Those of one instance."""

    def __init__(self, make: Make = socket.socket) -> None:
        self._make = make
        self._open: dict[Published, _Streams | _Datagrams] = {}

    def all(self) -> tuple[Published, ...]:
        return tuple(self._open)

    def open(self, port: Published, held: socket.socket, address: str) -> None:
        """From now on what comes to the port goes to the container's address. held: bound to the port; a duplicate is
        taken. OSError."""
        target, (kind, protocol) = (address, port.container_port), SOCKETS[port.protocol]
        if kind == socket.SOCK_DGRAM:
            self._open[port] = _Datagrams(held.dup(), target, self._make)
        else:
            self._open[port] = _Streams(held.dup(), target, self._make, protocol)

    def lead(self, port: Published, address: str) -> None:
        """To another address, for those that come from now on."""
        if port in self._open:
            self._open[port].target = (address, port.container_port)

    def close(self, port: Published) -> None:
        """Idempotent."""
        if port in self._open:
            self._open.pop(port).close()

    def close_all(self) -> None:
        for port in tuple(self._open):
            self.close(port)


class _Streams:
    """One port of TCP, or of SCTP: the bytes are passed on and where messages begin is lost, as with docker-proxy."""

    def __init__(self, listening: socket.socket, target: Target, make: Make, protocol: int) -> None:
        self.target = target
        self._protocol = protocol
        self._make = make
        self._listening = listening
        self._tasks: set[asyncio.Task[None]] = set()
        listening.setblocking(False)
        # connections in TIME_WAIT, those that come to it too, keep the port from nobody (inet_csk_get_port); that it
        # listens keeps it to itself
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.listen(_BACKLOG)
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Connections that stand end too: their container does."""
        for task in (self._accepting, *self._tasks):
            task.cancel()
        # what is cancelled forgets the descriptor a turn later, when its number may be another's
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._listening)
            except OSError:  # the client has gone, or there are no descriptors left for a moment
                await asyncio.sleep(0.05)
                continue
            task = loop.create_task(self._relay(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _relay(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with client, self._make(_family(self.target), socket.SOCK_STREAM, self._protocol) as inside:
            client.setblocking(False)
            inside.setblocking(False)
            try:
                async with asyncio.timeout(_PATIENCE):
                    await loop.sock_connect(inside, self.target)
                # one that fails ends the other, which would go on to wait at a descriptor that is closed
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(client, inside))
                    both.create_task(_pump(inside, client))
            except* OSError:  # TimeoutError is one
                pass


def _family(target: Target) -> int:
    return socket.AF_INET6 if ":" in target[0] else socket.AF_INET


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    """To the end of what comes; the end is passed on, and the other direction goes on by itself."""
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(source, _PIECE):
        await loop.sock_sendall(sink, piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class _Datagrams:
    """One UDP port: a socket of its own for each asker, so that answers find their way back."""

    def __init__(self, outside: socket.socket, target: Target, make: Make) -> None:
        self.target = target
        self._make = make
        self._outside = outside
        self._inside: dict[object, tuple[socket.socket, asyncio.TimerHandle]] = {}
        outside.setblocking(False)
        outside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)  # it was held with none
        asyncio.get_running_loop().add_reader(outside.fileno(), self._come)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._outside.fileno())
        self._outside.close()
        for asker in tuple(self._inside):
            self._forget(asker)

    def _come(self) -> None:
        try:
            data, asker = self._outside.recvfrom(_PIECE)
        except OSError:
            return
        inside = self._known(asker)
        if inside is not None:
            with suppress(OSError):
                inside.send(data)

    def _known(self, asker: object) -> socket.socket | None:
        """The asker's socket, made where there is none; None where there are too many."""
        loop = asyncio.get_running_loop()
        if asker in self._inside:
            inside, timer = self._inside[asker]
            timer.cancel()
        elif len(self._inside) >= _ASKERS:
            return None
        else:
            inside = self._make(_family(self.target), socket.SOCK_DGRAM, socket.IPPROTO_UDP)
            inside.setblocking(False)
            inside.connect(self.target)
            loop.add_reader(inside.fileno(), self._answered(asker, inside))
        self._inside[asker] = (inside, loop.call_later(_QUIET, self._forget, asker))
        return inside

    def _answered(self, asker: object, inside: socket.socket) -> Callable[[], None]:
        def come() -> None:
            with suppress(OSError):
                self._outside.sendto(inside.recv(_PIECE), asker)  # type: ignore[call-overload]

        return come

    def _forget(self, asker: object) -> None:
        inside, timer = self._inside.pop(asker)
        timer.cancel()
        asyncio.get_running_loop().remove_reader(inside.fileno())
        inside.close()
