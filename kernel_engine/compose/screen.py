"""Output of several containers on one screen: each line headed by who said it, in a colour of its own."""

from __future__ import annotations

import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

#: cyan, yellow, green, magenta, blue, and then the same brighter
COLOURS = ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1")


class Printer:
    """Lines to standard output, and what went to a container's standard error to ours. From any thread."""

    def __init__(
        self, *, coloured: bool, prefixed: bool = True, left: Callable[[BrokenPipeError], None] | None = None
    ) -> None:
        """`left` is told, once, when whoever reads has gone (`| head`); without it BrokenPipeError is raised."""
        self._left = left
        self._coloured = coloured
        self._prefixed = prefixed
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}  #: name → colour
        self._width = 0

    def register(self, names: Iterable[str]) -> None:
        """In this order they get their colours; the longest makes the room that all heads have."""
        with self._lock:
            for name in names:
                self._known(name)

    def say(self, name: str, line: str, *, error: bool = False) -> None:
        """One line, without its end."""
        with self._lock:
            self._write(sys.stderr if error else sys.stdout, f"{self._head(name)}{line}\n")

    def tell(self, name: str, what: str) -> None:
        """`web-1 exited with code 0`."""
        with self._lock:
            self._write(sys.stdout, self._painted(name, f"{name} {what}") + "\n")

    def _write(self, out: TextIO, text: str) -> None:
        try:
            out.write(text)
            out.flush()
        except BrokenPipeError as error:
            if self._left is None:
                raise
            self._left(error)

    def _known(self, name: str) -> None:
        if name not in self._names:
            self._names[name] = COLOURS[len(self._names) % len(COLOURS)]
            self._width = max(self._width, len(name))

    def _head(self, name: str) -> str:
        self._known(name)
        return self._painted(name, f"{name:<{self._width}}  | ") if self._prefixed else ""

    def _painted(self, name: str, text: str) -> str:
        self._known(name)
        return f"\x1b[{self._names[name]}m{text}\x1b[0m" if self._coloured else text


class Lines:
    """Pieces of output to whole lines; what has no end yet is held back until it has, or until `close`."""

    def __init__(self, printer: Printer, name: str) -> None:
        self._printer = printer
        self._name = name
        self._rest = {1: b"", 2: b""}

    def feed(self, stream: int, data: bytes) -> None:
        """`stream`: 1 standard output, 2 standard error."""
        *whole, self._rest[stream] = (self._rest[stream] + data).split(b"\n")
        for line in whole:
            self._say(stream, line)

    def close(self) -> None:
        for stream, rest in self._rest.items():
            if rest:
                self._say(stream, rest)
        self._rest = {1: b"", 2: b""}

    def _say(self, stream: int, line: bytes) -> None:
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        self._printer.say(self._name, text, error=stream == 2)
