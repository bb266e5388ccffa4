"""Why a build ended without an image, and where in the Dockerfile."""

from __future__ import annotations

from kernel_engine.errors import EngineError


class BuildFailed(EngineError):
    """Docker's text; `code` is the exit code of a RUN (0: it was no RUN); the place as far as it is known.

    detail: what Docker does not say, for the step's own event.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        file: str = "",
        line: int = 0,
        instruction: str = "",
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail
        self.file = file
        self.line = line
        self.instruction = instruction
