"""The `filters` query parameter, in both shapes that clients send. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from kernel_engine.errors import InvalidRequest

Filters = Mapping[str, tuple[str, ...]]


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


def refuse_unknown(filters: Filters, known: frozenset[str]) -> None:
    for key in filters:
        if key not in known:
            raise InvalidRequest(f"invalid filter '{key}'")


def flag(filters: Filters, key: str) -> bool | None:
    """A yes-or-no filter such as `dangling`: None where it is not given."""
    values = filters.get(key, ())
    if not values:
        return None
    if all(value in ("1", "true", "True") for value in values):
        return True
    if all(value in ("0", "false", "False") for value in values):
        return False
    raise InvalidRequest(f"invalid filter '{key}={values[0]}'")
