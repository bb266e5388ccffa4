"""The STATUS column of `docker ps`: "Up 3 minutes", "Exited (0) 2 hours ago". Pure."""

from __future__ import annotations

from kernel_engine.containers.record import State
from kernel_engine.formats.times import human_duration


def status_text(state: State, now: float) -> str:
    """As Docker's container.State.String; `now` in seconds since the epoch."""
    up = human_duration(now - state.started_at)
    ago = human_duration(now - state.finished_at)
    texts = {
        "running": f"Up {up}{_health(state)}",
        "paused": f"Up {up} (Paused)",
        "restarting": f"Restarting ({state.exit_code}) {ago} ago",
        "removing": "Removal In Progress",
        "dead": "Dead",
        "created": "Created",
    }
    if state.status in texts:
        return texts[state.status]
    return f"Exited ({state.exit_code}) {ago} ago" if state.finished_at else "Created"


def _health(state: State) -> str:
    if state.health is None:
        return ""
    return " (health: starting)" if state.health.status == "starting" else f" ({state.health.status})"
