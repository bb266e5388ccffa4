"""How a command ends when it does not succeed: a text for standard error and an exit code. `main.py` prints it."""

from __future__ import annotations


class Failed(Exception):
    """Ends the command. `message` goes to standard error as it is; `about` is what the Korean line is looked up by."""

    def __init__(self, message: str, code: int = 1, *, about: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.about = message if about is None else about
