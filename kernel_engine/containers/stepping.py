"""A start that is looked at step by step: it stands still before each kernel call until somebody goes on.

The container's first process waits before every call of its own. Launcher and daemon have others to serve: they wait
before they begin, and then make their calls in one go. Which stops a person wants to see is the doors' to choose.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from kernel_engine.errors import Conflict, EngineError
from kernel_engine.runtime.events import Inside, Stopped
from kernel_engine.syscalls.trace import Call, Step, Trace

#: seconds that one stop may last
PATIENCE = 600.0
CLIENT_LEFT = "whoever looked on has left"
ASKED = "somebody had seen enough"
CLOSING = "the engine is being stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where the start stands. `calls` come next, in one go; `done` since the last stop."""

    number: int
    calls: tuple[Call, ...]
    done: tuple[Step, ...]
    pid: int  #: of the first process, as the host numbers it; 0 = it is not there yet
    inside: Inside | None


class Stepping:
    """One such start. `now`: the stop that it stands at, None while it moves on."""

    def __init__(self, name: str, patience: float, *, provisional: bool) -> None:
        self.now: Stop | None = None
        self.provisional = provisional  #: the container goes when the start is given up
        self.error: EngineError | None = None  #: why there was no start
        self.over = asyncio.Event()  #: the container runs, or nothing of the start is left
        self._name = name
        self._patience = patience
        self._number = 0
        self._turn = asyncio.Lock()
        self._going: asyncio.Future[None] | None = None
        self._to_the_end = False
        self._reason = ""
        self._own = Trace("daemon")
        self._told = 0
        self._inside: Inside | None = None
        self._stops: asyncio.Queue[Stop | None] = asyncio.Queue()

    @property
    def given_up(self) -> bool:
        return bool(self._reason)

    # who looks on -----------------------------------------------------------------------------------------------
    async def stops(self) -> AsyncIterator[Stop]:
        """Each stop as it is reached, until the container runs or the start has failed."""
        while (stop := await self._stops.get()) is not None:
            yield stop

    def go_on(self, number: int | None, *, to_the_end: bool = False) -> None:
        """From the stop with this number (None: from where it stands). Conflict when it does not stand there."""
        if self.now is None or number not in (None, self.now.number):
            raise Conflict(f"the start of container {self._name} does not stand at step {number or 'any'}")
        self._to_the_end = to_the_end
        self._wake()

    def give_up(self, reason: str) -> None:
        """At the next stop, or at once where it stands. Nothing happens where the start is over."""
        if not self.over.is_set():
            self._reason = self._reason or reason
            self._wake()

    # the start itself -------------------------------------------------------------------------------------------
    def follow(self, trace: Trace) -> None:
        """The daemon's own calls are recorded there."""
        self._own = trace

    async def child(self, stopped: Stopped) -> None:
        self._inside = stopped.inside
        await self.pause((stopped.call,), pid=stopped.pid, done=stopped.done)

    async def pause(self, calls: tuple[Call, ...], *, pid: int = 0, done: Sequence[Step] = ()) -> None:
        """Returns when somebody goes on. Conflict when the start was given up, which a stop that lasts too long is."""
        async with self._turn:
            self._check()
            if self._to_the_end or not calls:
                return
            self._number += 1
            self.now = Stop(
                number=self._number, calls=calls, done=self._since(done), pid=pid, inside=self._inside if pid else None
            )
            self._going = asyncio.get_running_loop().create_future()
            self._stops.put_nowait(self.now)
            try:
                async with asyncio.timeout(self._patience):
                    await self._going
            except TimeoutError:
                self.give_up(f"nobody went on for {self._patience:g} s")
            finally:
                self.now = self._going = None
            self._check()

    def end(self) -> None:
        self.over.set()
        self._stops.put_nowait(None)

    def _since(self, done: Sequence[Step]) -> tuple[Step, ...]:
        own, self._told = self._own.steps[self._told :], len(self._own.steps)
        return tuple(sorted((*own, *done), key=lambda step: step.started))

    def _wake(self) -> None:
        if self._going is not None and not self._going.done():
            self._going.set_result(None)

    def _check(self) -> None:
        if self._reason:
            raise Conflict(f"the start of container {self._name} was given up: {self._reason}")
