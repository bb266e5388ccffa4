"""Values that a client hands over for RUN --mount=type=secret: in memory, for one build, for a short time.

They are never part of a context, an image, a cache key, a log or a record.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping

from kernel_engine.errors import InvalidRequest

#: BuildKit's limit of one value, in bytes
VALUE_LIMIT = 500 * 1024
#: values of one build, and builds that have not begun
_COUNT_LIMIT = 100
#: seconds between handing over and the build
_PATIENCE = 300.0


class Secrets:
    """`clock`: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, dict[str, bytes]]] = {}

    def keep(self, values: Mapping[str, bytes]) -> str:
        """A word that names them, good for one build. InvalidRequest for too many or too large ones."""
        self._forget_old()
        if len(values) > _COUNT_LIMIT or len(self._kept) >= _COUNT_LIMIT:
            raise InvalidRequest(f"more than {_COUNT_LIMIT} secrets")
        for name, value in values.items():
            if not name or "/" in name or "\0" in name:
                raise InvalidRequest(f"invalid secret id {name!r}")
            if len(value) > VALUE_LIMIT:
                raise InvalidRequest(f"secret {name} too big. max size 500KB")
        token = secrets.token_urlsafe(24)
        self._kept[token] = (self._clock() + _PATIENCE, dict(values))
        return token

    def take(self, token: str) -> Mapping[str, bytes]:
        """The values, once; {} for no token. InvalidRequest for one that is not known, or was used."""
        self._forget_old()
        if not token:
            return {}
        found = self._kept.pop(token, None)
        if found is None:
            raise InvalidRequest("the secrets of this build are gone: hand them over again")
        return found[1]

    def _forget_old(self) -> None:
        now = self._clock()
        for token in [token for token, (until, _) in self._kept.items() if until <= now]:
            del self._kept[token]
