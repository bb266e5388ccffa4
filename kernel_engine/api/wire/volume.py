"""Volumes in Docker's JSON."""

from __future__ import annotations

from typing import Any

from kernel_engine.api.wire.moments import rfc3339
from kernel_engine.storage.volumes import Volume


def volume_json(volume: Volume, place: str, usage: tuple[int, int] | None) -> dict[str, Any]:
    """usage: bytes and how many containers have it; None = not counted."""
    answer: dict[str, Any] = {
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": place,
        "CreatedAt": rfc3339(int(volume.created)),
        "Labels": dict(sorted(volume.labels.items())) or None,
        "Options": dict(sorted(volume.options.items())) or None,
        "Scope": "local",
    }
    if usage is not None:
        answer["UsageData"] = {"Size": usage[0], "RefCount": usage[1]}
    return answer
