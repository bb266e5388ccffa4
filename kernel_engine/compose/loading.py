"""Compose files → a sound project. The one entry of the reading half; reads files, asks no engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kernel_engine.cli.body import environment
from kernel_engine.compose.canonical import Values
from kernel_engine.compose.checks import check
from kernel_engine.compose.combining import Combining, Scope
from kernel_engine.compose.documents import plain
from kernel_engine.compose.finding import Found, find, normalised_name, read_variables
from kernel_engine.compose.interpolation import Warn, interpolate
from kernel_engine.compose.model import Project, Service, Wanted
from kernel_engine.compose.places import Path
from kernel_engine.compose.reading import project
from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.selecting import selected, with_profiles, with_services, without_unused
from kernel_engine.compose.settling import settled, without_looked_up
from kernel_engine.compose.words import parse_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """What is done with the files; `config` can leave each of these out."""

    interpolate: bool = True
    settle: bool = True  #: fill in what no file needs to say
    whole_paths: bool = True
    check: bool = True
    env_files: bool = True
    prune: bool = True  #: leave out networks, volumes, … that no service uses


def print_warning(text: str) -> None:
    """As docker compose prints it, with its Korean line."""
    from kernel_engine.cli.korean import hint

    sys.stdout.flush()
    print(f"WARN[0000] {text} ", file=sys.stderr, flush=True)
    hint(text, ())


def load(wanted: Wanted, *, warn: Warn | None = None, care: Care = Care()) -> Project:
    """The project. Refused, with the lines of the file that it is about.

    With `wanted.services` only these and what they depend on are active, the others are in `disabled`.
    """
    reading = _Reading(wanted, warn or print_warning, care)
    try:
        return reading.project()
    except Refused as refused:
        raise reading.placed(refused) from None


def load_values(wanted: Wanted, *, warn: Warn | None = None, care: Care = Care()) -> Values:
    """The same as plain values in long forms, before they are a project: `config --no-interpolate`."""
    reading = _Reading(wanted, warn or print_warning, care)
    try:
        return without_looked_up(reading.values())
    except Refused as refused:
        raise reading.placed(refused) from None


class _Reading:
    def __init__(self, wanted: Wanted, warn: Warn, care: Care) -> None:
        self._wanted = wanted
        self._care = care
        self._said: set[str] = set()
        self._tell = warn
        self._combining = Combining(self._warn, interpolated=care.interpolate, whole_paths=care.whole_paths)
        self._found = Found(files=(), directory="", environment={}, env_files=(), profiles=(), name="")

    def _warn(self, text: str) -> None:
        """Each sentence once: a variable that is used in ten places is missing once."""
        if text not in self._said:
            self._said.add(text)
            self._tell(text)

    def values(self) -> Values:
        self._found = find(self._wanted, self._warn)
        name = self._name()
        environment = {**self._found.environment, "COMPOSE_PROJECT_NAME": name}
        values = self._combining.combine(
            self._found.files, Scope(directory=self._found.directory, environment=environment)
        )
        if not values:
            raise Refused("empty compose file")
        return settled(values, name, environment) if self._care.settle else {**values, "name": name}

    def project(self) -> Project:
        values = self.values()
        result = with_profiles(project(values, self._found), self._found.profiles)
        result = with_services(result, self._wanted.services)
        if self._care.check:
            check(result)
        result = selected(result, self._wanted.services)
        self._warn_of_others(result)
        if self._care.prune:
            result = without_unused(result)
        if not self._care.env_files:
            return result
        services = {name: _with_files(service, given, result) for name, service, given in self._given(result, values)}
        return replace(result, services=services)

    def _warn_of_others(self, result: Project) -> None:
        """`develop` is for `watch` alone; the others would change what `up` does."""
        for name, service in result.services.items():
            for attribute in service.others:
                if attribute != "develop":
                    self._warn(f"services.{name}.{attribute} is not supported by this engine, it is ignored")

    def _given(self, result: Project, values: Values) -> list[tuple[str, Service, Values]]:
        return [(name, service, values["services"][name]) for name, service in result.services.items()]

    def _name(self) -> str:
        """By -p or COMPOSE_PROJECT_NAME, by the last file that says `name:`, or the directory's."""
        if self._found.name:
            return self._found.name
        name = ""
        for file in self._found.files:
            for root in self._combining.document(file).roots:
                given = plain(root).get("name") if isinstance(root.value, dict) else None
                if isinstance(given, str) and given:
                    words = {"name": given}
                    if self._care.interpolate:
                        words = interpolate(words, self._found.environment, self._warn)
                    name = words["name"]
        base = os.path.basename(os.path.realpath(self._found.directory))
        name = normalised_name(name) or normalised_name(base, legacy=self._wanted.legacy)
        if not name:
            raise Refused("project name must not be empty")
        return name

    def placed(self, refused: Refused) -> Refused:
        path: Path = refused.path
        if path:
            refused.show(self._combining.place_of(path))
        return refused


def _with_files(service: Service, given: Values, project: Project) -> Service:
    """With what `env_file` and `label_file` say, under what the service says itself."""
    variables = {**_from_env_files(service, given, project), **service.environment}
    labels: dict[str, str] = {}
    for path in given.get("label_file") or ():
        if not os.path.exists(path):
            raise Refused(
                f"label file {path} not found: stat {path}: no such file or directory",
                ("services", service.name, "label_file"),
            )
        labels |= read_variables(path, labels.get)
    return replace(service, environment=variables, labels={**labels, **service.labels})


def _from_env_files(service: Service, given: Values, project: Project) -> Mapping[str, str]:
    said = {name: value for name, value in service.environment.items() if value is not None}

    def look(name: str) -> str | None:
        return project.environment.get(name, said.get(name))

    found: dict[str, str] = {}
    for item in given.get("env_file") or ():
        path = item["path"]
        if not os.path.exists(path):
            if item.get("required", True) in {False, "false"}:
                continue
            raise Refused(
                f"env file {path} not found: stat {path}: no such file or directory",
                ("services", service.name, "env_file"),
            )
        if item.get("format") == "raw":
            given_values = parse_variables(environment([], [path]))
            values = {key: look(key) if value is None else value for key, value in given_values.items()}
            found |= {key: value for key, value in values.items() if value is not None}
        else:
            found |= read_variables(path, look, {**said, **found})
    return found
