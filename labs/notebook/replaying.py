"""A cell that prints without end, stopped where it prints, when its notebook is replayed for a grade.

Whoever listens cannot stop it in time: what it prints would fill the kernel's memory before an interrupt came through,
and the cells after it would have no kernel. Nothing depends on this but the learner's own points: the grader weighs
what it hears.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labs.replayed import CELL_BYTES, REPLAYED

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

#: beyond what the grader keeps, so that it has seen that it was too much
MOST = CELL_BYTES + (64 << 10)


class Stopped(KeyboardInterrupt):
    """As Ctrl+C would: a command that the cell runs is ended, `except Exception` does not go on."""


class Meter:
    """Characters that the running cell has printed, on all its streams."""

    def __init__(self) -> None:
        self._printed = 0
        self._told = False

    def begin(self, *_: object) -> None:
        self._printed, self._told = 0, False

    def metered(self, write: Callable[[str], Any]) -> Callable[[str], Any]:
        """`write`, as long as there is room; then the cell is stopped, once. What is printed nevertheless, and what
        other threads print, goes nowhere."""

        def metered(text: str) -> Any:
            self._printed += len(text)
            if self._printed <= MOST:
                return write(text)
            if not self._told and threading.current_thread() is threading.main_thread():
                self._told = True
                raise Stopped
            return len(text)

        return metered


def install(shell: InteractiveShell) -> None:
    """Nothing where no notebook is replayed."""
    if not os.environ.get(REPLAYED):
        return
    meter = Meter()
    shell.events.register("pre_run_cell", meter.begin)
    for stream in (sys.stdout, sys.stderr):
        stream.write = meter.metered(stream.write)  # type: ignore[method-assign]
