"""Does a plan's steps: each as soon as those before it are over, as many at once as there are threads for.

The steps are requests that wait for the engine, so that threads are enough. What a step does is for the caller.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from kernel_engine.compose.converge.plan import Step

#: steps at once, as long as --parallel says nothing else
PARALLEL = 16


class Stopped(Exception):
    """Raised inside a step that was waiting when another one failed or the user stopped the command."""


class Halt:
    """Says to the steps that wait that nobody waits for them any more."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._calls: list[Callable[[], None]] = []

    @property
    def called(self) -> bool:
        return self._said.is_set()

    def on_call(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def call(self) -> None:
        self._said.set()
        for call in self._calls:
            call()


def carry_out(
    steps: Sequence[Step], do: Callable[[Step], None], *, halt: Halt | None = None, parallel: int = PARALLEL
) -> None:
    """Raises what the first failing step raised: those that run then are ended, the others not begun.

    KeyboardInterrupt ends it in the same way, and so does a call of `halt` from elsewhere, with Stopped.
    """
    halt = Halt() if halt is None else halt
    waiting = {place: set(step.after) for place, step in enumerate(steps)}
    over: queue.SimpleQueue[tuple[int, BaseException | None]] = queue.SimpleQueue()
    ready: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    threads: list[threading.Thread] = []
    running = 0
    failed: BaseException | None = None

    def work() -> None:
        while (place := ready.get()) is not None:
            try:
                do(steps[place])
            except BaseException as error:
                over.put((place, error))
            else:
                over.put((place, None))

    def begin() -> None:
        nonlocal running
        for place in [place for place, before in waiting.items() if not before]:
            del waiting[place]
            running += 1
            if running > len(threads) and (parallel < 1 or len(threads) < parallel):
                threads.append(threading.Thread(target=work, daemon=True))
                threads[-1].start()
            ready.put(place)

    begin()
    try:
        while running:
            place, error = over.get()
            running -= 1
            if error is not None:
                if failed is None or isinstance(failed, Stopped):
                    failed = error
                halt.call()
                waiting.clear()
                continue
            for before in waiting.values():
                before.discard(place)
            if waiting and halt.called:
                failed = failed or Stopped()
                waiting.clear()
            begin()
    except KeyboardInterrupt:
        halt.call()
        raise
    finally:
        for _ in threads:
            ready.put(None)
    if failed is not None:
        raise failed
