"""The lines that pull and push stream: status, progress bar, error. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kernel_engine.formats.sizes import human_size

if TYPE_CHECKING:
    from kernel_engine.images.image import Progress

_WIDTH = 50


def line(value: dict[str, Any]) -> bytes:
    """Docker ends each JSON object of a stream with CR LF."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n"


def progress_json(item: Progress) -> dict[str, Any]:
    """What a layer is doing has `progressDetail`, be it empty; what is only said has none."""
    answer: dict[str, Any] = {"status": item.status}
    if item.id and not item.status.startswith("Pulling from "):
        if item.current > 0 or item.total > 0:
            answer["progressDetail"] = {"current": item.current, "total": item.total}
            answer["progress"] = bar(item.current, item.total)
        else:
            answer["progressDetail"] = {}
    if item.id:
        answer["id"] = item.id
    return answer


def error_json(message: str, status: int) -> dict[str, Any]:
    """An error after the first byte: the HTTP status has been 200 already."""
    detail: dict[str, Any] = {"message": message}
    if status in (401, 403):
        detail["code"] = status
    return {"errorDetail": detail, "error": message}


def bar(current: int, total: int) -> str:
    """`[======>      ]  1.2MB/3.4MB`, as moby's jsonmessage prints it on a wide terminal."""
    if total <= 0:
        return f"{human_size(current):>8}"
    done = min(int(current / total * 100) // 2, _WIDTH)
    box = f"[{'=' * done}>{' ' * (_WIDTH - done)}] "
    if current > total:
        return f"{box}{human_size(current):>8}"
    return f"{box}{human_size(current):>8}/{human_size(total)}"
