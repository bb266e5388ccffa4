"""Which image of the offline hub stands in for one that the hub does not hold. Pure but for reading `substitutes.json`.

The original's name is never put on a substitute: the learner is told what to type instead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

#: ways of writing Docker Hub's own address before a name
HUB_PREFIXES = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitute:
    """`original`: a repository, or a pattern with `*`; `use`: a reference that the hub holds; `why`: Korean."""

    original: str
    use: str
    why: str

    def command(self, verb: str = "pull") -> str:
        """What the learner types instead, for example `docker pull debian:trixie`."""
        return f"docker {verb} {self.use}"


@cache
def substitutes() -> tuple[Substitute, ...]:
    """All of them; the first that fits counts."""
    text = resources.files("labs.hub").joinpath("substitutes.json").read_text(encoding="utf-8")
    return tuple(Substitute(**entry) for entry in json.loads(text)["images"])


def repository(reference: str) -> str:
    """The repository as Docker Hub's short name: `docker.io/library/centos:7` is `centos`."""
    name = reference.partition("@")[0]
    for prefix in HUB_PREFIXES:
        name = name.removeprefix(prefix)
    name = name.removeprefix("library/")
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def substitute(reference: str) -> Substitute | None:
    """The stand-in for `reference` (any form), or None when the course names none."""
    name = repository(reference)
    return next((entry for entry in substitutes() if fnmatchcase(name, entry.original)), None)
