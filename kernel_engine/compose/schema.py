"""Do a project's values fit the compose specification's JSON schema? If not: where, in docker compose's words. Pure.

The schema is the specification's own file (`specification/compose-spec.json`, Apache-2.0, beside its licence). What
checks it is ours, because importing jsonschema takes a second on a machine with JupyterLab's extras (decision 0017); it
knows the keywords that the schema uses, and a test holds it against jsonschema.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from kernel_engine.compose.places import Path, dotted
from kernel_engine.compose.refusals import Refused

Schema = dict[str, Any]

#: the one thing that a file may leave out because an earlier one says it (`depends_on`)
CONDITION = ["condition"]

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


class Fault:
    """One thing that does not fit. `about` is the value that it is about, for its line: a key that is too many."""

    __slots__ = ("about", "mendable", "path", "text", "weight")

    def __init__(
        self, path: Path, text: str, about: Path | None = None, *, deeper: int = 0, mendable: bool = False
    ) -> None:
        self.path = path
        self.text = text
        self.mendable = mendable
        self.about = path if about is None else about
        #: the deepest fault is the one to tell; a key that is too many lies one deeper than the mapping it is in
        self.weight = len(path) + deeper

    def __str__(self) -> str:
        return f"{dotted(self.path)} {self.text}"


def validate(values: dict[str, Any], name: str, *, whole: bool = True) -> None:
    """Refused for the most specific fault. `name`: the file that was merged last.

    Not `whole`: these are one file's values. What it leaves out, or says twice in a list, others may mend.
    """
    found = faults(specification(), values)
    fault = max((fault for fault in found if whole or not fault.mendable), key=lambda fault: fault.weight, default=None)
    if fault is not None:
        raise Refused(f"validating {name}: {fault}", fault.about)


@cache
def specification() -> Schema:
    # importlib.resources would take longer to import than the file to read
    with open(f"{os.path.dirname(__file__)}/specification/compose-spec.json", "rb") as file:
        return json.load(file)  # type: ignore[no-any-return]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def faults(schema: Schema, value: Any, path: Path = ()) -> Iterator[Fault]:
    """All that does not fit. A type that is wrong hides what lies in the value."""
    if "$ref" in schema:
        yield from faults(specification()["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, path)
    if "type" in schema and not _is_of(schema, value):
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        yield Fault(path, f"must be a {_either(wanted)}")
        return
    if "enum" in schema and value not in schema["enum"]:
        choices = ", ".join(f"'{choice}'" for choice in schema["enum"])
        yield Fault(path, f"value must be {'one of ' if len(schema['enum']) > 1 else ''}{choices}")
    if isinstance(value, dict):
        yield from _in_mapping(schema, value, path)
    elif isinstance(value, list):
        yield from _in_list(schema, value, path)
    elif isinstance(value, str):
        if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
            yield Fault(path, f"'{value}' does not match pattern '{schema['pattern']}'")
    elif value is not None and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            yield Fault(path, f"must be greater than or equal to {schema['minimum']}")
        if "maximum" in schema and value > schema["maximum"]:
            yield Fault(path, f"must be less than or equal to {schema['maximum']}")
    if "oneOf" in schema:
        yield from _one_of(schema["oneOf"], value, path)


def _in_mapping(schema: Schema, value: dict[str, Any], path: Path) -> Iterator[Fault]:
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        yield Fault(
            path, f"missing propert{'y' if len(missing) == 1 else 'ies'} {names}", mendable=missing == CONDITION
        )
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    unknown = []
    for key, item in value.items():
        fitting = [inner for pattern, inner in patterns.items() if _pattern(pattern).search(key)]
        if key in named:
            fitting.append(named[key])
        for inner in fitting:
            yield from faults(inner, item, (*path, key))
        if not fitting and schema.get("additionalProperties") is False:
            unknown.append(key)
    if unknown:
        names = ", ".join(f"'{name}'" for name in unknown)
        yield Fault(path, f"additional properties {names} not allowed", (*path, unknown[0]), deeper=1)


def _in_list(schema: Schema, value: list[Any], path: Path) -> Iterator[Fault]:
    if "items" in schema:
        for at, item in enumerate(value):
            yield from faults(schema["items"], item, (*path, at))
    if schema.get("uniqueItems"):
        seen: dict[str, int] = {}
        for at, item in enumerate(value):
            before = seen.setdefault(json.dumps(item, sort_keys=True), at)
            if before != at:
                yield Fault(path, f"items at {before} and {at} are equal", (*path, at), mendable=True)
                return


def _one_of(choices: list[Schema], value: Any, path: Path) -> Iterator[Fault]:
    """When none fits: what is wrong by those that are for this type of value, or else by all of them."""
    found = [list(faults(choice, value, path)) for choice in choices]
    if not all(found):
        return
    meant = [some for choice, some in zip(choices, found, strict=True) if _is_of(_followed(choice), value)]
    for some in meant or found:
        yield from some


def _followed(schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = specification()["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _is_of(schema: Schema, value: Any) -> bool:
    wanted = schema.get("type", ())
    return any(TYPES[name](value) for name in ([wanted] if isinstance(wanted, str) else wanted))


def _either(wanted: list[str]) -> str:
    words = sorted("mapping" if word == "object" else word for word in wanted)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
