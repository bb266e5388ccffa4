"""Our own terminal: raw while a process inside uses it, its size, and the signals that we pass on."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

#: what a user or a supervisor sends to make a program do something; the others are the kernel's word to us
FORWARDED = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT", "TSTP")


def window_size(descriptor: int = 1) -> tuple[int, int]:
    """Rows and columns; (0, 0) when it is no terminal (tty_ioctl(4))."""
    import fcntl
    import struct
    import termios

    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return 0, 0
    return rows, columns


class RawTerminal:
    """Standard input in raw mode inside the block (termios(3), cfmakeraw), put back whatever happens."""

    def __init__(self, wanted: bool = True) -> None:
        self._wanted = wanted and os.isatty(0)
        self._saved: list[Any] | None = None

    def __enter__(self) -> RawTerminal:
        if self._wanted:
            import termios
            import tty

            self._saved = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._saved is not None:
            import termios

            termios.tcsetattr(0, termios.TCSANOW, self._saved)
            self._saved = None


class Signals:
    """Signals as bytes on a descriptor, so that one poll loop sees them; `handle` calls back for each.

    `forward(name)` for those that belong to the process inside, `resized()` for SIGWINCH. Either may be None.
    """

    def __init__(self, forward: Callable[[str], None] | None, resized: Callable[[], None] | None) -> None:
        self._forward = forward
        self._resized = resized
        self._before: dict[int, Any] = {}
        self._writer = self.descriptor = -1

    def __enter__(self) -> Signals:
        wanted = [getattr(signal, f"SIG{name}") for name in FORWARDED] if self._forward else []
        if self._resized:
            wanted.append(signal.SIGWINCH)
        if wanted:
            self.descriptor, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, _noted) for number in wanted}
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self._writer < 0:
            return
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(-1)
        os.close(self._writer)
        os.close(self.descriptor)
        self._writer = self.descriptor = -1

    def handle(self) -> None:
        """Passes on what has come; never blocks."""
        try:
            numbers = os.read(self.descriptor, 4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number == signal.SIGWINCH:
                if self._resized is not None:
                    self._resized()
            elif self._forward is not None:
                self._forward(signal.Signals(number).name.removeprefix("SIG"))


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has its byte already."""


def need_terminal(stdin: bool, tty: bool) -> str:
    """Docker's sentence when -i and -t are given and our standard input is no terminal; else ""."""
    if stdin and tty and not os.isatty(0):
        return "the input device is not a TTY"
    return ""


def flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
