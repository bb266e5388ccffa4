"""Short forms → long forms: after this, every attribute of a project's values is written in one way. Pure.

`strict` off leaves a word that cannot be read as it is: a file whose variables were not replaced has such words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kernel_engine.compose.interpolation import Warn
from kernel_engine.compose.merging import STARTED, as_mapping
from kernel_engine.compose.places import Path
from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.words import parse_device, parse_mount, parse_port

Values = dict[str, Any]
#: sections whose entries may exist already
RESOURCES = ("networks", "volumes", "secrets", "configs")


def canonical(values: Values, warn: Warn, *, strict: bool = True) -> Values:
    """A copy of all of a project's values in their long forms. Refused."""
    result = dict(values)
    if isinstance(result.get("services"), dict):
        result["services"] = {
            name: service(given, ("services", name), strict=strict) for name, given in result["services"].items()
        }
    for section in RESOURCES:
        if isinstance(result.get(section), dict):
            result[section] = {name: _resource(given, (section, name), warn) for name, given in result[section].items()}
    return result


def service(given: Any, path: Path, *, strict: bool = True) -> Any:
    if not isinstance(given, dict):
        return given
    result = dict(given)
    for name, change in CHANGES.items():
        if result.get(name) is not None:
            result[name] = change(result[name])
    for name, parse in PARSERS.items():
        if isinstance(result.get(name), list):
            result[name] = list(_parsed(result[name], (*path, name), parse, strict=strict))
    if isinstance(result.get("dns"), list):
        result["dns"] = [address for address in result["dns"] if address]
    return result


def _parsed(items: list[Any], path: Path, parse: Callable[..., Any], *, strict: bool) -> Iterable[Any]:
    for at, item in enumerate(items):
        if isinstance(item, dict):
            yield item
            continue
        try:
            found = parse(item, (*path, at))
        except Refused:
            if strict:
                raise
            found = item
        yield from found if isinstance(found, list) else [found]


def _resource(given: Any, path: Path, warn: Warn) -> Any:
    if not isinstance(given, dict) or not isinstance(given.get("external"), dict):
        return given
    result = {**given, "external": True}
    name = given["external"].get("name")
    if name is not None:
        place = ".".join(map(str, path))
        warn(f"{place}: external.name is deprecated. Please set name and external: true")
        if result.setdefault("name", name) != name:
            raise Refused(f"{place}: name and external.name conflict; only use name", path)
    return result


def _build(given: Any) -> Any:
    if not isinstance(given, dict):
        return {"context": given}
    result = dict(given)
    for name, change in (("secrets", _grants), ("additional_contexts", _pairs), ("ssh", _pairs)):
        if result.get(name) is not None:
            result[name] = change(result[name])
    return result


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


def _grants(given: list[Any]) -> list[Any]:
    return [{"source": item} if isinstance(item, str) else item for item in given]


def _pairs(given: Any) -> Any:
    """`[a=b, c]` as {"a": "b", "c": None}."""
    if not isinstance(given, list):
        return given
    pairs = (str(item).partition("=") for item in given)
    return {name: value if equals else None for name, equals, value in pairs}


def _dependencies(given: Any) -> Any:
    named = as_mapping(given, STARTED)
    return {name: {**STARTED, **content} if isinstance(content, dict) else content for name, content in named.items()}


def _env_files(given: Any) -> Any:
    items = _listed(given)
    if not isinstance(items, list):
        return items
    return [
        {"required": True, **item} if isinstance(item, dict) else {"path": item, "required": True} for item in items
    ]


CHANGES: dict[str, Callable[[Any], Any]] = {
    "build": _build,
    "configs": _grants,
    "depends_on": _dependencies,
    "dns": _listed,
    "dns_search": _listed,
    "env_file": _env_files,
    "extends": lambda given: {"service": given} if isinstance(given, str) else given,
    "gpus": lambda given: [{"count": "all"}] if isinstance(given, str) else given,
    "label_file": _listed,
    "networks": lambda given: as_mapping(given, None),
    "secrets": _grants,
    "tmpfs": _listed,
}
PARSERS: dict[str, Callable[..., Any]] = {"devices": parse_device, "ports": parse_port, "volumes": parse_mount}
