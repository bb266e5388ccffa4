"""The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` is any text, `?` one character, the rest stands for itself.

Matched without a regular expression, so that no pattern takes more than its length times the value's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kernel_engine.formats.dockerfile.errors import DockerfileError

#: pattern times value, in characters
_WORK_LIMIT = 2_000_000
#: a part of a pattern: characters, None for `?`. Parts stand between the `*`s
_Part = tuple[str | None, ...]


class Pattern:
    """Raises DockerfileError for an escape that means nothing, and for more work than anybody needs."""

    def __init__(self, text: str, value: str) -> None:
        if len(text) * len(value) > _WORK_LIMIT:
            raise DockerfileError("the pattern of a substitution is too long for its value")
        self._parts = _parts(text)
        self._value = value

    def prefix(self, *, longest: bool) -> int:
        """The length of the prefix that matches; 0 where none does."""
        return _prefix(self._parts, self._value, longest=longest)

    def suffix(self, *, longest: bool) -> int:
        parts = tuple(tuple(reversed(part)) for part in reversed(self._parts))
        return _prefix(parts, self._value[::-1], longest=longest)

    def matches(self) -> Iterator[tuple[int, int]]:
        """From left to right, the longest at each place; an empty match never follows a match directly."""
        value, at, last_end = self._value, 0, -1
        while at <= len(value):
            start = _find(self._parts[0], value, at)
            end = _end(self._parts, value, start, longest=True) if start >= 0 else -1
            if end < 0:
                return
            if end > start or start != last_end:
                yield start, end
                last_end = end
            at = end if end > start else start + 1


def _parts(text: str) -> tuple[_Part, ...]:
    parts: list[list[str | None]] = [[]]
    marks = iter(text)
    for mark in marks:
        if mark == "*":
            parts.append([])
        elif mark == "?":
            parts[-1].append(None)
        elif mark == "\\":
            after = next(marks, "")
            if after not in ("*", "?", "\\", "}", "/"):
                raise DockerfileError(f"invalid escape '\\{after}'")
            parts[-1].append(after)
        else:
            parts[-1].append(mark)
    return tuple(tuple(part) for part in parts)


def _prefix(parts: Sequence[_Part], value: str, *, longest: bool) -> int:
    if not _stands(parts[0], value, 0):
        return 0
    return max(_end(parts, value, 0, longest=longest), 0)


def _end(parts: Sequence[_Part], value: str, start: int, *, longest: bool) -> int:
    """Where a match that starts with the first part at `start` ends; -1 where there is none."""
    at = start + len(parts[0])
    if len(parts) == 1:
        return at
    for part in parts[1:-1]:
        found = _find(part, value, at)
        if found < 0:
            return -1
        at = found + len(part)
    last = parts[-1]
    found = _find_last(last, value, at) if longest else _find(last, value, at)
    return found + len(last) if found >= 0 else -1


def _stands(part: _Part, value: str, at: int) -> bool:
    if at + len(part) > len(value):
        return False
    return all(mark is None or mark == value[at + offset] for offset, mark in enumerate(part))


def _find(part: _Part, value: str, at: int) -> int:
    if None not in part:
        return value.find("".join(mark or "" for mark in part), at)
    return next((place for place in range(at, len(value) - len(part) + 1) if _stands(part, value, place)), -1)


def _find_last(part: _Part, value: str, at: int) -> int:
    if None not in part:
        return value.rfind("".join(mark or "" for mark in part), at)
    return next((place for place in range(len(value) - len(part), at - 1, -1) if _stands(part, value, place)), -1)
