"""The `filters` query parameter, and what several lists and prunes filter by: labels, points in time, yes or no.

Pure but for the clock of `read_prune`.

The words are moby's (`api/types/filters`). A room's own filters stand in the room.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.times import timestamp

Filters = Mapping[str, tuple[str, ...]]

_REPEATS = 4
_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Which things a prune takes, of those that nobody uses."""

    until: float | None = None  #: seconds since the epoch: only what is older
    labels: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()  #: `label!`: what carries all of these stays

    def takes(self, *, created: float, labels: Mapping[str, str]) -> bool:
        if self.until is not None and created > self.until:
            return False
        return all_labels(labels, self.labels) and not (self.spared and all_labels(labels, self.spared))


def parse_filters(text: str) -> dict[str, tuple[str, ...]]:
    """`{"name":{"c1":true}}` (docker) and `{"label":["a","b"]}` (docker-py) → key → its values."""
    if not text:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"invalid filter: {error}") from None
    if not isinstance(data, dict):
        raise InvalidRequest("invalid filter: a JSON object is expected")
    return {key: _values(key, value) for key, value in data.items()}


def _values(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, dict):
        return tuple(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise InvalidRequest(f"invalid filter '{key}': a list of words or an object is expected")


def read_prune(filters: Filters) -> Prune:
    """InvalidRequest for a time that is none; other filters are the room's to read."""
    times = filters.get("until", ())
    if len(times) > 1:
        raise InvalidRequest("more than one until filter specified")
    return Prune(
        until=moment(times[0], time.time()) if times else None,
        labels=tuple(filters.get("label", ())),
        spared=tuple(filters.get("label!", ())),
    )


def all_labels(labels: Mapping[str, str], wanted: Iterable[str]) -> bool:
    """Every one of `name` or `name=value` must be there."""
    for word in wanted:
        name, equals, value = word.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def moment(text: str, now: float) -> float:
    """A point in time: epoch seconds, a date, or a Go duration before `now` (`10m`, `1h30m`)."""
    try:
        return float(timestamp(text, now))
    except ValueError:
        raise InvalidRequest(f'failed to parse value as time or duration: "{text}"') from None


@lru_cache(maxsize=256)
def pattern(key: str, word: str) -> re.Pattern[str]:
    """A regular expression as a filter takes it (Go's; what all of these have in common with Python's).

    Where it is none, it finds nothing, as in Go. Python's could search without an end, so that one with much to try is
    InvalidRequest.
    """
    if re.search(r"\)[*+{]", word) or len(re.findall(r"[*+{]", word)) > _REPEATS:
        raise InvalidRequest(f"invalid filter '{key}={word}': too many repetitions")
    try:
        return re.compile(word)
    except (re.error, RecursionError, OverflowError):
        return _NOTHING


def refuse_unknown(filters: Mapping[str, Iterable[str]], known: frozenset[str]) -> None:
    for key in filters:
        if key not in known:
            raise InvalidRequest(f"invalid filter '{key}'")


def flag(filters: Mapping[str, Iterable[str]], key: str) -> bool | None:
    """A yes-or-no filter such as `dangling`: None where it is not given."""
    words = {word.lower() for word in filters.get(key, ())}
    if not words:
        return None
    if words <= {"1", "t", "true"}:
        return True
    if words <= {"0", "f", "false"}:
        return False
    raise InvalidRequest(f"invalid filter '{key}=[{' '.join(sorted(words))}]'")
