"""`%%docker run -it …`: a person's terminal session, typed by the cell.

The real `docker` command runs in a pseudo terminal. Each line is typed when the engine sees that the program in the
container's foreground waits for input, never after a delay; so the transcript is what a patient person would see.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_engine.cli.commands import find
from kernel_engine.cli.grammar import Misused, options_of, parse
from kernel_engine.client import APIError, Client
from labs.notebook import server
from labs.notebook.transcript import Transcript

ROWS, COLUMNS = 24, 160
#: one question to the engine; the session asks again until it is answered or ended
_PATIENCE = 1.0
#: after a wait: how long the way from the container to here may be silent before all that was printed is here
_QUIET = 0.15
_LEAVE = b"\x10\x11"


class NotATerminal(Exception):
    """The command does not open a terminal. The message is Korean."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A `docker` command line that opens a terminal, understood."""

    words: tuple[str, ...]  #: after `docker`
    command: str  #: "run" | "exec" | "attach" | "start"
    container: str  #: the container named, "" for run
    cidfile: Path | None


def plan(line: str, scratch: Path) -> Plan:
    """Understands `run -it …`, `exec -it …`, `attach …`, `start -ai …` (with or without `docker`)."""
    words = shlex.split(line)
    if words[:1] == ["docker"]:
        words = words[1:]
    path, command, rest = find(words) if words else ("", None, [])
    name = path.split()[-1] if command is not None else ""
    if command is None or name not in ("run", "exec", "attach", "start"):
        raise NotATerminal("%%docker 다음에는 run -it, exec -it, attach, start -ai 가운데 하나를 써 주세요.")
    try:
        parsed = parse(options_of(command.options), rest, interspersed=command.interspersed)
    except Misused as misuse:
        raise NotATerminal(str(misuse)) from None
    if name in ("run", "exec") and (not parsed["tty"] or not parsed["interactive"] or parsed["detach"]):
        raise NotATerminal(f"터미널에 글을 치려면 docker {name}에 -it를 붙여 주세요. (-d와는 함께 쓸 수 없어요.)")
    if name == "start" and not parsed["attach"]:
        raise NotATerminal("터미널에 붙으려면 docker start에 -ai를 붙여 주세요.")
    if name == "run":
        cidfile = Path(parsed["cidfile"]) if parsed["cidfile"] else scratch / "cid"
        at = len(words) - len(rest)
        extra = [] if parsed["cidfile"] else ["--cidfile", str(cidfile)]
        return Plan((*words[:at], *extra, *words[at:]), name, "", cidfile)
    return Plan(tuple(words), name, parsed.arguments[0] if parsed.arguments else "", None)


def wants_terminal(source: str) -> bool:
    """Is this command cell one plain `docker` command that opens a terminal in the foreground?"""
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    text = "\n".join(lines)
    if any(sign in text for sign in ("|", ">", "<", ";", "&", "$(", "`")):
        return False
    try:
        plan(text.replace("\\\n", " "), Path("/nonexistent"))
    except (NotATerminal, ValueError):
        return False
    return "\n" not in text.replace("\\\n", " ")


