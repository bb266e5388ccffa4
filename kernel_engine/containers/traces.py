"""The kernel traces of container starts: kept beside the container, and for a while after it is removed."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from kernel_engine.syscalls.trace import Step

_REMEMBERED = 128


class Traces:
    """Last start of each container. On disk in the container's directory, so that a daemon restart loses none."""

    def __init__(self) -> None:
        self._recent: OrderedDict[str, tuple[Step, ...]] = OrderedDict()

    def keep(self, container_id: str, steps: Iterable[Step]) -> tuple[Step, ...]:
        """Sorted by time; the steps of create stay in front of those of start."""
        ordered = tuple(sorted(steps, key=lambda step: step.started))
        self._recent[container_id] = ordered
        self._recent.move_to_end(container_id)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return ordered

    def recent(self, container_id: str) -> tuple[Step, ...]:
        return self._recent.get(container_id, ())

    def find(self, prefix: str) -> tuple[Step, ...] | None:
        """The trace of a container removed lately, by its id or an unambiguous beginning."""
        matches = [key for key in self._recent if key.startswith(prefix)]
        return self._recent[matches[0]] if prefix and len(matches) == 1 else None


def write_trace(path: Path, steps: Iterable[Step]) -> None:
    path.write_text(json.dumps([list(step) for step in steps], ensure_ascii=False))


def read_trace(path: Path) -> tuple[Step, ...]:
    try:
        return tuple(Step(*row) for row in json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return ()
