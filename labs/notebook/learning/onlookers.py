"""Who looks at a card: pages say so now and then, and when they leave. Nothing is read for a card that nobody sees."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

#: a page on the screen says every 20 seconds that it is there (card.js), one in the background nothing
AWAY_SECONDS = 60.0


class Onlookers:
    """The places that show a card, each by a name of its own. One that has said nothing for long is no longer there: a
    browser that is closed does not say so. `came` is set when somebody looks again."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self._seen = {"": time.monotonic()}  # the page that has run the cell is on its way

    def sees(self, name: str) -> None:
        known = self.are_there()
        self._seen[name] = time.monotonic()
        if not known:
            self.came.set()

    def leaves(self, name: str) -> None:
        self._seen.pop(name, None)
        self._seen.pop("", None)

    def are_there(self) -> bool:
        """While a cell runs nobody is heard; whoever was there still is."""
        seen = tuple(self._seen.values())
        return bool(seen) and (_cell.runs or time.monotonic() - max(*seen, _cell.ended) < AWAY_SECONDS)


class _Cell:
    """Does a cell run, and when did the last one end."""

    def __init__(self) -> None:
        self.runs = False
        self.ended = 0.0

    def begin(self, *_: object) -> None:
        self.runs = True

    def end(self, *_: object) -> None:
        self.runs, self.ended = False, time.monotonic()


_cell = _Cell()


def install(shell: InteractiveShell) -> None:
    uninstall(shell)
    shell.events.register("pre_run_cell", _cell.begin)
    shell.events.register("post_run_cell", _cell.end)


def uninstall(shell: InteractiveShell) -> None:
    for event, callback in (("pre_run_cell", _cell.begin), ("post_run_cell", _cell.end)):
        if callback in shell.events.callbacks[event]:
            shell.events.unregister(event, callback)
    _cell.runs = False
