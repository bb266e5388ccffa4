"""The launcher's event loop: readable descriptors and timers, nothing else. Single-threaded, never busy."""

from __future__ import annotations

import heapq
import selectors
import time
from collections.abc import Callable
from itertools import count


class Loop:
    def __init__(self) -> None:
        self._selector = selectors.EpollSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Calls `ready` whenever the descriptor is readable (or its other end closed)."""
        self._selector.register(fd, selectors.EVENT_READ, ready)

    def watch_writable(self, fd: int, ready: Callable[[], None], *, writable: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writable else 0)
        self._selector.modify(fd, events, ready)

    def forget(self, fd: int) -> None:
        """Must come before the descriptor is closed."""
        self._selector.unregister(fd)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), action))

    def run(self) -> None:
        while True:
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()
            timeout = max(self._timers[0][0] - time.monotonic(), 0) if self._timers else None
            for key, _events in self._selector.select(timeout):
                # an earlier callback of this round may have dropped it
                if self._selector.get_map().get(key.fd) == key:
                    key.data()
