"""What to type instead of an image that the offline hub does not hold. Pure but for reading the data file.

The original's name is never put on a substitute: the learner types the other name. The data is `substitutes.json`
beside this file, or what $DOCKER_LABS_SUBSTITUTES names.
"""

from __future__ import annotations

import json
import os
import shlex
from fnmatch import fnmatchcase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

#: ways of writing Docker Hub's own address before a name
HUB = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")
DATA = os.path.join(os.path.dirname(__file__), "substitutes.json")


class Substitute:
    """`use`: a reference that the hub holds, "" when nothing stands in; `install`: the package that makes it do;
    `held`: other tags of the original that the hub holds.
    """

    __slots__ = ("held", "install", "original", "use", "why")

    def __init__(self, original: str, data: Mapping[str, Any]) -> None:
        self.original = original
        self.use: str = data["substitute"] or ""
        self.install: str = data.get("install", "")
        self.held: tuple[str, ...] = tuple(data.get("held", ()))
        self.why: str = data["why"]

    def instead(self, words: Sequence[str], image: str) -> str:
        """The command line to type: the learner's own with the other image, or a shell to install the program in."""
        if self.install:
            return f"docker run -it {self.use} bash"
        return shlex.join(["docker", *(self.use if word == image else word for word in words)])


def substitutes() -> tuple[Substitute, ...]:
    path = os.environ.get("DOCKER_LABS_SUBSTITUTES") or DATA
    with open(path, encoding="utf-8") as file:
        return tuple(Substitute(original, data) for original, data in json.load(file).items())


def find(image: str, known: Sequence[Substitute] | None = None) -> Substitute | None:
    """The stand-in for an image in any of its forms: with its tag first, then by its repository, then by a pattern."""
    known = substitutes() if known is None else known
    tagged, repository = _short(image)
    if tagged in held(known):
        return None
    candidates = [item for name in (tagged, repository) for item in known if item.original == name]
    candidates += [item for item in known if fnmatchcase(repository, item.original)]
    return candidates[0] if candidates else None


def is_held(image: str) -> bool:
    """Whether the offline hub holds the image itself, so that a failed pull says that the hub does not answer."""
    return _short(image)[0] in held(substitutes())


def held(known: Sequence[Substitute]) -> set[str]:
    """What the hub is known to hold: all that stands in for something."""
    return {_short(name)[0] for item in known for name in (item.use, *item.held) if name}


def _short(image: str) -> tuple[str, str]:
    """`docker.io/library/centos` as (`centos:latest`, `centos`)."""
    for prefix in HUB:
        image = image.removeprefix(prefix)
    image = image.removeprefix("library/").partition("@")[0]
    head, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    repository = f"{head}{slash}{name}"
    return f"{repository}:{tag or 'latest'}", repository
