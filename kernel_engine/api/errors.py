"""Kinds of error → HTTP status: the one table. Messages pass through as they are."""

from __future__ import annotations

import errno
import json
import logging
import sqlite3

from kernel_engine import errors
from kernel_engine.formats.dockerfile.errors import DockerfileError

log = logging.getLogger("kernel_engine.api")

_STATUS: tuple[tuple[type[errors.EngineError], int], ...] = (
    (errors.NotModified, 304),
    (errors.InvalidRequest, 400),
    (errors.StartFailed, 400),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.NotSupported, 501),
    (errors.NoSwarm, 503),
    (errors.Unavailable, 500),
    (errors.CorruptData, 500),
    (errors.NoSpace, 500),
    (errors.KernelRefused, 500),
)


def status_of(error: BaseException) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def message_of(error: BaseException) -> str:
    """What the client reads: the engine's own sentence, or the operating system's for an error nobody translated."""
    if isinstance(error, errors.EngineError):
        return error.message
    if isinstance(error, OSError) and error.errno is not None:
        text = "no space left on device" if error.errno == errno.ENOSPC else str(error.strerror or error)
        return f"{error.filename}: {text}" if error.filename else text
    if isinstance(error, sqlite3.Error):
        return f"write the records: {'no space left on device' if 'disk is full' in str(error) else error}"
    return f"{type(error).__name__}: {error}"


def note_failure(method: str, path: str, error: BaseException) -> None:
    """One line in the log for what is not the caller's fault, and the traceback where it is a mistake of ours."""
    if status_of(error) != 500:
        return
    foreseen = isinstance(error, errors.EngineError | OSError | sqlite3.Error)
    log.error("%s %s: %s", method, path, message_of(error), exc_info=None if foreseen else error)


def body_of(message: str, error: BaseException | None = None) -> bytes:
    """Docker's error body with the newline that its encoder writes; beside the text the place in a Dockerfile."""
    body: dict[str, str | int] = {"message": message}
    if isinstance(error, DockerfileError) and error.line:
        body |= {"file": error.file, "line": error.line, "instruction": error.instruction}
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"
