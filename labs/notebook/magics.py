"""The magics: `%docker`, `%%docker`, `%%dockerfile`, `%explain`, `%step`, `%xray`, `%without`, `%reset`, and that of
command cells.

What only some of them need is imported with their first use: every kernel of the course loads this file.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from kernel_engine.cli import korean
from kernel_engine.client import APIError, EngineUnreachable
from labs import practice
from labs.catalogue import NoSuchLab
from labs.engine_view import CommandFailed
from labs.notebook import command_cell, playground, server, session
from labs.notebook.building.recipe import BadRecipe
from labs.notebook.learning import practising, preview
from labs.notebook.session import NotATerminal, Session
from labs.notebook.terminals import cell as terminal_cell
from labs.notebook.transformer import MAGIC
from labs.without.asking import Refused

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NO_STDIN = "이 셀은 터미널에 칠 글을 물어보려고 했는데, 여기서는 물어볼 수 없어요. %%docker 아래에 칠 글을 적어 주세요."


class DockerMagics:
    """Bound to one shell, whose `_exit_code` variable they set."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def docker(self, line: str, cell: str | None = None) -> None:
        """%docker ps: one command. %%docker run -it …: a session, whose lines are the cell's body."""
        if cell is None:
            return self._guarded(lambda: command_cell.run(f"docker {line}"), source=line)
        lines = cell.splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        return self._guarded(lambda: self._session(line, lines), source=line)

    def command(self, line: str, cell: str) -> None:
        """A cell that begins with docker; one that holds a terminal gets a live one, where there is JupyterLab."""
        return self._guarded(lambda: self._command(cell), source=cell)

    def _command(self, cell: str) -> int:
        if terminal_cell.wants(cell, self._shell) and (code := terminal_cell.run(cell)) is not None:
            return code
        if session.wants_terminal(cell):
            return self._session(cell.replace("\\\n", " "), [])
        return command_cell.run(cell)

    def dockerfile(self, line: str, cell: str) -> None:
        """%%dockerfile -t web: the cell's body as a Dockerfile, written and built."""
        from labs.notebook.building import watch

        return self._guarded(lambda: watch.run(line, cell))

    def explain(self, line: str) -> None:
        """%explain docker run …: the command, and what it asked of the kernel."""
        from labs.notebook.kernel import timeline

        try:
            words = timeline.words_of(line)
        except ValueError as error:  # a quotation mark without its second
            return _say(str(error))
        if words is None:
            return _say(timeline.USAGE)
        return self._guarded(lambda: timeline.run(server.require_this_engine(), *words), source=line)

    def step(self, line: str) -> None:
        """%step docker run …: the command, stopped before each step that its container's start asks of the kernel."""
        from labs.notebook.kernel import stepping
        from labs.stepping import words

        try:
            wanted = words.wish(shlex.split(line))
        except ValueError as error:  # a quotation mark without its second
            return _say(str(error))
        if wanted is None:
            return _say(f"%{words.USAGE}")
        return self._guarded(lambda: stepping.run(server.require_this_engine(), wanted, line))

    def xray(self, line: str) -> None:
        """%xray CONTAINER: a running container from the host and from inside."""
        from labs.notebook.kernel import xray

        name = line.strip()
        if not name or len(name.split()) > 1:
            return _say(xray.USAGE)
        return self._guarded(lambda: xray.show(server.require_this_engine(), name))

    def without(self, line: str) -> None:
        """%without pid docker run …: the container without a wall, beside the one with all of them."""
        from labs.notebook.kernel import without

        return self._guarded(lambda: without.show(server.require_this_engine(), line))

    def reset(self, line: str) -> None:
        """%reset: back to the beginning. Removes containers and the images made here; pulled images stay.
        %reset 01-3, %reset 01: only what an exercise, or those of a lab, left."""
        if name := line.strip():
            return self._guarded(lambda: _reset(name))
        return self._guarded(lambda: playground.reset(_say))

    def _session(self, line: str, body: list[str]) -> int:
        with Session(line, _write) as there:
            try:
                return self._by_hand(there) if not body else self._typed(there, body)
            except KeyboardInterrupt:
                there.interrupt()
                there.leave()
                _write(_left(there))
                return 130

    def _typed(self, there: Session, body: list[str]) -> int:
        for number, text in enumerate(body):
            if not there.until_waiting():
                return there.finish()
            if number == 0 and there.plan.command == "attach":
                there.catch_up()  # the program draws its prompt anew for the terminal's size: not into the typed line
            there.type(text)
        if not there.until_waiting():
            return there.finish()
        there.leave()
        _write(_left(there))
        return 0

    def _by_hand(self, there: Session) -> int:
        """Line by line through the kernel's stdin."""
        while there.until_waiting():
            there.catch_up()
            try:
                text = input(there.prompt)
            except EOFError:
                text = "\x04"
            except Exception as error:
                if type(error).__name__ != "StdinNotImplementedError":
                    raise
                there.end_input()
                _say(NO_STDIN)
                return 1
            there.type(text, hide_echo=True)
        return there.finish()

    def _guarded(self, work: Callable[[], int | None], *, source: str = "") -> None:
        """Runs a command; what went wrong is one sentence, never a traceback. `source`: pages of the containers that
        it starts are shown."""
        try:
            started = preview.Started(server.require_this_engine(), source)
            code = work() or 0
            started.show()
        except (NotATerminal, BadRecipe, Refused, server.WrongServer, NoSuchLab, CommandFailed, ValueError) as error:
            _say(str(error))
            code = 125
        except EngineUnreachable as error:
            _say(f"{error.message}\n엔진이 돌고 있지 않아요. 터미널에서 ./lab up 을 실행해 주세요.")
            code = 1
        except APIError as error:
            _say("\n".join(filter(None, (error.message, korean.line(error.message)))))
            code = 1
        self._shell.user_ns["_exit_code"] = code


def register(shell: InteractiveShell) -> None:
    magics = DockerMagics(shell)
    add = cast("Any", shell).register_magic_function  # IPython's own annotations of it are wrong
    add(magics.docker, magic_kind="line_cell", magic_name="docker")
    add(magics.command, magic_kind="cell", magic_name=MAGIC)
    add(magics.dockerfile, magic_kind="cell", magic_name="dockerfile")
    add(magics.explain, magic_kind="line", magic_name="explain")
    add(magics.step, magic_kind="line", magic_name="step")
    add(magics.xray, magic_kind="line", magic_name="xray")
    add(magics.without, magic_kind="line", magic_name="without")
    add(magics.reset, magic_kind="line", magic_name="reset")


def _reset(name: str) -> int:
    try:
        _say(practice.reset(name, server.require_this_engine().host, practising.kept()))
    except KeyboardInterrupt:
        _say(f"멈췄어요. 끝까지 되돌리려면 다시 실행하세요: %reset {name}")
        return 130
    return 0


def _left(there: Session) -> str:
    """What the learner reads after a detached session; nothing when its container has ended."""
    facts = there.facts()
    if facts is None or not facts["State"]["Running"]:
        return ""
    name = facts["Name"].lstrip("/")
    return f"\n터미널에서 나왔어요. 컨테이너 {name}은(는) 계속 돌고 있어요. 다시 붙으려면: docker attach {name}\n"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _say(text: str) -> None:
    _write(f"{text}\n")
