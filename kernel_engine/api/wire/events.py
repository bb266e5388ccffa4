"""An event → the object that GET /events streams. Pure."""

from __future__ import annotations

from typing import Any

from kernel_engine.containers.events import Event


def event_json(event: Event) -> dict[str, Any]:
    """`status`, `id` and `from` are what clients of the first API versions still read."""
    answer: dict[str, Any] = {}
    if event.type in ("container", "image"):
        answer = {"status": event.action, "id": event.actor_id}
        if event.type == "container" and "image" in event.attributes:
            answer["from"] = event.attributes["image"]
    return answer | {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.actor_id, "Attributes": dict(event.attributes)},
        "scope": "local",
        "time": event.time_ns // 1_000_000_000,
        "timeNano": event.time_ns,
    }
