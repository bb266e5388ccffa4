"""Points in time on the wire. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00Z"


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch → `2024-01-02T03:04:05.678901Z`, as Go writes a time; 0 → Go's zero time."""
    if not seconds:
        return NEVER
    moment = datetime.fromtimestamp(seconds, UTC)
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z"
