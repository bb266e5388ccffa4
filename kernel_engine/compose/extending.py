"""`extends`: a service begins as another one, of this file or of another, and says only what differs. Pure but for
`fetch`, which reads another file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kernel_engine.compose.canonical import Values
from kernel_engine.compose.merging import merge
from kernel_engine.compose.places import Path
from kernel_engine.compose.refusals import Refused

Chain = tuple[tuple[str, str], ...]  #: (file, service) on the way here


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The services that can be extended by name."""

    file: str
    directory: str  #: where another file's path begins
    services: Values
    resets: tuple[Path, ...]  #: what the file takes away from what it extends


LONGEST = 100

Fetch = Callable[[str], Shelf]


def extended(shelf: Shelf, fetch: Fetch) -> Values:
    """All services of the shelf. Refused for one that does not exist, and for a circle."""
    return {name: _extended(name, shelf, fetch, ()) for name in shelf.services}


def _extended(name: str, shelf: Shelf, fetch: Fetch, chain: Chain) -> Any:
    service = shelf.services[name]
    if not isinstance(service, dict) or service.get("extends") is None:
        return service
    path: Path = ("services", name, "extends")
    if (shelf.file, name) in chain:
        raise Refused(_circle((*chain, (shelf.file, name))), path)
    chain = (*chain, (shelf.file, name))
    if len(chain) > LONGEST:
        raise Refused(f'cannot extend service "{name}" in {shelf.file}: more than {LONGEST} services in a row', path)
    words = {"service": service["extends"]} if isinstance(service["extends"], str) else service["extends"]
    base, other = words["service"], words.get("file")
    source = shelf if other is None else fetch(os.path.normpath(os.path.join(shelf.directory, other)))
    if base not in source.services:
        where = "" if other is None else f" in {other}"
        raise Refused(f'cannot extend service "{name}" in {shelf.file}: service "{base}" not found{where}', path)
    under = _extended(base, source, fetch, chain)
    if not isinstance(under, dict):
        return service
    under = without({"services": {name: under}}, shelf.resets)["services"].get(name, {})
    merged = merge(under, service, ("services", name))
    return {key: value for key, value in merged.items() if key != "extends"}


def _circle(chain: Chain) -> str:
    (file, service), *others = chain
    lines = ["Circular reference:", f"  {service} in {file}"]
    return "\n".join(lines + [f"  extends {service} in {file}" for file, service in others])


def without(values: Values, paths: Iterable[Path]) -> Values:
    """A copy of `values` that has nothing at `paths`."""
    for path in paths:
        values = _without(values, path) if path else {}
    return values


def _without(values: Any, path: Path) -> Any:
    key, rest = path[0], path[1:]
    if not isinstance(values, dict) or key not in values:
        return values
    if not rest:
        return {name: item for name, item in values.items() if name != key}
    return {**values, key: _without(values[key], rest)}
