"""The `--name=value` words between a keyword and its arguments. Each instruction says which ones it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kernel_engine.formats.dockerfile.errors import DockerfileError


@dataclass(frozen=True, slots=True)
class Options:
    """What was given, checked: switches are `true` or `false`, an option that may stand several times keeps all."""

    given: dict[str, list[str]]

    def text(self, name: str, default: str = "") -> str:
        return self.given.get(name, [default])[0]

    def switch(self, name: str) -> bool | None:
        """None where it is not given."""
        return self.given[name][0] == "true" if name in self.given else None

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self.given.get(name, ()))


def read(
    flags: Iterable[str], *, texts: Iterable[str] = (), switches: Iterable[str] = (), lists: Iterable[str] = ()
) -> Options:
    """DockerfileError with Docker's texts for an unknown, repeated or incomplete option."""
    given: dict[str, list[str]] = {}
    for flag in flags:
        name, equals, value = flag[2:].partition("=")
        if name not in (*texts, *switches, *lists):
            raise DockerfileError(f"Unknown flag: {name}")
        if name in given and name not in lists:
            raise DockerfileError(f"Duplicate flag specified: {name}")
        if name in switches:
            value = _boolean(name, equals, value)
        elif not equals:
            raise DockerfileError(f"Missing a value on flag: {name}")
        given.setdefault(name, []).append(value)
    return Options(given)


def _boolean(name: str, equals: str, value: str) -> str:
    if equals and not value:
        raise DockerfileError(f"Missing a value on flag: {name}")
    word = value.lower() or "true"
    if word not in ("true", "false"):
        raise DockerfileError(f"Expecting boolean value for flag {name}, not: {value}")
    return word
