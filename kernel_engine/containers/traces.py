"""The kernel traces of containers' starts and ends: kept beside the container, and for a while after it is removed."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from kernel_engine.syscalls.trace import Step, Steps

_REMEMBERED = 128


class Traces:
    """Last start of each container, on disk in the container's directory, so that a daemon restart loses none; and its
    last end, while this daemon lives."""

    def __init__(self) -> None:
        self._recent: OrderedDict[str, Steps] = OrderedDict()
        self._ends: OrderedDict[str, tuple[Step, ...]] = OrderedDict()

    def keep(self, container_id: str, steps: Steps) -> Steps:
        self._recent[container_id] = steps
        self._ends.pop(container_id, None)
        self._recent.move_to_end(container_id)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return steps

    def add_end(self, container_id: str, steps: Iterable[Step]) -> None:
        """Of the container's last end: launcher and daemon each tell their part."""
        kept = sorted((*self._ends.pop(container_id, ()), *steps), key=lambda step: step.started)
        self._ends[container_id] = tuple(kept)
        while len(self._ends) > _REMEMBERED:
            self._ends.popitem(last=False)

    def end(self, container_id: str) -> tuple[Step, ...]:
        return self._ends.get(container_id, ())

    def recent(self, container_id: str) -> tuple[Step, ...]:
        found = self._recent.get(container_id)
        return found.read if found is not None else ()

    def find(self, prefix: str) -> str | None:
        """The id of a container removed lately, by its id or an unambiguous beginning."""
        matches = [key for key in self._recent if key.startswith(prefix)]
        return matches[0] if prefix and len(matches) == 1 else None


def write_trace(path: Path, steps: Steps) -> None:
    path.write_text(json.dumps([list(step) for step in steps], ensure_ascii=False))


def read_trace(path: Path) -> Steps:
    try:
        return Steps(tuple(Step(*row) for row in json.loads(path.read_text())))
    except (OSError, ValueError, TypeError):
        return Steps()
