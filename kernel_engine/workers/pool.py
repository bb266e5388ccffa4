"""The daemon's side of the workers: sends orders, hears answers, ends what nobody waits for any more."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from kernel_engine import errors
from kernel_engine.errors import EngineError, Unavailable
from kernel_engine.syscalls.process import end_with
from kernel_engine.syscalls.trace import Step, adopt

#: a line of an answer: an image's list of implied directories, say
_LINE_LIMIT = 64 << 20
#: seconds without a job after which the preloaded process goes (about 30 MB)
_IDLE = 60.0

#: kinds that say more than a message
_OF_MORE_WORDS = (errors.KernelRefused, errors.StartFailed)

Say = Callable[[dict[str, Any]], None]


def _quiet(_: dict[str, Any]) -> None:
    """For callers that do not watch."""


class Workers:
    """Starts its process with the first job; `close` at the end. Jobs of one pool run beside each other."""

    def __init__(self, *modules: str) -> None:
        """modules: what the process loads before it forks, so that no job has to."""
        self._modules = modules
        self._numbers = count(1)
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | _Forked | None = None
        self._starting = asyncio.Lock()
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The preloaded process; None where there is none now."""
        return self._process.pid if self._process is not None and self._control is not None else None

    async def run(
        self,
        job: str,
        order: dict[str, Any],
        descriptors: Sequence[int] = (),
        *,
        lines: Iterable[bytes] = (),
        on_said: Say = _quiet,
    ) -> dict[str, Any]:
        """What the job returned; its kernel calls belong to the caller's trace. Its error is raised here: an
        EngineError as it was, an OSError with its errno.

        lines: more of the order, JSON values with a line end each; the job finds them in its order's "lines". A
        cancelled call returns when the job's process is gone.
        """
        self._running += 1
        try:
            return await self._run(job, order, descriptors, lines, on_said)
        finally:
            self._running -= 1
            self._let_go_later()

    async def warm(self) -> None:
        """Starts the process, for somebody who will need it soon."""
        async with self._starting:
            if self._control is None:
                await self._start()
        self._let_go_later()

    async def close(self) -> None:
        """Jobs that still run end with it."""
        if self._timer is not None:
            self._timer.cancel()
        async with self._starting:
            await self._forget()

    # ------------------------------------------------------------------------------------------------------------
    async def _run(
        self,
        job: str,
        order: dict[str, Any],
        descriptors: Sequence[int],
        lines: Iterable[bytes],
        on_said: Say,
    ) -> dict[str, Any]:
        number = next(self._numbers)
        mine, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=mine, limit=_LINE_LIMIT)
        ended = False
        try:
            with theirs:
                await self._send({"job": job, "number": number}, (theirs.fileno(), *descriptors))
            with suppress(ConnectionError):  # one that ends at once does not read; its answer tells
                writer.write(json.dumps(order).encode() + b"\n")
                for line in lines:
                    writer.write(line)
                    await writer.drain()
                writer.write(b"\n")
                await writer.drain()
            answer = await _answer(reader, on_said)
            ended = True
        finally:
            if not ended:
                self._kill(number)
                await _gone(reader)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        adopt(tuple(Step(*words) for words in answer.get("trace", ())))
        return _result(answer)

    async def _send(self, message: dict[str, Any], descriptors: tuple[int, ...]) -> None:
        data = json.dumps(message).encode()
        async with self._starting:
            if self._control is not None:
                try:
                    socket.send_fds(self._control, [data], descriptors)
                except OSError:  # it was killed: another one
                    await self._forget()
                else:
                    return
            await self._start()
            assert self._control is not None
            socket.send_fds(self._control, [data], descriptors)

    async def _start(self) -> None:
        if spare := _spares.pop(self._modules, None):
            self._control, pid = spare
            self._process = _Forked(pid)
            return
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-m", "kernel_engine.workers", str(os.getpid()), *self._modules,
                stdin=theirs.fileno(), env={}, cwd="/",
            )  # fmt: skip
        self._control = mine

    async def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            await self._process.wait()
            self._process = None

    def _kill(self, number: int) -> None:
        if self._control is not None:
            with suppress(OSError):  # it is gone, and the job with it
                self._control.send(json.dumps({"kill": number}).encode())

    def _let_go_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_IDLE, self._let_go)

    def _let_go(self) -> None:
        if not self._running and self._control is not None and not self._starting.locked():
            self._control.close()  # which ends the process; asyncio reaps it
            self._control = None


#: modules → the control socket and the pid of a process that was forked for the first pool of them
_spares: dict[tuple[str, ...], tuple[socket.socket, int]] = {}


def fork(modules: tuple[str, ...]) -> None:
    """The process of a pool that this one will have, for one that has loaded the modules, and has one thread."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        end_with(partial(_live, theirs, parent, modules))
    theirs.close()
    _spares[modules] = mine, pid


def _live(control: socket.socket, parent: int, modules: tuple[str, ...]) -> None:
    from kernel_engine.workers.__main__ import live

    os.dup2(control.fileno(), 0)
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
    os.environ.clear()
    os.chdir("/")
    live(parent, modules)


class _Forked:
    """A child, as asyncio has those that it starts."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = asyncio.Event()
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    async def wait(self) -> None:
        await self._ended.wait()

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        os.waitpid(self.pid, 0)
        self._ended.set()


async def _answer(lines: asyncio.StreamReader, on_said: Say) -> dict[str, Any]:
    """The job's last line; {} where it ended without one."""
    with suppress(ConnectionError):
        async for line in lines:
            words: dict[str, Any] = json.loads(line)
            if "done" in words or "error" in words:
                return words
            on_said(words)
    return {}


async def _gone(lines: asyncio.StreamReader) -> None:
    """Returns when nobody holds the other end: the process has ended."""
    with suppress(ConnectionError, ValueError):
        while await lines.read(1 << 16):
            pass


def _result(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise _error(answer["error"])
    if "done" not in answer:
        raise Unavailable("a worker process ended without an answer")
    done: dict[str, Any] = answer["done"]
    return done


def _error(words: dict[str, Any]) -> Exception:
    if words["kind"] == "OSError":
        return OSError(words["errno"], words["message"], words["path"])
    kind: type[EngineError] = getattr(errors, words["kind"], EngineError)
    return EngineError(words["message"]) if kind in _OF_MORE_WORDS else kind(words["message"])
