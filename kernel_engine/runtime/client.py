"""The daemon's side of the launcher: an asyncio client that starts the launcher where none answers.

Each method is one message and its answer; `launch` also calls back in between, and speaks to the child itself (`line`).
Descriptors that come with an answer belong to the caller.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count

from kernel_engine.errors import EngineError, InvalidRequest, Unavailable
from kernel_engine.paths import Instance
from kernel_engine.runtime.answering import answering
from kernel_engine.runtime.channel import DESCRIPTORS, LAUNCHES, Channel, Closed, Message
from kernel_engine.runtime.companion import connected, edition
from kernel_engine.runtime.events import Born, Exited, Inside, Known, Started, Stdio, Stopped
from kernel_engine.runtime.handshake import GIVEN_UP, raised
from kernel_engine.runtime.line import BrokenOff, Line
from kernel_engine.runtime.spec import Process, Spec
from kernel_engine.syscalls.trace import Call, Packed, Step, Steps, adopt

#: seconds until a launcher that does not answer counts as gone
_PATIENCE = 2.0

Answer = tuple[Message, list[int]]
_MODULE = "kernel_engine.runtime.launcher"
OnBorn = Callable[[Born], Awaitable[None]]
OnStop = Callable[[Stopped], Awaitable[None]]
OnSwept = Callable[[str, tuple[Step, ...]], None]


class Launcher:
    """A connection to the instance's launcher. Use `connect`."""

    def __init__(
        self,
        channel: Channel,
        on_exit: Callable[[Exited], None],
        on_lost: Callable[[], None],
        on_swept: OnSwept | None = None,
    ) -> None:
        self._channel = channel
        self._on_exit = on_exit
        self._on_swept: OnSwept = on_swept or (lambda *_: None)
        self._on_lost = on_lost
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._born: dict[str, asyncio.Future[Answer]] = {}
        self._stops: dict[str, asyncio.Queue[Message]] = {}
        self._closed = False
        self._launches = LAUNCHES
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._read)
        credentials = channel.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid: int = struct.unpack("=3i", credentials)[0]

    @classmethod
    async def connect(
        cls,
        instance: Instance,
        *,
        on_exit: Callable[[Exited], None],
        on_lost: Callable[[], None],
        on_swept: OnSwept | None = None,
    ) -> Launcher:
        """Starts the process if none answers. Unavailable, with the launcher's own words, where it cannot start.

        on_exit: every exit, of execs too; exits from before this connection come after `known`. on_lost: the launcher
        has died (and with it its containers); not called after `shut`. on_swept: what a container's end asked of the
        kernel in the launcher. One of older code is replaced, unless it runs something.
        """
        arguments = ("--run", str(instance.run), "--cgroup", instance.cgroup)

        def make(channel: Channel) -> Launcher:
            return cls(channel, on_exit, lambda: None, on_swept)

        there = await answering("the launcher", instance.launcher_socket, _MODULE, *arguments, make=make)
        there._on_lost = on_lost
        return there

    @staticmethod
    def notes(instance: Instance) -> dict[str, str]:
        """What an earlier client told the launcher about processes that run; nothing where none answers. Before
        `connect`, on a connection of its own: no exit is told on it. Blocks: to be called in a thread."""
        end = connected(instance.launcher_socket)
        if end is None:
            return {}
        end.settimeout(_PATIENCE)
        channel = Channel(end)
        try:
            channel.send({"verb": "notes", "request": 0})
            message: Message = {}
            while message.get("reply") != 0:  # what it tells of itself comes here, too, and will be told again
                message, descriptors = channel.receive_one()
                _close_all(descriptors)
        except Closed:  # one that was killed a moment ago may still accept
            return {}
        finally:
            channel.close()
        return dict(message.get("notes", {}))

    # processes --------------------------------------------------------------------------------------------------
    async def launch(self, spec: Spec, on_born: OnBorn, on_stop: OnStop | None = None) -> Started:
        """Starts a container's first process. If `on_born` raises, the child is killed and that error raised.

        `on_born` runs while the child makes its namespaces and mounts its root; the descriptors that it gets are valid
        until it returns, and the program begins no sooner. on_stop: the child stands still before each kernel call
        until this has returned, and from when it says that it is ready to when `on_born` has returned; what it raises
        ends the launch as with `on_born`.

        Raises StartFailed, KernelRefused, InvalidRequest (unknown user), Conflict (already running), each with
        `.trace`; Unavailable where the launcher is of code that is too old.
        """
        if self._launches != LAUNCHES:
            raise Unavailable(
                "this engine was updated while containers were running: it starts others when those have been stopped "
                "and it was started again"
            )
        line, born = Line(), self._loop.create_future()
        self._born[spec.id] = born
        introduced = asyncio.Event()
        stopping: asyncio.Task[None] | None = None
        try:
            answer = self._send({"verb": "launch", "spec": spec, "stepped": on_stop is not None}, (line.theirs,))
            line.hand_over()
            if on_stop is not None:
                self._stops[spec.id] = asyncio.Queue()
                stopping = self._loop.create_task(self._serve_stops(spec.id, on_stop, introduced))
            try:
                await asyncio.wait((born, answer), return_when=asyncio.FIRST_COMPLETED)
                if born.done() and not answer.done():
                    await self._introduce(spec.id, born, line, on_born, answer)
                    introduced.set()
                return _started(spec.id, await answer)
            except asyncio.CancelledError:
                self._give_up(spec.id, answer)
                raise
        except EngineError:
            if stopping is not None and stopping.done():
                await stopping  # whose own error is the reason
            raise
        finally:
            self._stops.pop(spec.id, None)
            if stopping is not None and not stopping.done():
                stopping.cancel()
            line.close()
            self._born.pop(spec.id, None)
            if born.done() and not born.cancelled():
                _close_all(born.result()[1])
            born.cancel()

    def hold(self, id: str, note: str, descriptors: Sequence[int] = ()) -> None:
        """Within `on_created`: gives the launcher a note and duplicates of descriptors, which it keeps until the
        process ends, whatever becomes of us."""
        for at in range(0, max(len(descriptors), 1), DESCRIPTORS):
            part = descriptors[at : at + DESCRIPTORS]
            self._post({"verb": "hold", "id": id, "note": "" if at else note}, part)

    async def exec(self, exec_id: str, container_id: str, process: Process) -> Started:
        """Starts one more process in a running container. NotFound when that does not run; else as `launch`."""
        message = {"verb": "exec", "id": exec_id, "container": container_id, "process": process}
        return _started(exec_id, await self._send(message))

    async def signal(self, id: str, number: int) -> None:
        """NotFound when it has exited."""
        await self._ask({"verb": "signal", "id": id, "number": number})

    async def resize(self, id: str, rows: int, columns: int) -> None:
        await self._ask({"verb": "resize", "id": id, "rows": rows, "columns": columns})

    async def close_stdin(self, id: str) -> None:
        """Drops the launcher's duplicate of the stdin pipe: it ends when every other holder has closed it."""
        await self._ask({"verb": "close_stdin", "id": id})

    async def known(self) -> tuple[Known, ...]:
        """Every process that is running, or has exited and is not forgotten."""
        answer = await self._ask({"verb": "known"})
        return tuple(
            Known(**{**item, "exited": Exited(**item["exited"]) if item["exited"] else None})
            for item in answer["known"]
        )

    async def stdio(self, id: str) -> Stdio:
        """The streams once more (the log writer died, or the daemon was restarted). NotFound after `forget`."""
        message, descriptors = await self._send({"verb": "stdio", "id": id})
        _check(message, descriptors)
        return Stdio(**dict(zip(message["streams"], descriptors, strict=True)))

    async def forget(self, id: str) -> None:
        """Drops the exit record and the descriptors. Unknown is fine; Conflict while it runs."""
        await self._ask({"verb": "forget", "id": id})

    async def quit(self) -> None:
        """Ends the launcher and every container with it; returns when it is gone. `on_lost` is not called."""
        self._on_lost = lambda: None
        with suppress(Unavailable):
            await self._ask({"verb": "quit"})
        self.shut()

    def shut(self) -> None:
        """Leaves; launcher and containers go on."""
        if not self._closed:
            self._on_lost = lambda: None
            self._end("the connection to the launcher was closed")

    async def may_be_replaced(self) -> bool:
        try:
            answer = await self._ask({"verb": "edition"})
        except InvalidRequest:  # so old that it does not know the word
            self._launches = 1
            return not await self.known()
        self._launches = answer.get("launches", 1)
        return bool(answer["idle"]) and answer["edition"] != await asyncio.to_thread(edition)

    # the wire ---------------------------------------------------------------------------------------------------
    async def _serve_stops(self, id: str, on_stop: OnStop, introduced: asyncio.Event) -> None:
        """One stop after another; those behind the child's `created` when that has been answered."""
        queue = self._stops[id]
        while True:
            message = await queue.get()
            if message["after"]:
                await introduced.wait()
            try:
                await on_stop(_stopped(message))
            except Exception:
                self._post({"verb": "abort", "id": id})
                raise
            self._post({"verb": "proceed", "id": id})

    async def _introduce(
        self, id: str, born: asyncio.Future[Answer], line: Line, on_born: OnBorn, answer: asyncio.Future[Answer]
    ) -> None:
        message, descriptors = born.result()
        streams = {name: descriptors.pop(0) for name in message["streams"]}
        try:
            await on_born(Born(id=id, pid=message["pid"], netlink=line.netlink, stdio=Stdio(**streams)))
        except BrokenOff:
            await asyncio.wait((answer,))
            return  # whose reason is the child's own
        except Exception:
            self._post({"verb": "abort", "id": id})
            await asyncio.wait((answer,))
            if _failed_by_itself(answer):
                return  # the child was gone before the callback: its own reason is the answer
            _discard(answer)
            raise
        finally:
            _close_all(list(streams.values()))
        if self._closed:
            raise Unavailable("the launcher is gone")
        line.go()

    def _give_up(self, id: str, answer: asyncio.Future[Answer]) -> None:
        with suppress(Unavailable):
            self._post({"verb": "abort", "id": id})
        answer.add_done_callback(_discard)

    async def _ask(self, message: Message) -> Message:
        answer, descriptors = await self._send(message)
        if made := answer.get("trace"):
            adopt(tuple(Step(*words) for words in made))
        _check(answer, descriptors)
        return answer

    def _send(self, message: Message, descriptors: Sequence[int] = ()) -> asyncio.Future[Answer]:
        number = next(self._numbers)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._post({"request": number, **message}, descriptors)
        self._answers[number] = future
        return future

    def _post(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        if self._closed:
            raise Unavailable("the launcher is gone")
        try:
            self._channel.send(message, descriptors)
        except Closed:
            self._end("the launcher died")
            raise Unavailable("the launcher died") from None
        if self._channel.unsent:
            self._loop.add_writer(self._channel.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._channel.flush()
        except Closed:
            return self._end("the launcher died")
        if not self._channel.unsent:
            self._loop.remove_writer(self._channel.fileno())
        return None

    def _read(self) -> None:
        try:
            messages = self._channel.receive()
        except Closed:
            return self._end("the launcher died")
        for message, descriptors in messages:
            self._dispatch(message, descriptors)
        return None

    def _dispatch(self, message: Message, descriptors: list[int]) -> None:
        future: asyncio.Future[Answer] | None
        if message.get("event") == "exited":
            return self._on_exit(Exited(**message["exited"]))
        if message.get("event") == "swept":
            return self._on_swept(message["id"], tuple(Step(*words) for words in message["trace"]))
        if message.get("event") == "stopped":
            if (queue := self._stops.get(message["id"])) is not None:
                queue.put_nowait(message)
            return None
        if message.get("event") == "born":
            future = self._born.get(message["id"])
        else:
            future = self._answers.pop(message["reply"], None)
        if future is None or future.done():
            return _close_all(descriptors)
        return future.set_result((message, descriptors))

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


def _started(id: str, answer: Answer) -> Started:
    message, descriptors = answer
    trace = _trace(message)
    _check(message, descriptors, trace)
    streams = dict(zip(message["streams"], descriptors, strict=True))
    return Started(id=id, pid=message["pid"], started_at=message["started_at"], stdio=Stdio(**streams), trace=trace)


def _trace(message: Message) -> Steps:
    """The launcher's steps and the child's."""
    launcher = tuple(Step(*row) for row in message.get("launcher", ()))
    if "packed" not in message:
        return Steps(launcher)
    return Steps(launcher, Packed("child", message["pid"], message["packed"]))


def _stopped(message: Message) -> Stopped:
    return Stopped(
        pid=message["pid"],
        call=Call(process="child", **message["call"]),
        done=tuple(_trace(message)),
        inside=Inside(**message["seen"]),
    )


def _check(message: Message, descriptors: list[int], trace: Sequence[Step] = ()) -> None:
    """Raises the error that the answer carries, with the trace of what led to it."""
    if "error" not in message:
        return
    _close_all(descriptors)
    error: EngineError = raised(message["error"])
    error.trace = trace  # type: ignore[attr-defined]
    raise error


def _failed_by_itself(answer: asyncio.Future[Answer]) -> bool:
    if answer.cancelled() or answer.exception() is not None:
        return False
    error = answer.result()[0].get("error")
    return error is not None and error["message"] != GIVEN_UP


def _discard(answer: asyncio.Future[Answer]) -> None:
    if not answer.cancelled() and answer.exception() is None:
        _close_all(answer.result()[1])


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
