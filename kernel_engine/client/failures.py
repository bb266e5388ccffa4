"""What a request can fail with."""

from __future__ import annotations

from kernel_engine.errors import EngineError


class APIError(EngineError):
    """The engine answered with a status of 400 or more; `message` is its own text, `line` the place in a Dockerfile."""

    def __init__(self, status: int, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.line = line


class EngineUnreachable(EngineError):
    """Nobody answers at the address, or the connection ended before the answer did."""
