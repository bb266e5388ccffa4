"""What can go wrong, by kind. Imports nothing of ours; every room may raise these.

A message is Docker's own English text where Docker has one: clients and searches rely on it. The ground floor
(`syscalls`) raises plain `OSError`; the crafts translate once. HTTP status and exit codes are looked up at the doors
(`api/errors.py`, `cli/main.py`), never here.
"""

from __future__ import annotations


class EngineError(Exception):
    """An error with one clear sentence (what, which, why) and, where there is one, a hint (what to do)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidRequest(EngineError):
    """The caller's words do not fit (HTTP 400)."""


class Unauthorized(EngineError):
    """A registry wants other credentials (HTTP 401, or 500 where Docker says so)."""


class Forbidden(EngineError):
    """The instance does not allow it (HTTP 403)."""


class NotFound(EngineError):
    """The thing named does not exist (HTTP 404)."""


class Conflict(EngineError):
    """The thing is in a state, or in use, so that this cannot be done (HTTP 409)."""


class NotModified(EngineError):
    """It is so already (HTTP 304)."""


class Unavailable(EngineError):
    """Something outside the engine does not answer: a registry, a helper process (HTTP 500 or 503)."""


class NotSupported(EngineError):
    """A known request that this engine does not serve (HTTP 501)."""


class NoSwarm(EngineError):
    """Asked of a swarm's node, which this engine is not (HTTP 503)."""


class CorruptData(EngineError):
    """Bytes that do not match their digest, or an archive that is damaged or hostile (HTTP 500)."""


class NoSpace(EngineError):
    """The disk is full (HTTP 500)."""


class StartFailed(EngineError):
    """A process could not be started inside a container (HTTP 400 like Docker; exit code 126 or 127)."""

    def __init__(self, message: str, *, exit_code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class KernelRefused(EngineError):
    """The kernel answered a call with an errno, and nothing above knows a better name for it (HTTP 500)."""

    def __init__(self, call: str, errno: int, detail: str, *, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.call = call
        self.errno = errno
