"""A cell whose command holds a terminal: the wish for it is shown, and JupyterLab opens it beneath the cell.

The cell ends as soon as the terminal is open, or, when the command is over in a moment, with the command.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.display import display

from labs.notebook import server
from labs.notebook.learning import markup
from labs.notebook.terminals import picture, ticket, words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MIME = "application/vnd.docker-labs.terminal+json"
#: how long JupyterLab may take to ask for the terminal, before the cell knows that nobody will
_PATIENCE_SECONDS = 6.0
#: how long a command may take that is over before anybody could type
_MOMENT_SECONDS = 1.0
_LOOK_SECONDS = 0.02
INTERRUPTED = 130


def wants(source: str, shell: InteractiveShell) -> bool:
    """Is the cell one command that holds a terminal, and is there somebody who can type?"""
    if markup.still() or not getattr(getattr(shell, "kernel", None), "_allow_stdin", False):
        return False
    found = words.of_cell(source)
    return found is not None and words.opens(found)


def run(source: str) -> int | None:
    """The exit code, 0 while the command goes on; None: no JupyterLab of ours is there to open it."""
    environment = server.environment()
    found = words.expanded(source, environment)
    if not words.opens(found):  # a variable held what is no terminal's
        return None
    name = ticket.write(ticket.Wish(words=found, folder=os.getcwd(), environment=environment, kernel=os.getpid()))
    handle: Any = display(_bundle(name), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    try:
        _wait(lambda: ticket.is_taken(name), _PATIENCE_SECONDS)
        if ticket.withdraw(name):
            handle.update({"text/plain": picture.ELSEWHERE}, raw=True)
            return None
        _wait(lambda: ticket.ended(name) is not None, _MOMENT_SECONDS)
    except KeyboardInterrupt:
        ticket.withdraw(name)
        return INTERRUPTED
    return ticket.ended(name) or 0


def _bundle(name: str) -> dict[str, Any]:
    return {
        MIME: {"ticket": name},
        "text/plain": picture.CLOSED,
        "text/html": picture.closed_html(),
    }


def _wait(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
