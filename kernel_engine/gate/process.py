"""The gate's process: one client (the daemon) at a time, any number of open ports.

Its loop is on this machine's network, where ports are open and slirp4netns runs; connections into containers are made
by a thread that is where the networks stand.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from kernel_engine.gate.way_out import WayOut
from kernel_engine.network.endpoint import Published
from kernel_engine.network.inside import move
from kernel_engine.network.relay import Relays
from kernel_engine.runtime.channel import Channel, Closed, Message
from kernel_engine.runtime.companion import become_daemon, bind, edition
from kernel_engine.syscalls.process import set_name

#: whose code it is made of, besides the runtime's
ROOMS = ("gate", "network")


class Gate:
    def __init__(self, listening: socket.socket, namespace: Path, edition: str) -> None:
        self._listening = listening
        self._edition = edition
        self._client: Channel | None = None
        self._there = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="there", initializer=partial(move, namespace)
        )
        self._relays = Relays(self._socket)
        self._owners: dict[Published, int] = {}  #: the pidfd of the container's first process
        self._way_out = WayOut(namespace)
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until SIGTERM, or a client's `quit`."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_reader(self._listening.fileno(), self._accept)
        keeping = loop.create_task(self._way_out.keep())
        await self._stopping.wait()
        self._relays.close_all()
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping

    def _socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        """One of the namespace where the networks stand."""
        return self._there.submit(socket.socket, family, kind | socket.SOCK_NONBLOCK, protocol).result()

    # the daemon -------------------------------------------------------------------------------------------------
    def _accept(self) -> None:
        try:
            connection, _address = self._listening.accept()
        except OSError:  # it has gone again
            return
        self._lose_client()
        connection.setblocking(False)
        self._client = Channel(connection)
        asyncio.get_running_loop().add_reader(connection.fileno(), self._serve)

    def _lose_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            asyncio.get_running_loop().remove_reader(client.fileno())
            client.close()

    def _serve(self) -> None:
        assert self._client is not None
        try:
            messages = self._client.receive()
        except Closed:
            return self._lose_client()
        for message, descriptors in messages:
            try:
                self._obey(message, descriptors)
            except Exception as error:  # its failure is its own answer and never the gate's end
                if not isinstance(error, OSError):
                    traceback.print_exc()
                self._reply(message, error=str(error), errno=getattr(error, "errno", None) or 0)
            for descriptor in descriptors:  # what nobody has taken
                os.close(descriptor)
        return None

    def _reply(self, message: Message, **values: Any) -> None:
        if self._client is not None:
            try:
                self._client.send({"reply": message["request"], **values})
            except Closed:
                self._lose_client()

    def _obey(self, message: Message, descriptors: list[int]) -> None:
        match message["verb"]:
            case "open":
                self._open(_published(message), descriptors, message["address"])
            case "lead":
                self._relays.lead(_published(message), message["address"])
            case "close":
                self._close(_published(message))
            case "known":
                return self._reply(message, ports=list(self._relays.all()))
            case "edition":
                return self._reply(message, edition=self._edition, idle=not self._relays.all())
            case "way-out":
                task = asyncio.get_running_loop().create_task(self._tell_way_out(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return None
            case "quit":
                self._stopping.set()
            case verb:
                raise OSError(f"unknown message: {verb}")
        return self._reply(message)

    async def _tell_way_out(self, message: Message) -> None:
        await self._way_out.settled.wait()
        self._reply(message, trouble=self._way_out.trouble)

    def _open(self, port: Published, descriptors: list[int], address: str) -> None:
        """The first descriptor is the port's socket, the second (where there is one) whose end closes it."""
        self._close(port)
        with socket.socket(fileno=descriptors.pop(0)) as held:
            self._relays.open(port, held, address)
        if descriptors:
            owner = self._owners[port] = descriptors.pop(0)
            asyncio.get_running_loop().add_reader(owner, self._close, port)

    def _close(self, port: Published) -> None:
        self._relays.close(port)
        owner = self._owners.pop(port, None)
        if owner is not None:
            asyncio.get_running_loop().remove_reader(owner)
            os.close(owner)


def _published(message: Message) -> Published:
    return Published(**message["port"])


async def _serve(listening: socket.socket, run: Path, of_code: str) -> None:
    await Gate(listening, run / "network.net", of_code).run()


def main() -> None:
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    run, of_code = Path(options["--run"]), edition(*ROOMS)
    os.chdir("/")
    listening = bind(str(run / "gate.sock"))
    become_daemon(str(run / "gate.log"), listening)
    set_name("ke-gate")
    asyncio.run(_serve(listening, run, of_code))


if __name__ == "__main__":
    main()
