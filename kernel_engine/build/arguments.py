"""Build arguments: which are in force where, what a word may use, what a RUN gets, what the cache sees. Pure.

Docker's rules: an argument is in force from its ARG on, to the end of its stage and in stages that stand on it; one
before the first FROM counts for FROM lines only, until a stage names it again; ENV wins over ARG; a value given by the
caller wins over the default; proxies need no ARG, and without one they are in neither history nor cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kernel_engine.formats.dockerfile.instructions import Arg

PROXIES = frozenset(
    name
    for word in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (word, word.lower())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The state at one place of a build; `declare` gives the next one."""

    #: what the caller gave; None: named without a value, and not in the client's environment
    given: Mapping[str, str | None] = field(default_factory=dict)
    #: what FROM lines see: ARG before FROM, and the platforms
    shared: Mapping[str, str] = field(default_factory=dict)
    #: ARG in force in this stage, with its default
    declared: Mapping[str, str | None] = field(default_factory=dict)

    def declare(self, arg: Arg) -> Arguments:
        """After an ARG whose variables are replaced."""
        return replace(self, declared={**self.declared, **dict(arg.arguments)})

    def values(self) -> dict[str, str]:
        """All that have a value, proxies included."""
        found: dict[str, str] = {}
        for name in (*self.declared, *sorted(PROXIES)):
            value = self._value(name)
            if value is not None:
                found[name] = value
        return found

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What `formats.dockerfile.expansion` may use; `environment` is ENV."""
        return {**self.values(), **environment}

    def for_run(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What a RUN's process gets beside ENV."""
        return {name: value for name, value in self.values().items() if name not in environment}

    def in_cache(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """`NAME=value`, sorted: what a RUN's cache key and history hold (Docker writes `|2 A=1 B=2 /bin/sh -c …`)."""
        values = self.for_run(environment)
        return tuple(sorted(f"{name}={value}" for name, value in values.items() if self._shown(name)))

    def _shown(self, name: str) -> bool:
        return name in self.declared or name not in PROXIES

    def _value(self, name: str) -> str | None:
        given = self.given.get(name)
        if given is not None:
            return given
        default = self.declared.get(name)
        return default if default is not None else self.shared.get(name)


def unused(given: Iterable[str], declared: Iterable[str]) -> tuple[str, ...]:
    """Names that were given and that no ARG took, sorted."""
    taken = {*declared, *PROXIES}
    return tuple(sorted(name for name in given if name not in taken))


def unused_warning(names: tuple[str, ...]) -> str:
    """Docker's line, without its line end; empty where nothing is left over."""
    return f"[Warning] One or more build-args [{' '.join(names)}] were not consumed" if names else ""
