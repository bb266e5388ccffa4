"""Where a value stands in a compose file: paths, patterns of paths, and how a sentence names them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

#: keys of mappings and positions in lists: ("services", "web", "ports", 0)
Path = tuple[str | int, ...]
ITEM = "[]"  #: any position in a list, in a pattern and in some of compose's sentences
ANY = "*"  #: any key

Value = TypeVar("Value")


def dotted(path: Path, item: str = "{}") -> str:
    """`services.web.ports.0`; `item` is how a position is written ("[{}]", "[]")."""
    return ".".join(item.format(part) if isinstance(part, int) else part for part in path)


class Patterns(Generic[Value]):
    """A table by pattern: `services.*.ports.[].target` fits ("services", "web", "ports", 3, "target")."""

    def __init__(self, table: Mapping[str, Value]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], Value]]] = {}
        for pattern, value in table.items():
            parts = tuple(pattern.split("."))
            self._by_length.setdefault(len(parts), []).append((parts, value))

    def get(self, path: Path) -> Value | None:
        for pattern, value in self._by_length.get(len(path), ()):
            if all(map(_fits, pattern, path)):
                return value
        return None


def _fits(pattern: str, part: str | int) -> bool:
    if isinstance(part, int):
        return pattern in {ITEM, ANY}
    return pattern in {ANY, part}
