"""The daemon's side of the gate: an asyncio client that starts it where none answers. A `Door` of the networks."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from kernel_engine.errors import Unavailable
from kernel_engine.network.endpoint import Published
from kernel_engine.paths import Instance
from kernel_engine.runtime.answering import answering
from kernel_engine.runtime.channel import Channel, Closed, Message
from kernel_engine.runtime.companion import edition

_MODULE = "kernel_engine.gate.process"
#: `process.ROOMS`, without importing it
_ROOMS = ("gate", "network")


class Gate:
    """A connection to the instance's gate. Use `connect`. Descriptors given to it stay the caller's."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._on_lost: Callable[[], None] = lambda: None
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._read)

    @classmethod
    async def connect(cls, instance: Instance, *, on_lost: Callable[[], None]) -> Gate:
        """on_lost: the process has died, and with it what it kept open; not called after `shut`. One of older code is
        replaced, unless it has ports open. Unavailable."""
        there = await answering("the gate", instance.gate_socket, _MODULE, "--run", str(instance.run), make=cls)
        there._on_lost = on_lost
        return there

    async def may_be_replaced(self) -> bool:
        found = await self._ask({"verb": "edition"})
        return bool(found["idle"]) and found["edition"] != await asyncio.to_thread(edition, *_ROOMS)

    async def quit(self) -> None:
        with suppress(Unavailable):
            await self._ask({"verb": "quit"})
        self.shut()

    async def way_out(self) -> str:
        """Why containers cannot reach what is outside; "" where they can."""
        return str((await self._ask({"verb": "way-out"}))["trouble"])

    # Door -------------------------------------------------------------------------------------------------------
    async def open(self, port: Published, held: socket.socket, address: str, pid: int = 0) -> None:
        """OSError where it cannot be opened."""
        descriptors = [held.fileno()]
        if pid:
            descriptors.append(os.pidfd_open(pid))
        try:
            await self._ask({"verb": "open", "port": port, "address": address}, descriptors)
        finally:
            for descriptor in descriptors[1:]:
                os.close(descriptor)

    async def lead(self, port: Published, address: str) -> None:
        with suppress(Unavailable):  # a gate that has ended has nothing open; the next one is told anew
            await self._ask({"verb": "lead", "port": port, "address": address})

    async def close(self, port: Published) -> None:
        with suppress(Unavailable):
            await self._ask({"verb": "close", "port": port})

    async def known(self) -> tuple[Published, ...]:
        return tuple(Published(**port) for port in (await self._ask({"verb": "known"}))["ports"])

    def shut(self) -> None:
        """What is open stays open."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._channel.fileno())
            self._channel.close()
            self._fail()

    # ------------------------------------------------------------------------------------------------------------
    async def _ask(self, message: Message, descriptors: Sequence[int] = ()) -> dict[str, Any]:
        if self._closed:
            raise Unavailable("the gate has ended")
        number = next(self._numbers)
        answer = self._answers[number] = self._loop.create_future()
        try:
            self._channel.send({**message, "request": number}, descriptors)
        except Closed:
            del self._answers[number]
            raise Unavailable("the gate has ended") from None
        found: dict[str, Any] = await answer
        if "error" in found:
            raise OSError(found["errno"], found["error"])
        return found

    def _read(self) -> None:
        try:
            messages = self._channel.receive()
        except Closed:
            self.shut()
            self._on_lost()
            return
        for message, _ in messages:
            answer = self._answers.pop(message["reply"], None)
            if answer is not None and not answer.done():
                answer.set_result(message)

    def _fail(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Unavailable("the gate has ended"))
        self._answers.clear()