class Session:
    """One `docker` command in a pseudo terminal. Use as a context manager."""

    def __init__(self, line: str, say: Callable[[str], None]) -> None:
        self._say = say
        self._scratch = tempfile.TemporaryDirectory(prefix="docker-labs-")
        self.plan = plan(line, Path(self._scratch.name))
        server.require_this_engine()
        self._client: Client = server.chosen()
        self._transcript = Transcript()
        self._mark = ""
        self._swallow = ""
        self._heard = False  # anything since the last line was typed
        self._container = ""
        self._before = self._exec_ids(self.plan.container) if self.plan.command == "exec" else frozenset()
        self._process, self._master = self._spawn()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        os.close(self._master)
        self._scratch.cleanup()

    @property
    def container(self) -> str:
        """The container's id, once it exists."""
        return self._container

    @property
    def prompt(self) -> str:
        """The line that the cursor is on."""
        return self._transcript.unfinished

    def until_waiting(self) -> bool:
        """Relays output until the program waits for input (True) or the command has ended (False)."""
        for _ in self._relaying():
            place = self._place()
            if place is None:
                continue
            answer = self._ask(*place)
            if answer and answer["Waiting"]:
                self._mark = answer["Mark"]
                return True
        return False

    def catch_up(self) -> None:
        """Relays what was printed before the wait began: the engine sees a wait sooner than its prompt comes here."""
        end = time.monotonic() + _PATIENCE  # a program may also go on printing
        while self._relay(_QUIET if self._heard else _PATIENCE) and time.monotonic() < end:
            pass

    def type(self, line: str, *, hide_echo: bool = False) -> None:
        """Types a line and Enter. hide_echo: the learner has typed it in a box already, it need not come twice."""
        if hide_echo:
            self._swallow = self._transcript.take_unfinished() + line
        self._heard = False
        os.write(self._master, line.encode() + b"\r")

    def interrupt(self) -> None:
        """Ctrl+C for the program in the foreground."""
        if self._process.poll() is None:
            os.write(self._master, b"\x03")

    def end_input(self) -> None:
        """Ctrl+D: a shell ends, and with it the session. A program that goes on is left alone."""
        os.write(self._master, b"\x04")
        if self.until_waiting():
            self.leave()
        else:
            self.finish()

    def facts(self) -> dict[str, Any] | None:
        """What the engine says of the container; None when there is none (any more)."""
        try:
            found: dict[str, Any] = self._client.get(f"/containers/{self._container}/json").json()
        except APIError:
            return None
        return found

    def leave(self) -> None:
        """Detaches: what is still on its way is shown, the container goes on."""
        while self._relay(_QUIET):
            pass
        os.write(self._master, _LEAVE)
        for _ in self._relaying(relay_last=False):
            pass

    def finish(self) -> int:
        """Waits for the command's end and shows the rest; its exit code."""
        for _ in self._relaying():
            pass
        return self._process.returncode

    # the pseudo terminal ----------------------------------------------------------------------------------------
    def _spawn(self) -> tuple[subprocess.Popen[bytes], int]:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**server.environment(), "TERM": "dumb"}
        docker = Path(sys.executable).with_name("docker")
        process = subprocess.Popen(
            [str(docker) if docker.exists() else "docker", *self.plan.words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        return process, master

    def _relaying(self, *, relay_last: bool = True) -> Iterator[None]:
        """Yields between pieces of output while the command runs; shows all of it when it has ended."""
        while self._process.poll() is None:
            if not self._relay(0.01):
                yield
        while self._relay(0):
            pass
        if relay_last and (rest := self._transcript.take_unfinished().rstrip()):
            self._write(rest + "\n")

    def _relay(self, patience: float) -> bool:
        """Shows what comes within `patience` seconds; False when nothing came."""
        ready, _, _ = select.select([self._master], [], [], patience)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed (EIO)
            return False
        self._heard = True
        self._write(self._transcript.feed(data))
        return bool(data)

    def _write(self, text: str) -> None:
        if self._swallow and text:
            first, newline, rest = text.partition("\n")
            if self._swallow.endswith(first.strip()) or first.endswith(self._swallow):
                text = rest
            self._swallow = "" if newline else self._swallow
        if text:
            self._say(text)

    # the engine -------------------------------------------------------------------------------------------------
    def _place(self) -> tuple[str, str] | None:
        """Container and exec to ask about; None while they do not exist yet."""
        if not self._container:
            self._container = self._find_container()
        if not self._container:
            return None
        if self.plan.command != "exec":
            return self._container, ""
        new = self._exec_ids(self._container) - self._before
        return (self._container, min(new)) if new else None

    def _find_container(self) -> str:
        if self.plan.cidfile is not None:
            return self.plan.cidfile.read_text().strip() if self.plan.cidfile.exists() else ""
        try:
            return str(self._client.get(f"/containers/{self.plan.container}/json").json()["Id"])
        except APIError:
            return ""

    def _exec_ids(self, container: str) -> frozenset[str]:
        try:
            facts: dict[str, Any] = self._client.get(f"/containers/{container}/json").json()
        except APIError:
            return frozenset()
        return frozenset(facts.get("ExecIDs") or ())

    def _ask(self, container: str, exec_id: str) -> dict[str, Any] | None:
        query = {"timeout": str(_PATIENCE), "mark": self._mark, "exec": exec_id}
        end = time.monotonic() + _PATIENCE
        try:
            answer: dict[str, Any] = self._client.get(
                f"/kernel-engine/containers/{container}/terminal", query={k: v for k, v in query.items() if v}
            ).json()
        except APIError:
            return None
        if not answer["Running"]:
            time.sleep(max(min(end - time.monotonic(), 0.02), 0))
        return answer
