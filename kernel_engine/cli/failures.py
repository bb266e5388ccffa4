"""How a command ends when it does not succeed: a text for standard error and an exit code. `main.py` prints it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Failed(Exception):
    """Ends the command. `message` goes to standard error as it is; `about` is what the Korean line is looked up by."""

    def __init__(self, message: str, code: int = 1, *, about: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.about = message if about is None else about


def raise_error(message: Mapping[str, Any]) -> None:
    """Failed with the engine's text where this line of an answer's stream tells of an error."""
    if message.get("error") or message.get("errorDetail"):
        raise Failed((message.get("errorDetail") or {}).get("message") or message["error"])
