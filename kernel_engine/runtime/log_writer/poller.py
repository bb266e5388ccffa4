"""epoll(7) with a callback for each direction of a descriptor, and timers. Level-triggered, single-threaded."""

from __future__ import annotations

import heapq
import select
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

Callback = Callable[[], object]


@dataclass(slots=True)
class _Interest:
    events: int
    read: Callback | None
    write: Callback | None
    gone: Callback | None


class Poller:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._interests: dict[int, _Interest] = {}
        self._new: set[int] = set()
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = count()

    def want(
        self, fd: int, *, read: Callback | None = None, write: Callback | None = None, gone: Callback | None = None
    ) -> None:
        """Replaces what is wanted of `fd`. `gone`: the other side hung up wholly (EPOLLHUP, EPOLLERR)."""
        if read is None and write is None and gone is None:
            return self.forget(fd)
        events = (select.EPOLLIN if read else 0) | (select.EPOLLOUT if write else 0)
        before = self._interests.get(fd)
        if before is None:
            self._epoll.register(fd, events)
            self._new.add(fd)
        elif before.events != events:
            self._epoll.modify(fd, events)
        self._interests[fd] = _Interest(events, read, write, gone)
        return None

    def forget(self, fd: int) -> None:
        """Must come before the descriptor is closed."""
        if self._interests.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def later(self, seconds: float, callback: Callback) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), callback))

    def run(self) -> None:
        while True:
            while self._timers and self._timers[0][0] <= time.monotonic():
                _guarded(heapq.heappop(self._timers)[2])
            ready = self._epoll.poll(max(self._timers[0][0] - time.monotonic(), 0) if self._timers else -1)
            self._new.clear()
            for fd, events in ready:
                # closed in this round and given to another: the event was the old one's
                if fd not in self._new and not _guarded(partial(self._serve, fd, events)):
                    self.forget(fd)

    def _serve(self, fd: int, events: int) -> None:
        hung_up = events & (select.EPOLLHUP | select.EPOLLERR)
        # an earlier callback of this round may have dropped or changed it: look again each time
        if (interest := self._interests.get(fd)) and interest.read and events & (select.EPOLLIN | hung_up):
            interest.read()
        if (interest := self._interests.get(fd)) and interest.write and events & (select.EPOLLOUT | hung_up):
            interest.write()
        if hung_up and (interest := self._interests.get(fd)) and interest.gone:
            interest.gone()


def _guarded(callback: Callback) -> bool:
    """A fault in one container's stream must not take every other one along."""
    try:
        callback()
    except Exception:
        traceback.print_exc()
        return False
    return True
