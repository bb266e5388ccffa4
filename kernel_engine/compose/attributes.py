"""Typed looks into one mapping of a project's values, in long forms and past the schema. Pure.

A value that still cannot be what its attribute is (a size `abc`) is refused with docker compose's sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from kernel_engine.compose.interpolation import truth
from kernel_engine.compose.places import Path
from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.words import (
    parse_command,
    parse_duration,
    parse_hosts,
    parse_size_word,
    parse_variables,
    text_of,
)

Value = TypeVar("Value")


class Attributes:
    def __init__(self, values: Mapping[str, Any] | None, path: Path) -> None:
        self._values = values or {}
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def raw(self, name: str) -> Any:
        return self._values.get(name)

    def inner(self, name: str) -> Attributes:
        """The mapping `name`, empty when it is not said."""
        given = self._values.get(name)
        return Attributes(given if isinstance(given, dict) else {}, (*self._path, name))

    def items(self, name: str) -> Iterator[Attributes]:
        """The mappings of the list `name`."""
        for at, item in enumerate(self._values.get(name) or ()):
            yield Attributes(item, (*self._path, name, at))

    def named(self, name: str) -> Iterator[tuple[str, Attributes]]:
        """The mappings of the mapping `name`, with their keys."""
        for key, item in (self._values.get(name) or {}).items():
            yield key, Attributes(item, (*self._path, name, key))

    def decoded(self, name: str, parse: Callable[[Any], Value], default: Value) -> Value:
        given = self._values.get(name)
        if given is None:
            return default
        try:
            return parse(given)
        except ValueError as error:
            first, *rest = [*self._path, name]
            words = str(first) + "".join(_part(part, at) for at, part in enumerate(rest))
            raise Refused(
                f"decoding failed due to the following error(s):\n\n'{words}' {error}", (*self._path, name)
            ) from None

    def text(self, name: str) -> str:
        return text_of(self._values.get(name))

    def texts(self, name: str) -> tuple[str, ...]:
        given = self._values.get(name)
        return tuple(text_of(item) for item in ([given] if isinstance(given, str) else given or ()))

    def number(self, name: str, default: int = 0) -> int:
        return self.decoded(name, _whole, default)

    def maybe_number(self, name: str) -> int | None:
        return self.decoded(name, _whole, None)

    def real(self, name: str) -> float:
        return self.decoded(name, _real, 0.0)

    def truth(self, name: str, default: bool = False) -> bool:
        return self.decoded(name, _truth, default)

    def maybe_truth(self, name: str) -> bool | None:
        return self.decoded(name, _truth, None)

    def size(self, name: str) -> int:
        return self.decoded(name, parse_size_word, 0)

    def duration(self, name: str, default: int = 0) -> int:
        return self.decoded(name, parse_duration, default)

    def maybe_duration(self, name: str) -> int | None:
        return self.decoded(name, parse_duration, None)

    def processors(self, name: str) -> int:
        """Billionths."""
        return round(self.real(name) * 1e9)

    def mode(self, name: str) -> int | None:
        """A file mode: a word is octal, a number is the mode itself (YAML's 0440 is 288 already)."""
        return self.decoded(name, lambda given: int(given, 8) if isinstance(given, str) else int(given), None)

    def command(self, name: str) -> tuple[str, ...] | None:
        return self.decoded(name, lambda given: tuple(parse_command(given)), None)

    def hosts(self, name: str) -> tuple[str, ...]:
        return self.decoded(name, lambda given: tuple(parse_hosts(given)), ())

    def mapping(self, name: str) -> dict[str, str]:
        """A mapping, or a list of `key=value`; what has no value has an empty one."""
        return {key: value or "" for key, value in self.variables(name).items()}

    def variables(self, name: str) -> dict[str, str | None]:
        return self.decoded(name, _variables, {})

    def extensions(self) -> dict[str, Any]:
        return {key: value for key, value in self._values.items() if key.startswith("x-") and key != "x-#value"}


def _part(part: str | int, at: int) -> str:
    """mapstructure's way to write a place: keys of the user's own in brackets."""
    return f"[{part}]" if at == 0 or isinstance(part, int) else f".{part}"


def _whole(given: Any) -> int:
    if isinstance(given, float) and not given.is_integer():
        raise ValueError(f"expected a whole number, got {text_of(given)}")
    try:
        return int(given)
    except (ValueError, OverflowError):
        raise ValueError(f'strconv.ParseInt: parsing "{text_of(given)}": invalid syntax') from None


def _real(given: Any) -> float:
    try:
        value = float(given)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{given}": invalid syntax') from None
    if not abs(value) < 1e15:
        raise ValueError(f'strconv.ParseFloat: parsing "{text_of(given)}": value out of range')
    return value


def _truth(given: Any) -> bool:
    return given if isinstance(given, bool) else truth(text_of(given), lambda _: None)


def _variables(given: Any) -> dict[str, str | None]:
    if isinstance(given, dict):
        return {key: None if value is None else text_of(value) for key, value in given.items()}
    return parse_variables(given)
