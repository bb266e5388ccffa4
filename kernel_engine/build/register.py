"""The builds that the engine remembers: what each step came to, and the kernel calls that were made for it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from kernel_engine.build.events import Step
from kernel_engine.errors import NotFound
from kernel_engine.syscalls.trace import Step as Call
from kernel_engine.syscalls.trace import Trace

_REMEMBERED = 64
#: kernel calls of one build that are kept
_CALLS = 20_000


@dataclass(slots=True, eq=False)
class Entry:
    """One build, under way or over."""

    id: str
    tags: tuple[str, ...] = ()
    started: float = field(default_factory=time.time)  #: seconds since the epoch
    seconds: float = 0.0
    image: str = ""
    error: str = ""
    steps: dict[int, Step] = field(default_factory=dict)  #: the newest state of each
    calls: Trace = field(default_factory=lambda: Trace("daemon"))  #: of all that is done for it
    work: asyncio.Future[Any] | None = None  #: while it is under way

    def trace(self) -> tuple[Call, ...]:
        """In the order of time."""
        return self.calls.whole[:_CALLS]

    def in_order(self) -> tuple[Step, ...]:
        return tuple(self.steps[number] for number in sorted(self.steps))


class Register:
    """The last builds, the newest last. An id that is used again means the newer build."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def open(self, id: str, tags: tuple[str, ...]) -> Entry:
        entry = self._entries[id] = Entry(id, tags)
        self._entries.move_to_end(id)
        while len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)
        return entry

    def close(self, entry: Entry, *, image: str = "", error: str = "") -> None:
        entry.image, entry.error, entry.work = image, error, None
        entry.calls.closed = True
        entry.seconds = round(time.time() - entry.started, 6)
        for number, step in entry.steps.items():
            if step.state == "running":  # it was cut off
                entry.steps[number] = replace(step, state="failed", error=step.error or error)

    def all(self) -> tuple[Entry, ...]:
        return tuple(self._entries.values())

    def get(self, id: str) -> Entry:
        found = self._entries.get(id)
        if found is None:
            raise NotFound(f"No such build: {id}")
        return found

    def cancel(self, id: str) -> None:
        """Ends a build that is under way; one that is over, or that nobody knows, needs no ending (as BuildKit)."""
        entry = self._entries.get(id)
        if entry is not None and entry.work is not None:
            entry.work.cancel()
