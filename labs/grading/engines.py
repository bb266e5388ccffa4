"""The engines of submissions as processes, and what runs in their containers: `kernel-engine forkserver` forks each
from one that has loaded everything.

Starts, signals and hears of ends; what an engine is told, and where it stands, is `booth`'s.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

PROGRAM = (sys.executable, "-P", "-m", "kernel_engine.daemon")
#: an engine ends within seconds; the last ones of a run may have much to put away
_CLOSING_SECONDS = 120


@dataclass(slots=True)
class Forked:
    """A process of the forkserver."""

    _ended: threading.Event = field(default_factory=threading.Event)
    code: int | None = None
    said: str = ""  #: the end of what one in a container printed, or why it did not come in
    refused: bool = False  #: it was never there

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None when it goes on after that long."""
        self._ended.wait(seconds)
        return self.code

    def end(self, code: int, said: str = "", *, refused: bool = False) -> None:
        """It has ended."""
        self.code, self.said, self.refused = code, said, refused
        self._ended.set()


class Engines:
    """May be asked by several threads."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._server = server
        self._numbers = count(1)
        self._running: dict[int, Forked] = {}
        self._gone = False
        self._lock = threading.Lock()
        self._listener = threading.Thread(target=self._hear, daemon=True, name="engines")
        self._listener.start()

    def start(self, words: Sequence[str], log: Path, network: str = "") -> Forked:
        """`kernel-engine WORDS`. `network` is a namespace's file, "" for this machine's. One that cannot be asked for
        any more has ended with 1."""
        return self._order({"words": list(words), "log": str(log), "network": network})

    def enter(
        self, first: int, program: str, words: Sequence[str], *, environment: Mapping[str, str], folder: Path
    ) -> Forked:
        """PROGRAM (MODULE:NAME), called with the words in the container whose first process is `first`, as its user.
        What MODULE imports is imported once, outside, where nothing is known of any submission."""
        told = {"words": list(words), "environment": dict(environment), "folder": str(folder)}
        return self._order({"enter": first, "template": program, **told})

    def load(self, program: str) -> None:
        """It will be entered by: loads it meanwhile."""
        with self._lock:
            self._write({"template": program})

    def _order(self, order: dict[str, object]) -> Forked:
        made = Forked()
        with self._lock:
            number = next(self._numbers)
            self._running[number] = made
            self._write({"id": number, **order})
            if self._gone:
                self._running.pop(number).end(1, refused=True)
        return made

    def _write(self, order: dict[str, object]) -> None:
        assert self._server.stdin is not None
        try:
            self._server.stdin.write(json.dumps(order).encode() + b"\n")
            self._server.stdin.flush()
        except OSError:
            self._gone = True

    def close(self) -> None:
        assert self._server.stdin is not None and self._server.stdout is not None
        with self._lock, suppress(OSError):
            self._server.stdin.close()
        try:
            self._server.wait(_CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._listener.join(_CLOSING_SECONDS)
        self._server.stdout.close()

    def _hear(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            told = json.loads(line)
            with self._lock:
                self._running.pop(told["id"]).end(
                    told["code"], told.get("said", ""), refused=told.get("refused", False)
                )
        with self._lock:
            self._gone = True
            left, self._running = self._running, {}
        for each in left.values():
            each.end(1)


@contextmanager
def forked(program: Sequence[str] = PROGRAM) -> Iterator[Engines]:
    """What is still there at the end is ended. program: a `kernel-engine` of another kind."""
    command = [*program, "forkserver"]
    made = Engines(
        # a session of its own: Ctrl+C in the teacher's terminal is for the grader, which then puts everything away
        subprocess.Popen(command, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    )
    try:
        yield made
    finally:
        made.close()
