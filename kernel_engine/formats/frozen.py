"""Frozen dataclasses to plain JSON and back, for what travels between processes or rests in the database.

Understands what the engine's values are made of: str, int, float, bool, None, Literal, tuples, mappings, optional
values and nested dataclasses. Unknown keys are left out, missing keys take their default, so that a newer engine
reads an older one's records.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, Union, cast

Value = TypeVar("Value")


def to_json(value: Any) -> str:
    """A frozen value as JSON. The encoder walks tuples and scalars by itself and asks `_once` for the rest."""
    return _encoder.encode(value)


def revive(cls: type[Value], data: Any) -> Value:
    """The dataclass `cls` from what `to_json` wrote, once it is parsed."""
    hints = _hints(cast(Any, cls))
    known = {field.name for field in dataclasses.fields(cast(Any, cls))}
    return cls(**{name: _revive_as(hints[name], item) for name, item in data.items() if name in known})


def as_object(value: Any) -> dict[str, Any]:
    """One level of a dataclass, for an encoder that knows the rest by itself."""
    names, values = _fields(cast(Any, type(value)))
    return dict(zip(names, values(value), strict=True))


@cache
def _fields(cls: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Their names, and what takes them all from a value at once."""
    names = tuple(field.name for field in dataclasses.fields(cls))
    return names, attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, name) for name in names)


def _once(value: Any) -> Any:
    """One level of what the encoder does not know."""
    if dataclasses.is_dataclass(value):
        return as_object(value)
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    raise TypeError(f"no JSON for {type(value).__name__}")


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_once)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _revive_as(hint: Any, data: Any) -> Any:
    if data is None or hint is Any or hint is object:
        return data
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _revive_as(next(item for item in arguments if item is not type(None)), data)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_revive_as(arguments[0], item) for item in data)
        return tuple(_revive_as(kind, item) for kind, item in zip(arguments, data, strict=True))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _revive_as(arguments[1], item) for key, item in data.items()}
    if dataclasses.is_dataclass(hint):
        return revive(cast(type, hint), data)
    return data
