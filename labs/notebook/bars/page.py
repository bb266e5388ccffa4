"""The bars on a live page: drawn while the cell's commands tell of something, taken away at the cell's end."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from IPython.display import display

from labs.notebook.bars import picture
from labs.notebook.bars.rows import Reader
from labs.notebook.learning import markup
from labs.notebook.learning.card import Card

#: seconds: what is over sooner needs no bars
PATIENCE = 0.4
#: seconds between two drawings
BURST = 0.15
#: of a line that was cut off; a message is far shorter (PIPE_BUF)
_LONGEST = 1 << 16


class Page:
    """For one cell, a context manager, with the pipe (`told`: its reading end) that the cell's commands write to.

    Drawn from the cell's own loop, so that it needs no thread.
    """

    def __init__(self) -> None:
        self.told, self._tells = os.pipe()
        os.set_blocking(self._tells, False)  # a command never waits for the cell
        self._reader = Reader()
        self._rest = b""
        self._began = time.monotonic()
        self._drawn = 0.0
        self._dirty = False
        self._card: Card | None = None
        self._handle: Any = None

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that the command gets."""
        return (self._tells,)

    @property
    def environment(self) -> dict[str, str]:
        """How `cli.cell.tell` finds the pipe."""
        return {"DOCKER_LABS_PROGRESS": f"{self._tells}:{os.fstat(self._tells).st_ino}"}

    @property
    def wait(self) -> float | None:
        """Seconds until something is to be drawn; None: nothing is."""
        if not self._dirty:
            return None
        now = time.monotonic()
        return max(0.0, self._began + PATIENCE - now, self._drawn + BURST - now)

    def hear(self) -> None:
        """What the pipe holds."""
        self.feed(os.read(self.told, 65536))

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:_LONGEST]
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:  # whatever else found the pipe
                continue
            if isinstance(said, dict):
                self._reader.feed(said)
                self._dirty = True

    def draw(self) -> None:
        """If its time has come."""
        bars = self._reader.bars
        if bars is None or self.wait != 0.0:
            return
        drawn = picture.as_html(bars)
        self._dirty, self._drawn = False, time.monotonic()
        if self._card is None:
            self._card = Card(kind="bars", markup=drawn)
            self._handle = display(  # type: ignore[no-untyped-call]  # IPython's own
                markup.bundle("", "", self._card), raw=True, display_id=True
            )
        self._card.markup = drawn

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing of them stays on the page: the command's own lines say what has come of it."""
        os.close(self.told)
        os.close(self._tells)
        if self._card is not None:
            self._handle.update({}, raw=True)
            self._card.close()
