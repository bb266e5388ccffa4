"""Docker's own definition of its API (Swagger 2.0) as a judge of answers: which statuses a path lists, which body fits.

Go writes null for an empty list, map or pointer, so that null fits every array and object here. Fields that the
definition does not name are faults, but for those of `UNNAMED`, which dockerd sends as well. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

DEFINITION = Path(__file__).parent / "testdata" / "docker_api" / "v1.47.yaml"

#: what dockerd sends without its definition naming it
UNNAMED: Mapping[str, frozenset[str]] = {
    "EndpointSettings": frozenset({"GwPriority"}),  # defined from 1.48 on
    "EventMessage": frozenset({"status", "id", "from"}),  # of the first versions, still sent
}
#: numbers that are pointers in Go: null where nobody has said one
POINTERS = frozenset({"MemorySwappiness", "ExitCode"})
#: statuses that dockerd answers as well where a path does not list them, beside the 400 of whatever is malformed
UNLISTED: Mapping[tuple[str, str], int] = {
    ("POST", "/networks/create"): 409,  # the name is taken
    ("GET", "/images/{name}/get"): 404,
    ("POST", "/build"): 404,  # what `remote` names is not there
}

_KEPT = ("type", "format", "enum", "pattern", "minimum", "maximum", "required")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_WIDTHS = {"uint8": (0, 8), "uint16": (0, 16), "uint32": (0, 32), "uint64": (0, 64), "int64": (1, 63), "int32": (1, 31)}
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("dateTime")
@_FORMATS.checks("date-time")
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or _MOMENT.fullmatch(value) is not None


for _name, (_signed, _bits) in _WIDTHS.items():

    @_FORMATS.checks(_name)
    def _fits_in(value: object, low: int = -_signed << _bits, high: int = 1 << _bits) -> bool:
        return not isinstance(value, int) or low <= value < high


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `answers`: status → JSON schema of its body, None where it has none."""

    method: str
    path: str
    tag: str
    answers: Mapping[int, Mapping[str, Any] | None]
    expression: re.Pattern[str]

    def lists(self, status: int) -> bool:
        return status in self.answers or status in (400, UNLISTED.get((self.method, self.path)))

    def faults(self, status: int, body: Any) -> list[str]:
        """What is wrong with an answer's parsed JSON body. Empty: it fits."""
        judge = _judge(self.method, self.path, status)
        return [
            f"{self.method} {self.path} {status}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
            for error in (judge.iter_errors(body) if judge is not None else ())
        ]


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(DEFINITION.read_bytes(), yaml.CSafeLoader)
    return loaded


@cache
def definitions() -> dict[str, Any]:
    return {name: _converted(schema, name) for name, schema in document()["definitions"].items()}


@cache
def operations() -> tuple[Operation, ...]:
    """Literal paths before those with a parameter: /images/search is no image's name."""
    found = list(_operations())
    return tuple(sorted(found, key=lambda one: (one.path.count("{"), -len(one.path))))


@cache
def _judge(method: str, path: str, status: int) -> Draft202012Validator | None:
    schema = next(one for one in operations() if (one.method, one.path) == (method, path)).answers.get(status)
    return schema and Draft202012Validator({**schema, "$defs": definitions()}, format_checker=_FORMATS)


def find(method: str, path: str) -> Operation | None:
    """`path` with or without its version and query; None for what is not Docker's."""
    path = re.sub(r"^/v\d+\.\d+(?=/)", "", path.partition("?")[0])
    return next((one for one in operations() if one.method == method and one.expression.fullmatch(path)), None)


def _operations() -> Iterator[Operation]:
    for path, methods in document()["paths"].items():
        # names of images and plugins hold slashes
        expression = re.compile(re.sub(r"\{(\w+)\}", lambda match: ".+" if match[1] == "name" else "[^/]+", path))
        for method, described in methods.items():
            answers = {
                int(status): _converted(response["schema"]) if "schema" in response else None
                for status, response in described["responses"].items()
            }
            yield Operation(method.upper(), path, described["tags"][0], answers, expression)


def _converted(schema: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Swagger 2.0 → JSON Schema 2020-12, with Go's nulls."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/definitions/", "#/$defs/")}
    if "allOf" in schema:
        return _converted(_merged(schema), name)
    made: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    kind = schema.get("type")
    if kind in ("object", "array") or (kind is not None and schema.get("x-nullable")):
        made["type"] = [kind, "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    if "items" in schema:
        made["items"] = _converted(schema["items"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        made["additionalProperties"] = _converted(schema["additionalProperties"])
    if schema.get("properties"):
        unnamed: dict[str, Any] = dict.fromkeys(UNNAMED.get(name or schema.get("title", ""), ()), True)
        parts = {
            key: part | {"x-nullable": True} if key in POINTERS else part for key, part in schema["properties"].items()
        }
        made["properties"] = {key: _converted(part) for key, part in parts.items()} | unnamed
        made.setdefault("additionalProperties", False)
    return made


def _merged(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`allOf` as one object, so that a field that none of the parts names shows."""
    parts: list[Mapping[str, Any]] = []
    for part in [{key: value for key, value in schema.items() if key != "allOf"}, *schema["allOf"]]:
        inner = document()["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        parts.append(_merged(inner) if "allOf" in inner else inner)
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= {key: value for key, value in part.items() if key not in ("properties", "required")}
    merged["properties"] = {key: value for part in parts for key, value in part.get("properties", {}).items()}
    merged["required"] = sorted({key for part in parts for key in part.get("required", ())})
    return merged
