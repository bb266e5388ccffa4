"""What happened in the engine, in order: kept in memory for a while, and handed to whoever listens."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

_KEPT = 1024
#: events that wait for a listener at most
_UNHEARD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    type: str  #: "container" | "image" | "network" | …
    action: str  #: "create", "die", "exec_start: sh", …
    actor_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    time_ns: int = 0  #: since the epoch


class Events:
    """One stream for all. A listener that does not read is waited for by nobody: its stream ends where it has a gap."""

    def __init__(self) -> None:
        self._past: deque[Event] = deque(maxlen=_KEPT)
        self._listeners: set[asyncio.Queue[Event | None]] = set()

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str] | None = None) -> None:
        event = Event(
            type=type, action=action, actor_id=actor_id, attributes=dict(attributes or {}), time_ns=time.time_ns()
        )
        self._past.append(event)
        for queue in tuple(self._listeners):
            if queue.qsize() < _UNHEARD:
                queue.put_nowait(event)
            else:
                self._listeners.discard(queue)
                queue.put_nowait(None)

    def close(self) -> None:
        """Ends every subscription."""
        for queue in self._listeners:
            queue.put_nowait(None)
        self._listeners.clear()

    async def subscribe(
        self,
        since: float | None = None,
        until: float | None = None,
        filters: Mapping[str, tuple[str, ...]] | None = None,
    ) -> AsyncIterator[Event]:
        """Past events from `since` (seconds since the epoch), then new ones up to `until`; for ever without it."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        past = tuple(self._past) if since is not None else ()
        self._listeners.add(queue)
        try:
            for event in past:
                if event.time_ns >= (since or 0) * 1e9 and (until is None or event.time_ns <= until * 1e9):
                    if matches(event, filters or {}):
                        yield event
            while until is None or time.time() < until:
                try:
                    timeout = None if until is None else max(until - time.time(), 0)
                    async with asyncio.timeout(timeout):  # wait_for may swallow the end of who listens
                        next_event = await queue.get()
                except TimeoutError:
                    return
                if next_event is None:
                    return
                if matches(next_event, filters or {}):
                    yield next_event
        finally:
            self._listeners.discard(queue)


def matches(event: Event, filters: Mapping[str, tuple[str, ...]]) -> bool:
    """Docker's event filters: one key's values are alternatives, several keys must all fit."""
    return all(any(_fits(event, key, value) for value in values) for key, values in filters.items() if values)


def _fits(event: Event, key: str, value: str) -> bool:
    if key == "type":
        return event.type == value
    if key == "event":
        return event.action == value or event.action.startswith(f"{value}:")
    if key == "scope":
        return value == "local"
    if key == "label":
        name, equals, wanted = value.partition("=")
        return name in event.attributes and (not equals or event.attributes[name] == wanted)
    if key == "image":
        name = event.attributes.get("name" if event.type == "image" else "image", "")
        words = {event.actor_id, name}
        return value in words | {without_tag(word) for word in words}
    if key in ("container", "network", "volume"):
        # the beginning of a name is enough, as in Docker
        named = event.attributes.get("name", "")
        return event.type == key and (event.actor_id.startswith(value) or named.startswith(value))
    return False


def without_tag(name: str) -> str:
    """`debian:bookworm` → debian; the port of a registry stays."""
    path = name.partition("@")[0]
    return path.rpartition(":")[0] if ":" in path.rpartition("/")[2] else path
