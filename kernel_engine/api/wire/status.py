"""The STATUS column of `docker ps`: "Up 3 minutes", "Exited (0) 2 hours ago". Pure."""

from __future__ import annotations

from kernel_engine.containers.record import State

_HOUR = 3600
_DAY = 24 * _HOUR


def status_text(state: State, now: float) -> str:
    """As Docker's container.State.String; `now` in seconds since the epoch."""
    up = human_duration(now - state.started_at)
    ago = human_duration(now - state.finished_at)
    texts = {
        "running": f"Up {up}",
        "paused": f"Up {up} (Paused)",
        "restarting": f"Restarting ({state.exit_code}) {ago} ago",
        "removing": "Removal In Progress",
        "dead": "Dead",
        "created": "Created",
    }
    if state.status in texts:
        return texts[state.status]
    return f"Exited ({state.exit_code}) {ago} ago" if state.finished_at else "Created"


def human_duration(seconds: float) -> str:
    """As go-units' HumanDuration, whose wording scripts and eyes are used to."""
    seconds = max(seconds, 0)
    hours = int(seconds / _HOUR + 0.5)
    if seconds < 1:
        return "Less than a second"
    if seconds < 2:
        return "1 second"
    if seconds < 60:
        return f"{int(seconds)} seconds"
    if seconds < 120:
        return "About a minute"
    if seconds < _HOUR:
        return f"{int(seconds / 60)} minutes"
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / _DAY) // 365} years"
