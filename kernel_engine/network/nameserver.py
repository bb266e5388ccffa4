"""The DNS server at 127.0.0.11 of containers on user-defined networks.

Its sockets are opened inside each container's network namespace, on a port that is free there; a rule in that
namespace leads 127.0.0.11:53 to it, so that port 53 stays the container's own. What is no container's name is asked
of the host's resolvers (or of those of --dns), from the host.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernel_engine.errors import KernelRefused
from kernel_engine.network import nat
from kernel_engine.network.rules import name_server
from kernel_engine.network.wiring import Wiring

if TYPE_CHECKING:
    from kernel_engine.network.answers import Known, Lookup, Reverse

ADDRESS = "127.0.0.11"
_LARGEST = 65535
#: seconds for one resolver to answer
_PATIENCE = 4.0
#: questions of one container that may wait for a resolver at the same time
_WAITING = 512
#: questions that are answered before the loop has its turn again
_BURST = 32


@dataclass(slots=True)
class _Server:
    """One container's sockets."""

    udp: socket.socket
    tcp: socket.socket
    lookup: Lookup
    reverse: Reverse
    upstream: Callable[[], Sequence[str]]
    known: Known
    waiting: set[asyncio.Task[None]] = field(default_factory=set)
    listener: asyncio.Server | None = None


class NameServers:
    """Those of one instance; they live as long as the daemon does, and a new one opens them again."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._servers: dict[str, _Server] = {}

    async def open(
        self,
        container_id: str,
        pid: int,
        *,
        lookup: Lookup,
        reverse: Reverse,
        version: Callable[[], int],
        upstream: Callable[[], Sequence[str]],
    ) -> None:
        """pid: a process in the container's namespace, whose loopback is up. version: another number whenever `lookup`
        or `reverse` may have another answer. upstream: addresses of resolvers, at any moment.

        KernelRefused; opening it again replaces the former.
        """
        from kernel_engine.network.answers import Known  # dnslib, for those who have user-defined networks

        self.close(container_id)
        try:
            udp, tcp = await self._wiring.inside(pid, _sockets)
        except OSError as error:
            text = f"open the name server of container {container_id[:12]}: {error}"
            raise KernelRefused("bind", error.errno or 0, text) from error
        known = Known(version)
        server = _Server(udp=udp, tcp=tcp, lookup=lookup, reverse=reverse, upstream=upstream, known=known)
        self._servers[container_id] = server
        asyncio.get_running_loop().add_reader(udp.fileno(), self._readable, server)
        server.listener = await asyncio.start_server(lambda reader, writer: _serve(server, reader, writer), sock=tcp)

    def has(self, container_id: str) -> bool:
        return container_id in self._servers

    def close(self, container_id: str) -> None:
        """Idempotent."""
        server = self._servers.pop(container_id, None)
        if server is None:
            return
        asyncio.get_running_loop().remove_reader(server.udp.fileno())
        server.udp.close()
        if server.listener is not None:
            server.listener.close()
        for task in server.waiting:
            task.cancel()

    def close_all(self) -> None:
        for container_id in tuple(self._servers):
            self.close(container_id)

    def _readable(self, server: _Server) -> None:
        """Several questions at once, where they came so; others of the loop are not kept waiting for long."""
        for _ in range(_BURST):
            try:
                data, peer = server.udp.recvfrom(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier reply
            reply = server.known.get(data) or _answer(server, data)
            if reply is not None:
                with suppress(OSError):  # the asker has gone
                    server.udp.sendto(reply, peer)
            elif len(server.waiting) < _WAITING:
                task = asyncio.get_running_loop().create_task(_pass_on(server, data, peer))
                server.waiting.add(task)
                task.add_done_callback(server.waiting.discard)


def _answer(server: _Server, data: bytes) -> bytes | None:
    """About a container, over UDP; remembered for the next time. None for all other questions."""
    from kernel_engine.network import answers

    reply = answers.answer(data, server.lookup, server.reverse)
    if reply is None:
        return None
    reply = answers.cut(reply, answers.room(data))
    server.known.keep(data, reply)
    return reply


def _sockets() -> tuple[socket.socket, socket.socket]:
    """In the container's namespace: a UDP and a TCP socket on the same free port, and the rules that lead to it."""
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        tcp.bind((ADDRESS, 0))
        port = tcp.getsockname()[1]
        udp.bind((ADDRESS, port))
        nat.load(name_server(ADDRESS, port))
    except BaseException:
        tcp.close()
        udp.close()
        raise
    return udp, tcp


async def _pass_on(server: _Server, data: bytes, peer: tuple[str, int]) -> None:
    from kernel_engine.network import answers

    reply = await _ask(server.upstream(), data) or answers.failure(data)
    if reply is not None:
        with suppress(OSError):
            server.udp.sendto(reply, peer)


async def _serve(server: _Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """DNS over TCP: each message after its length in two bytes."""
    from kernel_engine.network import answers

    try:
        while True:
            async with asyncio.timeout(_PATIENCE * 4):
                length = int.from_bytes(await reader.readexactly(2), "big")
                data = await reader.readexactly(length)
            reply = answers.answer(data, server.lookup, server.reverse)
            reply = reply or await _ask_tcp(server.upstream(), data) or answers.failure(data)
            if reply is None:
                return
            writer.write(len(reply).to_bytes(2, "big") + reply)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return
    finally:
        writer.close()


class _Reply(asyncio.DatagramProtocol):
    def __init__(self, identity: bytes) -> None:
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._identity = identity

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._identity and not self.came.done():
            self.came.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.came.done():
            self.came.set_exception(exc)


async def _ask(upstream: Sequence[str], data: bytes) -> bytes | None:
    """The first reply of the resolvers, asked one after the other; None where none answers."""
    loop = asyncio.get_running_loop()
    for address in upstream:
        try:
            transport, reply = await loop.create_datagram_endpoint(lambda: _Reply(data[:2]), remote_addr=(address, 53))
        except OSError:
            continue
        try:
            transport.sendto(data)
            async with asyncio.timeout(_PATIENCE):
                return await reply.came
        except (OSError, TimeoutError):
            continue
        finally:
            transport.close()
    return None


async def _ask_tcp(upstream: Sequence[str], data: bytes) -> bytes | None:
    for address in upstream:
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection(address, 53)
                try:
                    writer.write(len(data).to_bytes(2, "big") + data)
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    return await reader.readexactly(length)
                finally:
                    writer.close()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            continue
    return None
