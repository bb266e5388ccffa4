"""Typed reading of a JSON object that came from outside. Null and absent mean the default, as in Docker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel_engine.errors import InvalidRequest

_BIG = 1 << 63


class Fields:
    """Raises InvalidRequest with the field's full name where a value has the wrong type."""

    def __init__(self, data: Mapping[str, Any], path: str = "") -> None:
        self.data = data
        self._path = path
        self._folded: dict[str, Any] | None = None

    def _get(self, key: str) -> Any:
        """By its name, or by one that differs only in capitals, as Go's encoding/json takes it."""
        if key in self.data:
            return self.data[key]
        if self._folded is None:
            self._folded = {name.lower(): value for name, value in self.data.items()}
        return self._folded.get(key.lower())

    def text(self, key: str) -> str:
        value = self._get(key)
        if value is None:
            return ""
        return str(self._checked(key, value, str, "string"))

    def flag(self, key: str) -> bool:
        return bool(self._checked(key, self._get(key) or False, bool, "bool"))

    def optional_flag(self, key: str) -> bool | None:
        return None if self._get(key) is None else self.flag(key)

    def number(self, key: str) -> int:
        return self.optional_number(key) or 0

    def optional_number(self, key: str) -> int | None:
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -_BIG <= value < _BIG:
            raise self._wrong(key, value, "int64")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        return self.optional_words(key) or ()

    def optional_words(self, key: str) -> tuple[str, ...] | None:
        """A list of strings; a single string counts as one word, as Docker reads Cmd and Entrypoint."""
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return (_clean(value),)
        items = self._checked(key, value, list, "[]string")
        return tuple(_clean(item) if isinstance(item, str) else self._raise(key, item, "string") for item in items)

    def mapping(self, key: str) -> dict[str, str]:
        """Strings to strings."""
        found = self.inner(key).data
        return {
            _clean(name): "" if value is None else self._checked(f"{key}.{name}", value, str, "string")
            for name, value in found.items()
        }

    def keys(self, key: str) -> tuple[str, ...]:
        """The keys of a set in Go's clothes: {"80/tcp": {}}."""
        return tuple(_clean(name) for name in self.inner(key).data)

    def inner(self, key: str) -> Fields:
        value = self._get(key)
        return Fields(self._checked(key, value or {}, dict, "object"), f"{self._path}{key}.")

    def objects(self, key: str) -> tuple[Fields, ...]:
        value = self._get(key) or []
        items = self._checked(key, value, list, "[]object")
        return tuple(
            Fields(item, f"{self._path}{key}.") if isinstance(item, dict) else self._raise(key, item, "object")
            for item in items
        )

    def pair(self, key: str) -> tuple[int, int]:
        """Two whole numbers, such as ConsoleSize: rows, columns."""
        value = self._get(key) or [0, 0]
        if not isinstance(value, list) or len(value) != 2 or not all(type(item) is int for item in value):
            raise self._wrong(key, value, "[2]uint")
        return max(value[0], 0), max(value[1], 0)

    def _checked(self, key: str, value: Any, kind: type, name: str) -> Any:
        if not isinstance(value, kind):
            raise self._wrong(key, value, name)
        return _clean(value) if isinstance(value, str) else value

    def _wrong(self, key: str, value: object, name: str) -> InvalidRequest:
        return InvalidRequest(
            f"invalid JSON: cannot unmarshal {_json_type(value)} into field {self._path}{key} of type {name}"
        )

    def _raise(self, key: str, value: object, name: str) -> Any:
        raise self._wrong(key, value, name)


def _clean(text: str) -> str:
    """JSON may carry NUL; no path, argument or name of the kernel can."""
    if "\0" in text:
        raise InvalidRequest("invalid JSON: a string holds a NUL character")
    return text


def _json_type(value: object) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
