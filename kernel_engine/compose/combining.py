"""Several files become one project's values: variables, `include`, `extends` and merging, file after file.

What each step means is elsewhere; here is their order, which is docker compose's: a file's variables are replaced, what
it includes is put under it, what it resets is taken from the files before, its services are extended, then it is merged
and the result held against the schema.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kernel_engine.compose.canonical import Values, canonical
from kernel_engine.compose.checks import check_values
from kernel_engine.compose.documents import Document, plain, replaced
from kernel_engine.compose.extending import Shelf, extended, without
from kernel_engine.compose.finding import STDIN, read_env_files, read_file
from kernel_engine.compose.interpolation import Warn, interpolate
from kernel_engine.compose.merging import merge, once
from kernel_engine.compose.places import Path
from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.schema import validate
from kernel_engine.compose.settling import with_defaults, with_surroundings, with_whole_paths

SECTIONS = ("services", "volumes", "networks", "secrets", "configs", "models")
DEEPEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the words of a file are read with."""

    directory: str  #: where relative paths begin
    environment: Mapping[str, str]
    within: tuple[str, ...] = ()  #: files that include this one


class Combining:
    """One reading. Keeps the documents, so that a refusal can show its line."""

    def __init__(self, warn: Warn, *, interpolated: bool = True, whole_paths: bool = True) -> None:
        self._documents: dict[str, Document] = {}
        self._warn = warn
        self._interpolated = interpolated
        self._whole_paths = whole_paths

    def combine(self, files: Iterable[str], scope: Scope) -> Values:
        """The files' values together, in long forms with whole paths. Refused."""
        values: Values = {}
        for file in files:
            for root in self.document(file).roots:
                values = self._with_root(values, plain(root), tuple(replaced(root)), file, scope)
        values = with_defaults(values)
        check_values(values)
        if self._whole_paths:
            values = with_whole_paths(values, scope.directory)
        return with_surroundings(values, scope.environment)

    def document(self, file: str) -> Document:
        if file not in self._documents:
            data = sys.stdin.buffer.read() if file == STDIN else read_file(file)
            self._documents[file] = Document(file, data)
        return self._documents[file]

    def place_of(self, path: Path) -> str:
        """The lines that a refusal about `path` is about, of the last file that has it; "" where none has."""
        last_first = reversed(self._documents.values())
        best = max(last_first, key=lambda document: document.depth_of(path), default=None)
        return best.place(best.line_of(path)) if best and path and best.depth_of(path) else ""

    def _with_root(self, values: Values, given: Any, resets: tuple[Path, ...], file: str, scope: Scope) -> Values:
        given = self._readable(given, file, scope)
        given = self._including(given, resets, file, scope)
        values = without(values, resets)
        if given.get("services"):
            shelf = Shelf(file=file, directory=scope.directory, services=given["services"], resets=resets)
            given = {**given, "services": extended(shelf, lambda path: self._shelf(path, scope))}
        values = once(merge(values, given))
        validate(values, file)
        if "version" in values:
            del values["version"]
            self._warn(
                f"{file}: the attribute `version` is obsolete, it will be ignored, "
                "please remove it to avoid potential confusion"
            )
        result: Values = once(canonical(values, self._warn, strict=self._interpolated))
        return result

    def _readable(self, given: Any, file: str, scope: Scope) -> Values:
        """With its variables replaced, and with no value of a wrong type, so that merging can rely on it."""
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise Refused("top-level object must be a mapping")
        if self._interpolated:
            given = interpolate(given, scope.environment, self._warn)
        values: Values = given
        validate(values, file, whole=False)
        return values

    def _including(self, given: Values, resets: tuple[Path, ...], file: str, scope: Scope) -> Values:
        result = {key: value for key, value in given.items() if key != "include"}
        for wanted in given.get("include") or ():
            inner = replace(scope, within=(*scope.within, file))
            imported = self._included({"path": wanted} if isinstance(wanted, str) else wanted, inner)
            for section in SECTIONS:
                if imported.get(section):
                    under = without({section: imported[section]}, resets)[section]
                    result[section] = merge(under, result.get(section) or {}, (section,))
        return result

    def _included(self, wanted: Values, scope: Scope) -> Values:
        paths = [_whole(path, scope) for path in _listed(wanted.get("path"))]
        if not paths:
            return {}
        if paths[0] in scope.within:
            raise Refused("include cycle detected:\n" + "\n include ".join([*scope.within, paths[0]]))
        if len(scope.within) > DEEPEST:
            raise Refused(f"{paths[0]}: more than {DEEPEST} files include each other")
        place = _whole(wanted["project_directory"], scope) if wanted.get("project_directory") else ""
        place = place or os.path.dirname(paths[0])
        env_files = [_whole(path, scope) for path in _listed(wanted.get("env_file")) if path != os.devnull]
        default = os.path.join(place, ".env")
        if not wanted.get("env_file") and os.path.isfile(default):
            env_files = [default]
        environment = {**read_env_files(env_files, scope.environment), **scope.environment}
        return self.combine(paths, Scope(directory=place, environment=environment, within=scope.within))

    def _shelf(self, path: str, scope: Scope) -> Shelf:
        """Another file that a service extends from: nothing of it counts but its services."""
        values: Values = {}
        resets: list[Path] = []
        for root in self.document(path).roots:
            given = self._readable(plain(root), path, scope)
            resets += replaced(root)
            values = once(merge(without(values, replaced(root)), given))
        place = os.path.dirname(path)
        values = with_whole_paths(once(canonical(values, self._warn, strict=self._interpolated)), place)
        return Shelf(file=path, directory=place, services=values.get("services") or {}, resets=tuple(resets))


def _listed(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _whole(path: str, scope: Scope) -> str:
    return os.path.normpath(os.path.join(scope.directory, os.path.expanduser(path)))
