"""The daemon's side of the log writer: an asyncio client that starts it where none answers."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from kernel_engine.errors import Unavailable
from kernel_engine.paths import Instance
from kernel_engine.runtime.answering import answering
from kernel_engine.runtime.channel import Channel, Closed, Message
from kernel_engine.runtime.companion import edition
from kernel_engine.runtime.events import Stdio
from kernel_engine.runtime.log_writer import detach_keys as keys

_MODULE = "kernel_engine.runtime.log_writer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """Where a process's output is kept. Bytes; max_size 0 = without limit."""

    path: Path
    max_size: int = 0
    max_files: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    name: str
    #: what the log held at that moment, and so the client does not get: up to a file's inode, and bytes of it
    logged: tuple[int, int] | None = None


class LogWriter:
    """A connection to the instance's log writer. Use `connect`. Descriptors given to it stay the caller's."""

    def __init__(self, channel: Channel, on_lost: Callable[[], None], on_stdin_closed: Callable[[str], object]) -> None:
        self._channel = channel
        self._on_lost = on_lost
        self._on_stdin_closed = on_stdin_closed
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._drained: set[str] = set()  #: said by the log writer before it was asked
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._read)
        credentials = channel.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid: int = struct.unpack("=3i", credentials)[0]

    @classmethod
    async def connect(
        cls, instance: Instance, *, on_lost: Callable[[], None], on_stdin_closed: Callable[[str], object]
    ) -> LogWriter:
        """on_stdin_closed: a process's input has ended, whoever else holds its pipe must let go of it."""

        def make(channel: Channel) -> LogWriter:
            return cls(channel, lambda: None, on_stdin_closed)

        words = (_MODULE, "--run", str(instance.run))
        there = await answering("the log writer", instance.log_writer_socket, *words, make=make)
        there._on_lost = on_lost
        return there

    async def adopt(self, id: str, stdio: Stdio, *, log: LogFile | None, stdin_once: bool) -> None:
        """Takes a process's streams over. Idempotent by id."""
        names = [name for name in ("stdin", "stdout", "stderr", "console") if getattr(stdio, name) is not None]
        kept = None if log is None else {"path": str(log.path), "max_size": log.max_size, "max_files": log.max_files}
        await self._ask(
            {"verb": "adopt", "id": id, "names": names, "log": kept, "stdin_once": stdin_once},
            tuple(getattr(stdio, name) for name in names),
        )

    async def attach(
        self,
        id: str,
        client: socket.socket | int,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        multiplexed: bool,
        detach_keys: str = "",
        leftover: bytes = b"",
        after: Path | None = None,
    ) -> Attached:
        """Hands a client's socket over; may come before `adopt`.

        leftover: what the client sent behind the HTTP request. after: the log that the caller sends the client first,
        as far as `Attached.logged` says; then `go_on`. InvalidRequest for detach keys that are none.
        """
        answer = await self._ask(
            {
                "verb": "attach",
                "id": id,
                "stdin": stdin,
                "stdout": stdout,
                "stderr": stderr,
                "multiplexed": multiplexed,
                "detach_keys": list(keys.parse(detach_keys)),
                "leftover": base64.b64encode(leftover).decode(),
                "after": None if after is None else str(after),
            },
            (client if isinstance(client, int) else client.fileno(),),
        )
        logged = answer.get("logged")
        return Attached(name=str(answer["attachment"]), logged=None if logged is None else (logged[0], logged[1]))

    async def go_on(self, attachment: str) -> None:
        """What the process has said since it was attached may follow. A log writer that has died has let it go."""
        with suppress(Unavailable):
            await self._ask({"verb": "go-on", "attachment": attachment})

    async def attachment_ended(self, attachment: str) -> str:
        """Waits: "ended" | "detached" | "client-gone"."""
        return str((await self._ask({"verb": "attachment-ended", "attachment": attachment}))["reason"])

    async def drained(self, id: str, timeout: float) -> bool:
        """All output has been read and is in the log; False when `timeout` seconds were not enough."""
        if id in self._drained:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._ask({"verb": "drained", "id": id})
        except TimeoutError:
            return False
        return True

    async def settled(self, id: str) -> bool:
        """Whether nothing is on its way now: clients' input is with the process, its output is with them."""
        return bool((await self._ask({"verb": "settled", "id": id}))["settled"])

    async def release(self, id: str, message: bytes = b"") -> None:
        """The process is gone: its streams are closed, its clients let go (after `message`). A log writer that has died
        holds nothing."""
        self._drained.discard(id)
        with suppress(Unavailable):
            await self._ask({"verb": "release", "id": id, "message": base64.b64encode(message).decode()})

    async def resize(self, id: str, rows: int, columns: int) -> None:
        await self._ask({"verb": "resize", "id": id, "rows": rows, "columns": columns})

    async def holds(self) -> frozenset[str]:
        return frozenset((await self._ask({"verb": "holds"}))["ids"])

    async def quit(self) -> None:
        """Ends the log writer and lets its clients go."""
        with suppress(Unavailable):
            await self._ask({"verb": "quit"})
        self.shut()

    async def may_be_replaced(self) -> bool:
        """One of older code that holds nothing."""
        held = await self._ask({"verb": "holds"})
        return not held["ids"] and held.get("edition") != await asyncio.to_thread(edition)

    def shut(self) -> None:
        """Leaves; the log writer goes on."""
        self._on_lost = lambda: None
        self._end("the connection to the log writer was closed")

    async def _ask(self, message: Message, descriptors: tuple[int, ...] = ()) -> Message:
        if self._closed:
            raise Unavailable("the log writer is gone")
        number = next(self._numbers)
        future: asyncio.Future[Message] = self._loop.create_future()
        self._answers[number] = future
        try:
            self._channel.send({"request": number, **message}, descriptors)
        except Closed:
            self._end("the log writer died")
        if self._channel.unsent and not self._closed:
            self._loop.add_writer(self._channel.fileno(), self._write)
        answer = await future
        if "error" in answer:
            raise Unavailable(f"the log writer refused: {answer['error']}")
        return answer

    def _write(self) -> None:
        try:
            self._channel.flush()
        except Closed:
            return self._end("the log writer died")
        if not self._channel.unsent:
            self._loop.remove_writer(self._channel.fileno())
        return None

    def _read(self) -> None:
        try:
            messages = self._channel.receive()
        except Closed:
            return self._end("the log writer died")
        for message, _descriptors in messages:
            if message.get("event") == "stdin-closed":
                self._on_stdin_closed(message["id"])
                continue
            if message.get("event") == "drained":
                self._drained.add(message["id"])
                continue
            future = self._answers.pop(message["reply"], None)
            if future is not None and not future.done():
                future.set_result(message)
        return None

    def _end(self, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._channel.close()
        for future in self._answers.values():
            if not future.done():
                future.set_exception(Unavailable(reason))
        self._answers.clear()
        self._on_lost()
