"""What a relay leaves behind it in its loop: nothing, or the next to have a descriptor's number would not be heard."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kernel_engine.network.endpoint import Published
from kernel_engine.network.relay import Relays

PATIENCE = 30  #: seconds, of which a right one needs none


@contextmanager
def relayed(server: socket.socket) -> Iterator[tuple[Relays, Published, int]]:
    """A port of this machine's own that leads to `server`."""
    relays = Relays()
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = held.getsockname()[1]
        port = Published(
            container_port=server.getsockname()[1], protocol="tcp", host_address="127.0.0.1", host_port=number
        )
        relays.open(port, held, "127.0.0.1")
        try:
            yield relays, port, number
        finally:
            relays.close_all()


async def all_are_heard(numbers: int) -> None:
    """Whichever descriptors are given next."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for _ in range(numbers):
            ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
            heard = asyncio.Event()
            loop.add_reader(ours, heard.set)
            stack.callback(loop.remove_reader, ours)
            theirs.send(b".")
            async with asyncio.timeout(PATIENCE):
                await heard.wait()


async def test_a_connection_that_one_side_breaks_off() -> None:
    """The other side says nothing, and would have been listened to for ever."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        for end in (server, client):
            end.setblocking(False)
        with relayed(server) as (_, _, number):
            await loop.sock_connect(client, ("127.0.0.1", number))
            await loop.sock_sendall(client, b"hello")
            answering, _ = await loop.sock_accept(server)
            assert await loop.sock_recv(answering, 16) == b"hello"
            # closes with RST instead of FIN, socket(7)
            answering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            answering.close()
            async with asyncio.timeout(PATIENCE):
                assert await loop.sock_recv(client, 16) == b""
            await all_are_heard(8)


async def test_a_port_that_closes_while_others_come() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, relayed(server) as (relays, port, _):
        await asyncio.sleep(0)  # it waits for connections now
        relays.close(port)
        await all_are_heard(8)
