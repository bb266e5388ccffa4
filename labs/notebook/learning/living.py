"""Pictures that stay true: the newest of each kind on the page is drawn again whenever the engine tells of an event.

An older one goes back to what it showed at first: what the cells around it speak of. Nothing is read where nobody looks
on: under nbval, after an output was cleared, in a page that was closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kernel_engine.client import APIError, Client, EngineUnreachable
from labs.notebook.learning import markup
from labs.notebook.learning.card import Card, card

LIVE = "지금"
STOOD = "이 셀을 실행했을 때"
AWAY = "엔진이 대답하지 않아요"
#: events come in bursts: one drawing for each
_BURST_SECONDS = 0.15
_AGAIN_SECONDS = 2.0

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Living(Generic[Facts]):
    """One kind of picture. `read` raises EngineUnreachable when nobody answers; `as_html` takes the facts and a note
    that says of when they are; `every`: so many seconds after a look it looks again also without an event."""

    kind: str
    title: str
    read: Callable[[], Facts]
    as_text: Callable[[Facts], str]
    as_html: Callable[[Facts, str], str]
    every: float


class Listener(threading.Thread):
    """Follows the engine's events for as long as the kernel lives, and wakes those that wait for them."""

    def __init__(self, client: Client) -> None:
        super().__init__(name="engine-events", daemon=True)
        self._client = client
        self._waiting: set[threading.Event] = set()

    def wake(self, event: threading.Event) -> None:
        self._waiting.add(event)

    def leave(self, event: threading.Event) -> None:
        self._waiting.discard(event)

    def run(self) -> None:
        while True:
            try:
                with self._client.get("/events") as events:
                    for _ in events.pieces():
                        for waiting in tuple(self._waiting):
                            waiting.set()
            except (EngineUnreachable, APIError, OSError):
                pass  # the watch finds out by itself and says so
            time.sleep(_AGAIN_SECONDS)


class Watch(threading.Thread):
    """Draws one card until it is told to stand still, while somebody looks on."""

    def __init__(self, card: Card, living: Living[Any], found: Any) -> None:
        super().__init__(name=f"{living.kind}-card", daemon=True)
        self._card = card
        self._living = living
        self._first = found
        self._still = threading.Event()
        self._drawing = threading.Lock()  #: what is drawn last stays
        self.awake = card.onlookers.came  #: set for a look at once

    def stand_still(self) -> None:
        """From now on the picture is that of the moment at which its cell was run, and says so."""
        with self._drawing:
            self._still.set()
            self._card.markup = self._living.as_html(self._first, STOOD)
        self.awake.set()

    def run(self) -> None:
        last = self._first
        while not self._still.is_set():
            if watched := self._card.onlookers.are_there():
                try:
                    last = self._living.read()
                    self._draw(last, LIVE)
                except (EngineUnreachable, APIError):
                    self._draw(last, AWAY)
                    self._still.wait(_AGAIN_SECONDS)
            if self.awake.wait(self._living.every if watched else None):
                self._still.wait(_BURST_SECONDS)
                self.awake.clear()

    def _draw(self, known: Any, note: str) -> None:
        drawn = self._living.as_html(known, note)
        with self._drawing:
            if not self._still.is_set() and drawn != self._card.markup:
                self._card.markup = drawn


_listener: Listener | None = None
_newest: dict[str, Watch] = {}


def show(client: Client, living: Living[Any], *, around: Callable[[Card, Watch], Any] | None = None) -> None:
    """The picture at the end of the cell. `around`: the widget that holds it. EngineUnreachable when nobody answers."""
    found = living.read()
    shown = None
    if not markup.still():
        stand_still(living.kind)
        drawn = card(client, living.kind, living.as_html(found, LIVE))
        watch = _newest[living.kind] = Watch(drawn, living, found)
        _ears(client).wake(watch.awake)
        watch.start()
        shown = around(drawn, watch) if around else drawn
    html = markup.section(living.kind, living.as_html(found, ""), label=living.title, boxed=False)
    markup.show(text=living.as_text(found), html=html, widget=shown)


def stand_still(kind: str) -> None:
    """No card of this kind is live any more."""
    watch = _newest.pop(kind, None)
    if watch is not None:
        watch.stand_still()
        if _listener is not None:
            _listener.leave(watch.awake)


def _ears(client: Client) -> Listener:
    global _listener  # noqa: PLW0603 - a kernel has one
    if _listener is None:
        _listener = Listener(client)
        _listener.start()
    return _listener
