"""The one error of the Dockerfile language: Docker's text, and beside it the place."""

from __future__ import annotations

import json

from kernel_engine.errors import InvalidRequest

#: of a word in an error
_SHOWN = 200


class DockerfileError(InvalidRequest):
    """A Dockerfile that cannot be built as it is written.

    `message` is the whole sentence as Docker's classic builder sends it (`dockerfile parse error line 3: unknown
    instruction: RUNN`), `reason` only its last part, `file`, `line` (from 1; 0 = the file as a whole) and
    `instruction` (its text on one line) say where.
    """

    def __init__(self, reason: str, *, message: str = "", file: str = "", line: int = 0, instruction: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.file = file
        self.line = line
        self.instruction = instruction


def quote(word: str) -> str:
    """A word in an error as Go's %q has it; a long one is cut."""
    return json.dumps(word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…", ensure_ascii=False)
