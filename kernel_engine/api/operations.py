"""What each request asked of the kernel: the last ones that asked anything, with their traces.

Daemon, launcher, workers and children record; here a request gets a trace that all of it comes together in. Containers'
starts and builds have traces of their own besides, which live longer.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from kernel_engine.errors import NotFound
from kernel_engine.syscalls.trace import Step, Steps, Trace, recording

_REMEMBERED = 128
#: kernel calls of one request that are kept
_CALLS = 20_000


@dataclass(slots=True, eq=False)
class Operation:
    """One request that is over."""

    id: str
    method: str
    path: str
    started: float = field(default_factory=time.time)  #: seconds since the epoch
    seconds: float = 0.0
    calls: Steps = field(default_factory=Steps)  #: in the order of time

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.calls[:_CALLS]


class Operations:
    def __init__(self) -> None:
        self._known: OrderedDict[str, Operation] = OrderedDict()
        self._numbers = count(1)

    @contextmanager
    def of(self, method: str, path: str) -> Iterator[None]:
        """Records what is done inside the block, and in tasks that are begun there, until the block ends."""
        trace, began = Trace("daemon"), time.monotonic()
        operation = Operation(id=str(next(self._numbers)), method=method, path=path)
        try:
            with recording(trace):
                yield
        finally:
            trace.closed = True
            if trace.rows or trace.adopted:
                operation.seconds = round(time.monotonic() - began, 6)
                operation.calls = trace.whole
                self._keep(operation)

    def all(self) -> tuple[Operation, ...]:
        """The oldest first."""
        return tuple(self._known.values())

    def get(self, id: str) -> Operation:
        found = self._known.get(id)
        if found is None:
            raise NotFound(f"No such operation: {id}")
        return found

    def _keep(self, operation: Operation) -> None:
        self._known[operation.id] = operation
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
