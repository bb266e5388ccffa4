"""What templates call and print: Docker's functions and Go's own (text/template/funcs.go). Pure.

A ValueError here is Go's own sentence for an argument that does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from kernel_engine.formats.go_printf import printf, show


class Fields:
    """A table's row: values by field name, or functions (fields that are computed or take an argument).

    `kind` is the Go type that an error names: "*formatter.ContainerContext".
    """

    __slots__ = ("kind", "raw", "values")

    def __init__(self, values: Mapping[str, Any], kind: str, raw: Mapping[str, Any] | None = None) -> None:
        """raw: what `{{json .}}` shows where it has other names."""
        self.values = values
        self.kind = kind
        self.raw = raw

    def plain(self) -> dict[str, Any]:
        """What `{{json .}}` shows: every field that needs no argument, by name."""
        if self.raw is not None:
            return dict(self.raw)
        return {name: value for name, value in sorted(self.values.items()) if not callable(value)}


class Nil:
    """Go's nil pointer: a part of a struct that is not there, which its JSON leaves out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __bool__(self) -> bool:
        return False

    def plain(self) -> None:
        return None


class Struct(dict[str, Any]):
    """An object from JSON, and the fields of Go's struct that its JSON names otherwise or leaves out."""

    def __init__(self, values: Mapping[str, Any], others: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.others = others


class Words(dict[str, Any]):
    """Go's map[string]string: a word that is not in it is no mistake."""


class NilList(list[Any]):
    """A slice that is nil: printed as an empty one, null in JSON."""


class NilWords(Words):
    """A map that is nil: printed as an empty one, null in JSON."""


@dataclass(frozen=True, slots=True)
class Function:
    """Takes `least` to `most` arguments; None for any number."""

    call: Callable[..., Any]
    least: int
    most: int | None = None


def go_json(value: Any) -> str:
    """encoding/json as Docker's `json` function: compact, <>& escaped, Korean left as it is."""
    text = json.dumps(_as_json(value), separators=(",", ":"), ensure_ascii=False)
    for letter, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(letter, code)
    return text


def _as_json(value: Any) -> Any:
    if isinstance(value, NilList | NilWords | Nil):
        return None
    if isinstance(value, Fields):
        return _as_json(value.plain())
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value


def truth(value: Any) -> bool:
    return bool(value) or isinstance(value, Fields)


def type_name(value: Any) -> str:
    """Go's name of a value's type."""
    for python, go in ((bool, "bool"), (str, "string"), (int, "int"), (float, "float64"), (list | tuple, "[]string")):
        if isinstance(value, python):
            return go
    return "map[string]interface {}" if isinstance(value, Mapping) else "<nil>" if value is None else "struct"


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if value is None:
            raise ValueError("index of untyped nil")
        if isinstance(value, Mapping):
            if not isinstance(key, str):
                raise ValueError(f"value has type {type_name(key)}; should be string")
            value = value.get(key)
        elif isinstance(value, list | tuple | str):
            if not isinstance(key, int) or isinstance(key, bool):
                raise ValueError(f"cannot index slice/array with type {type_name(key)}")
            if not 0 <= key < len(value):
                raise ValueError(f"index out of range: {key}")
            value = value[key] if not isinstance(value, str) else ord(value[key])
        else:
            raise ValueError(f"can't index item of type {type_name(value)}")
    return value


def _slice(value: Any, *ends: Any) -> Any:
    if not isinstance(value, str | list | tuple):
        raise ValueError("slice of untyped nil" if value is None else f"can't slice item of type {type_name(value)}")
    if len(ends) > 3 or (isinstance(value, str) and len(ends) > 2):
        raise ValueError("cannot 3-index slice a string" if isinstance(value, str) else "too many slice indexes")
    for end in ends:
        if not isinstance(end, int) or isinstance(end, bool):
            raise ValueError(f"cannot index slice/array with type {type_name(end)}")
        if not 0 <= end <= len(value):
            raise ValueError(f"index out of range: {end}")
    start, end = (*ends, *(0, len(value))[len(ends) :])[:2]
    if start > end:
        raise ValueError(f"invalid slice index: {start} > {end}")
    return value[start:end]


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if not isinstance(value, list | tuple | Mapping):
        raise ValueError("len of nil pointer" if value is None else f"len of type {type_name(value)}")
    return len(value)


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise ValueError("missing argument for comparison")
    return any([_same(first, other) for other in others])


def _same(first: Any, other: Any) -> bool:
    if first is None or other is None:
        return first is other
    for value in (first, other):
        if not isinstance(value, bool | str | int | float):
            raise ValueError(f"non-comparable type {type_name(value)}: {show(value)}")
    if _basic(first) != _basic(other):
        raise ValueError("incompatible types for comparison")
    return bool(first == other)


def _basic(value: Any) -> type:
    return bool if isinstance(value, bool) else str if isinstance(value, str) else float


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if not isinstance(left, str | int | float) or isinstance(left, bool):
            raise ValueError("invalid type for comparison")
        if _basic(left) != _basic(right) or not isinstance(right, str | int | float):
            raise ValueError("incompatible types for comparison")
        return test(left, right)

    return compare


def _pad(text: str, before: int, after: int) -> str:
    return f"{' ' * before}{text}{' ' * after}" if text else text


def _title(text: str) -> str:
    return "".join(
        letter.upper() if not at or not (text[at - 1].isalnum() or text[at - 1] in "_'") else letter
        for at, letter in enumerate(text)
    )


def _println(*values: Any) -> str:
    return " ".join(show(value) for value in values) + "\n"


def _print(*values: Any) -> str:
    """fmt.Sprint: a blank between two values of which neither is a string."""
    parts = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            parts.append(" ")
        parts.append(show(value))
    return "".join(parts)


def _html(value: Any) -> str:
    text = show(value)
    for letter, code in (("&", "&amp;"), ('"', "&#34;"), ("'", "&#39;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(letter, code)
    return text


def _js(value: Any) -> str:
    codes = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
    return "".join(codes.get(letter) or (f"\\u{ord(letter):04X}" if letter < " " else letter) for letter in show(value))


def _never(*values: Any) -> Any:
    """`and`, `or` and `call` are carried out where their operands are known."""
    raise AssertionError(values)


FUNCTIONS: dict[str, Function] = {
    "and": Function(_never, 1),
    "call": Function(_never, 1),
    "eq": Function(_equal, 1),
    "ge": Function(_ordered(lambda left, right: left >= right), 2, 2),
    "gt": Function(_ordered(lambda left, right: left > right), 2, 2),
    "html": Function(lambda *values: _html(_print(*values)), 0),
    "index": Function(_index, 1),
    "join": Function(lambda values, separator: separator.join(values), 2, 2),
    "js": Function(lambda *values: _js(_print(*values)), 0),
    "json": Function(go_json, 1, 1),
    "le": Function(_ordered(lambda left, right: left <= right), 2, 2),
    "len": Function(_len, 1, 1),
    "lower": Function(lambda text: text.lower(), 1, 1),
    "lt": Function(_ordered(lambda left, right: left < right), 2, 2),
    "ne": Function(lambda left, right: not _equal(left, right), 2, 2),
    "not": Function(lambda value: not truth(value), 1, 1),
    "or": Function(_never, 1),
    "pad": Function(_pad, 3, 3),
    "print": Function(_print, 0),
    "printf": Function(printf, 1),
    "println": Function(_println, 0),
    "slice": Function(_slice, 1),
    "split": Function(lambda text, separator: text.split(separator) if separator else list(text), 2, 2),
    "title": Function(_title, 1, 1),
    "truncate": Function(lambda text, length: text[:length], 2, 2),
    "upper": Function(lambda text: text.upper(), 1, 1),
    "urlquery": Function(lambda *values: quote_plus(_print(*values)), 0),
}
