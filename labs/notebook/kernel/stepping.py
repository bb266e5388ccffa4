"""`%step docker run …`: a card with buttons, on which a container's start goes on one step at a time.

The cell ends when the start stands for the first time: a button that is pressed is heard only while no cell runs. What
the engine says meanwhile is followed by a thread of its own. Where nobody looks on, `labs step --all` says it as text.
"""

from __future__ import annotations

import shlex
import sys
import threading
from dataclasses import replace
from typing import Any

from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import Misused, Parsed, options_of, parse
from kernel_engine.cli.korean import line as korean_line
from kernel_engine.cli.run import RunErrors, create_container
from kernel_engine.client import APIError, Client, Demultiplexer, EngineUnreachable, Stream
from labs.notebook import command_cell
from labs.notebook.kernel import stepping_picture as picture
from labs.notebook.kernel.stepping_picture import Sight
from labs.notebook.learning import markup
from labs.notebook.learning.card import Card, card
from labs.stepping.sides import rows
from labs.stepping.walk import Standing, Walk
from labs.stepping.words import Wish

KIND = "stepping"
#: bytes of a program's output that are shown
OUTPUT = 16 * 1024


def run(client: Client, wanted: Wish, line: str) -> int:
    """0 when a start stands, or has come to its end; the command's own code where nobody looks on."""
    parsed = _parsed(wanted)
    if markup.still() or wanted.unasked or parsed is None:
        return command_cell.run(shlex.join([sys.executable, "-m", "labs.cli", "step", *shlex.split(line)]))
    if code := _pulled(client, parsed):
        return code
    try:
        with RunErrors(wanted.path):
            container = create_container(client, parsed, detached=True)
    except Failed as failure:
        print("\n".join(filter(None, (failure.message, korean_line(failure.about, ["run", *wanted.words])))))
        return failure.code
    Guide(client, wanted, parsed, container).show()
    return 0


def _parsed(wanted: Wish) -> Parsed | None:
    """None for words that the command itself shall refuse, or explain."""
    command = COMMANDS["run"]
    try:
        parsed = parse(options_of(command.options), wanted.words, interspersed=command.interspersed)
    except Misused:
        return None
    return None if parsed.wants_help or not parsed.arguments else parsed


def _pulled(client: Client, parsed: Parsed) -> int:
    """The image is there, or is got by a command of its own, whose progress is seen."""
    image = parsed.arguments[0]
    try:
        client.get(f"/images/{image}/json").close()
    except APIError:
        if parsed["pull"] == "missing":
            return command_cell.run(shlex.join(["docker", "pull", image]))
    return 0


class Guide:
    """One start and its card."""

    def __init__(self, client: Client, wanted: Wish, parsed: Parsed, container: str) -> None:
        self._client = client
        self._output = None if parsed["detach"] or parsed["tty"] else _attach(client, container)
        self._sight = Sight(
            command=shlex.join(["docker", wanted.path, *wanted.words]),
            name=client.get(f"/containers/{container}/json").json()["Name"].lstrip("/"),
            terminal=parsed["tty"],
        )
        self._walk = Walk(client, container, every_call=wanted.every_call)
        self._standing: Standing | None = None
        self._card: Card = card(client, KIND, picture.as_html(self._sight), self._do)
        self._output_area = markup.Growing(self._card)
        self._first = threading.Event()

    def show(self) -> None:
        """Ends when the start stands for the first time, or has failed before that."""
        threading.Thread(target=self._follow, name="step-card", daemon=True).start()
        self._first.wait()

    def _finish(self) -> None:
        """What is left in the notebook, for whoever opens it later."""
        html = markup.section(KIND, picture.as_html(replace(self._sight, live=False)), label=picture.TITLE, boxed=False)
        self._output_area.finish(text=picture.as_text(self._sight), html=html)

    def _do(self, word: str) -> None:
        standing = self._standing
        if word == "quit":
            self._walk.give_up()
        elif standing is not None:
            self._walk.on(standing.stop, to_the_end=word == "end")

    def _follow(self) -> None:
        try:
            for standing in self._walk:
                self._standing = standing
                self._draw(self._sight.at(standing, rows(standing.view)))
                if standing.number == 1:
                    self._finish()
                self._first.set()
            assert self._walk.end is not None
            self._draw(replace(self._sight, end=self._walk.end, steps=self._steps()))
            self._first.set()
            if not self._walk.end.error and self._output is not None:
                self._draw(replace(self._sight, output=_read(self._output)))
            self._finish()
        finally:
            self._first.set()
            if self._output is not None:
                self._output.close()

    def _steps(self) -> tuple[dict[str, Any], ...]:
        try:
            path = f"/kernel-engine/containers/{self._walk.container}/trace"
            return tuple(self._client.get(path).json()["Steps"])
        except (APIError, EngineUnreachable):
            return ()

    def _draw(self, sight: Sight) -> None:
        self._sight = sight
        self._card.markup = picture.as_html(sight)


def _attach(client: Client, container: str) -> Stream:
    query = {"stream": True, "stdout": True, "stderr": True}
    return client.hijack(f"/containers/{container}/attach", query=query)


def _read(stream: Stream) -> str:
    """What the program printed, up to its end."""
    frames, text = Demultiplexer(), b""
    data = stream.leftover
    while True:
        text += b"".join(payload for _, payload in frames.feed(data))
        text = text[-OUTPUT:]
        try:
            data = stream.socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            return text.decode("utf-8", "replace")
