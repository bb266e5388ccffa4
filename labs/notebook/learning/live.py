"""The live card: the newest one on the page is drawn again whenever the engine tells of an event.

An older card goes back to what it showed at first: what the cells around it speak of. Nothing runs where nobody looks
on.
"""

from __future__ import annotations

import threading
import time

from kernel_engine.client import APIError, Client, EngineUnreachable
from labs.notebook.learning import facts, markup, picture
from labs.notebook.learning.card import Card, card

LIVE = "지금"
STOOD = "이 셀을 실행했을 때"
AWAY = "엔진이 대답하지 않아요"
#: without events, how often the containers' own files are counted again
_LOOK_SECONDS = 3.0
#: events come in bursts: one drawing for each
_BURST_SECONDS = 0.15
_AGAIN_SECONDS = 2.0


class Listener(threading.Thread):
    """Follows the engine's events for as long as the kernel lives; `happened` is set at each."""

    def __init__(self, client: Client) -> None:
        super().__init__(name="engine-events", daemon=True)
        self._client = client
        self.happened = threading.Event()

    def run(self) -> None:
        while True:
            try:
                with self._client.get("/events") as events:
                    for _ in events.pieces():
                        self.happened.set()
            except (EngineUnreachable, APIError, OSError):
                pass  # the watch finds out by itself and says so
            time.sleep(_AGAIN_SECONDS)


class Watch(threading.Thread):
    """Draws one card until it is told to stand still."""

    def __init__(
        self, card: Card, read: facts.Reader, found: facts.Facts, parts: tuple[str, ...], happened: threading.Event
    ) -> None:
        super().__init__(name="live-card", daemon=True)
        self._card = card
        self._read = read
        self._first = found
        self._parts = parts
        self._happened = happened
        self._still = threading.Event()
        self._drawing = threading.Lock()  #: what is drawn last stays

    def stand_still(self) -> None:
        """From now on the picture is that of the moment at which its cell was run, and says so."""
        with self._drawing:
            self._still.set()
            self._card.markup = picture.as_html(self._first, self._parts, note=STOOD)
        self._happened.set()

    def run(self) -> None:
        last = self._first
        while not self._still.is_set():
            try:
                last = self._read()
                self._draw(last, LIVE)
            except (EngineUnreachable, APIError):
                self._draw(last, AWAY)
                self._still.wait(_AGAIN_SECONDS)
            # containers write files without an event: look again after a while
            if self._happened.wait(_LOOK_SECONDS):
                self._still.wait(_BURST_SECONDS)
                self._happened.clear()

    def _draw(self, known: facts.Facts, note: str) -> None:
        drawn = picture.as_html(known, self._parts, note=note)
        with self._drawing:
            if not self._still.is_set() and drawn != self._card.markup:
                self._card.markup = drawn


_listener: Listener | None = None
_newest: Watch | None = None


def show_live(client: Client, parts: tuple[str, ...]) -> None:
    """A card at the end of the cell. Raises EngineUnreachable when nobody answers."""
    global _newest, _listener  # noqa: PLW0603 - one page has one newest card
    read = facts.Reader(client)
    found = read()
    shown = None
    if not markup.still():
        stand_still()
        shown = card(client, "live", picture.as_html(found, parts, note=LIVE))
        if _listener is None:
            _listener = Listener(client)
            _listener.start()
        _newest = Watch(shown, read, found, parts, _listener.happened)
        _newest.start()
    body = picture.as_html(found, parts)
    html = markup.section("live", body, label=picture.TITLE, boxed=False)
    markup.show(text=picture.as_text(found, parts), html=html, widget=shown)


def stand_still() -> None:
    """No card is live any more."""
    global _newest  # noqa: PLW0603
    if _newest is not None:
        _newest.stand_still()
        _newest = None
