"""Which version of the Docker Engine API a request speaks. Pure; the numbers live here and nowhere else."""

from __future__ import annotations

import re
from typing import NamedTuple

from kernel_engine.errors import InvalidRequest


class Version(NamedTuple):
    """Compared as numbers: 1.9 is older than 1.24."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Version(1, 24)
NEWEST = Version(1, 47)
#: the first one that asks for images of a name by `filters` only
FILTER_BECAME_FILTERS = Version(1, 25)
#: the first one whose list of networks does not say who is on them
LISTS_WITHOUT_MEMBERS = Version(1, 28)
#: the last one in which an image still told of the container that it was made from
BEFORE_CONTAINER_CONFIG_WENT = Version(1, 44)

_PREFIX = re.compile(r"/v(\d{1,4})\.(\d{1,4})(?=/)")


def split_path(path: str) -> tuple[Version, str]:
    """`/v1.41/info` → (1.41, "/info"). Without a prefix the newest version is meant.

    Raises InvalidRequest with Docker's text for a version that is not served.
    """
    match = _PREFIX.match(path)
    if match is None:
        return NEWEST, path
    version = Version(int(match[1]), int(match[2]))
    if version > NEWEST:
        raise InvalidRequest(f"client version {version} is too new. Maximum supported API version is {NEWEST}")
    if version < OLDEST:
        raise InvalidRequest(
            f"client version {version} is too old. Minimum supported API version is {OLDEST}, "
            "please upgrade your client to a newer version"
        )
    return version, path[match.end() :]
