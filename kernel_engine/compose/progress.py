"""What is being done, as Docker Compose shows it: lines that change on a terminal, one line a state elsewhere.

In a notebook cell only what has come of it is said, in the order of the plan and not of chance: a lab's output is the
same every time.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from kernel_engine.cli.cell import cell, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import TextIO

WORKING, DONE, WARNING, ERROR = "working", "done", "warning", "error"
COLOURS = {DONE: "32", WARNING: "33;1", ERROR: "31;1", WORKING: "34"}
SIGNS = {DONE: "✔", WARNING: "!", ERROR: "✘"}
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TICK = 0.1
MODES = ("auto", "tty", "plain", "quiet", "json")


class Silent:
    """Shows nothing; what every display can do."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def expect(self, names: Iterable[str]) -> None:
        """In which order the things will be named, where that is known."""

    def show(self, name: str, text: str, state: str = WORKING) -> None:
        """`name` ("Container web-1") is `text` ("Creating") now. From any thread."""

    def close(self) -> None:
        """Nothing more will come, of this plan."""


class Plain(Silent):
    """One line for each state, as it comes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def show(self, name: str, text: str, state: str = WORKING) -> None:
        with self._lock:
            self._out.write(f" {name}  {text}\n" if text else f" {name}\n")
            self._out.flush()


class Calm(Silent):
    """Only what has come of each thing, in the order that was expected."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._order: list[str] = []
        self._held: list[tuple[str, str]] = []

    def expect(self, names: Iterable[str]) -> None:
        """A thing that is named twice comes to two ends: started, and then healthy."""
        with self._lock:
            self._order = list(names)

    def show(self, name: str, text: str, state: str = WORKING) -> None:
        tell({"service": name, "text": text, "state": state})
        if state == WORKING:
            return
        text = "Error" if state == ERROR else text  # the command ends with the whole sentence
        with self._lock:
            if name not in self._order:
                self._say(name, text)
                return
            self._held.append((name, text))
            while self._order and (found := next((item for item in self._held if item[0] == self._order[0]), None)):
                self._order.pop(0)
                self._held.remove(found)
                self._say(*found)

    def close(self) -> None:
        """What others that failed kept from being said."""
        with self._lock:
            for name, text in self._held:
                self._say(name, text)
            self._order, self._held = [], []

    def _say(self, name: str, text: str) -> None:
        self._out.write(f" {name}  {text}\n")
        self._out.flush()


class Live(Silent):
    """A block of lines on a terminal that is drawn anew while there is something to do."""

    def __init__(self, out: TextIO, title: str, *, coloured: bool) -> None:
        self._out = out
        self._title = title
        self._coloured = coloured
        self._lock = threading.Lock()
        self._rows: dict[str, list[object]] = {}  #: name → text, state, when it began, when it ended
        self._drawn = 0
        self._ticking = threading.Event()
        self._thread: threading.Thread | None = None

    def show(self, name: str, text: str, state: str = WORKING) -> None:
        now = time.monotonic()
        with self._lock:
            row = self._rows.setdefault(name, ["", WORKING, now, 0.0])
            row[0], row[1] = text, state
            row[3] = 0.0 if state == WORKING else now
            self._draw()
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, daemon=True)
                self._thread.start()

    def close(self) -> None:
        self._ticking.set()
        if self._thread is not None:
            self._thread.join()
            with self._lock:
                self._draw()
        self._thread, self._drawn, self._rows = None, 0, {}
        self._ticking.clear()

    def _tick(self) -> None:
        while not self._ticking.wait(TICK):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        size = _size(self._out)
        now = time.monotonic()
        done = sum(row[1] != WORKING for row in self._rows.values())
        lines = [self._painted(f"[+] {self._title} {done}/{len(self._rows)}", DONE if done == len(self._rows) else "")]
        width = max(map(len, self._rows), default=0)
        lines += [self._line(name, row, width, size.columns, now) for name, row in self._rows.items()]
        if len(lines) > size.lines - 1:  # what is higher than the screen cannot be drawn anew: the end of it counts
            lines = lines[:1] + lines[-(size.lines - 2) :]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._out.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        self._out.flush()
        self._drawn = len(lines)

    def _line(self, name: str, row: list[object], width: int, columns: int, now: float) -> str:
        text, state, began, ended = str(row[0]), str(row[1]), float(str(row[2])), float(str(row[3]))
        sign = SIGNS.get(state) or SPINNER[int(now / TICK) % len(SPINNER)]
        timer = f"{(ended or now) - began:.1f}s "
        room = max(8, columns - width - len(timer) - 6)
        text = text if len(text) <= room else text[: room - 3] + "..."
        gap = max(1, columns - (4 + width + 1 + len(text)) - len(timer) - 1)
        return (
            f" {self._painted(sign, state)} {name:<{width}}  {self._painted(text, state)}"
            f"{' ' * gap}{self._painted(timer, WORKING)}"
        )

    def _painted(self, text: str, state: str) -> str:
        return f"\x1b[{COLOURS[state]}m{text}\x1b[0m" if self._coloured and state in COLOURS else text


def _size(out: TextIO) -> os.terminal_size:
    try:
        size = os.get_terminal_size(out.fileno())
    except OSError:
        size = os.terminal_size((80, 24))
    return os.terminal_size((size.columns or 80, size.lines or 24))


def display(mode: str, title: str, *, ansi: str = "auto") -> Silent:
    """The display for --progress and --ansi; it writes to standard error, in a cell to where the cell reads."""
    if mode == "quiet":
        return Silent()
    place = cell()
    if place is not None and mode == "auto":
        return Calm(place)
    if mode == "tty" or (mode == "auto" and sys.stderr.isatty() and ansi != "never"):
        return Live(sys.stderr, title, coloured=ansi != "never" and not os.environ.get("NO_COLOR"))
    return Plain(sys.stderr)
