"""A Jupyter server extension: /docker-labs/terminals/TICKET is the terminal that a kernel has wished for.

Jupyter's own terminals do the rest (jupyter_server_terminals): their websocket, the size, what is shown to a page that
comes back. A terminal lives as long as its command, its notebook's kernel, and its output in the notebook.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from jupyter_server_terminals.terminalmanager import TerminalManager
from tornado import web
from tornado.ioloop import IOLoop

from labs.notebook.terminals import picture, ticket, words
from labs.notebook.terminals.screen import ScrollBack, still
from labs.notebook.terminals.ticket import Wish

#: as high as the page shows it, until the page has said its own size
_ROWS, _COLUMNS = 20, 100
_SIGNALLED = 128
#: the detach keys, Ctrl-P and Ctrl-Q
_LEAVE = "\x10\x11"


@dataclass(slots=True)
class Held:
    """One terminal. A client of its own in terminado's eyes, which only listens for the end."""

    ticket: str
    name: str
    terminal: Any  #: None when it has ended
    kernel: int  #: a pidfd
    fresh: bool = True
    code: int | None = None
    screen: str = ""  #: the last one, as text, when it has ended
    size: tuple[None, None] = field(default=(None, None))
    typed: str = ""  #: the last characters

    def __post_init__(self) -> None:
        self.terminal.clients.append(self)
        process = self.terminal.ptyproc
        write = process.write

        def noted(text: str) -> Any:
            self.typed = (self.typed + text)[-len(_LEAVE) :]
            return write(text)

        process.write = noted

    def on_pty_read(self, text: str) -> None:
        pass

    def on_pty_died(self) -> None:
        process = self.terminal.ptyproc
        status, number = process.exitstatus, process.signalstatus
        self.code = status if status is not None else _SIGNALLED + (number or 0)
        self.screen = still("".join(self.terminal.read_buffer))
        self.terminal = None
        ticket.end(self.ticket, self.code)

    def facts(self) -> dict[str, Any]:
        """For the page. `name` is that of Jupyter's terminal, null when it has ended: then there is a still picture."""
        fresh, self.fresh = self.fresh, False
        if self.code is None:
            return {"name": self.name, "fresh": fresh, "style": picture.style()}
        left = self.typed == _LEAVE  # `docker run` itself says nothing of it, as Docker's does not
        return {
            "name": None,
            "code": self.code,
            "text": picture.ended_text(self.screen, self.code, left=left),
            "html": picture.ended_html(self.screen, self.code, left=left),
        }


class Desk:
    """The terminals of this server's notebooks, by their tickets."""

    def __init__(self, terminals: TerminalManager) -> None:
        self._terminals = terminals
        self._held: dict[str, Held] = {}
        self._number = 0

    def give(self, name: str) -> Held | None:
        """The ticket's terminal, which begins when somebody first asks for it. None: there is no such ticket."""
        if name not in self._held:
            wish = ticket.take(name)
            if wish is None:
                return None
            if not words.opens(wish.words) or not os.path.isdir(wish.folder):
                ticket.forget(name)
                return None
            self._held[name] = self._begin(name, wish)
        return self._held[name]

    def hang_up(self, name: str) -> None:
        """As when somebody closes the window: SIGHUP, and harder when the command does not mind."""
        held = self._held.pop(name, None)
        if held is None:
            return
        IOLoop.current().remove_handler(held.kernel)
        os.close(held.kernel)
        ticket.forget(name)
        if held.name in self._terminals.terminals:
            IOLoop.current().add_callback(self._terminals.terminate, held.name, force=True)

    def _begin(self, name: str, wish: Wish) -> Held:
        kernel = os.pidfd_open(wish.kernel)
        try:
            self._number += 1
            made = self._terminals.create(
                name=f"docker{self._number}",
                shell_command=[_program(wish.words[0]), *wish.words[1:]],
                cwd=wish.folder,
                extra_env=_environment(wish),
            )["name"]
        except BaseException:
            os.close(kernel)
            raise
        terminal = self._terminals.terminals[made]
        terminal.read_buffer = ScrollBack()
        terminal.ptyproc.setwinsize(_ROWS, _COLUMNS)
        held = Held(ticket=name, name=made, terminal=terminal, kernel=kernel)
        IOLoop.current().add_handler(kernel, lambda *_: self.hang_up(name), IOLoop.READ)
        return held


class TerminalHandler(APIHandler):
    """POST begins or finds a terminal, DELETE hangs up. JupyterLab's own login and XSRF check stand before them."""

    auth_resource = "terminals"

    @property
    def _desk(self) -> Desk:
        terminals = self.settings.get("terminal_manager")
        if terminals is None:
            raise web.HTTPError(503, "this Jupyter server has its terminals switched off")
        desk: Desk = self.settings.setdefault("docker_labs_terminals", Desk(terminals))
        return desk

    @web.authenticated
    @authorized
    def post(self, name: str) -> None:
        held = self._desk.give(name)
        if held is None:
            raise web.HTTPError(404, "there is no such terminal")
        self.finish(json.dumps(held.facts()))

    @web.authenticated
    @authorized
    def delete(self, name: str) -> None:
        self._desk.hang_up(name)
        self.set_status(204)
        self.finish()


def _program(name: str) -> str:
    """The course's own, beside this Python."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


def _environment(wish: Wish) -> dict[str, str | None]:
    """The kernel's, nothing of the server's; the size is asked of the terminal, whose size changes."""
    gone = {name: None for name in os.environ if name not in wish.environment}
    return {**gone, **wish.environment, "TERM": "xterm-256color", "COLUMNS": None, "LINES": None}


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "labs.notebook.terminals.server"}]


def _load_jupyter_server_extension(server: Any) -> None:
    pattern = url_path_join(server.web_app.settings["base_url"], rf"/docker-labs/terminals/({ticket.PATTERN})")
    server.web_app.add_handlers(".*", [(pattern, TerminalHandler)])
