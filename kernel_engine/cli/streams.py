"""Bytes between a hijacked connection and our own standard streams, until the process's output ends.

One loop of poll(2); no threads. What the process is and how it ended is for the caller.
"""

from __future__ import annotations

import os
import select

from kernel_engine.cli.failures import Failed
from kernel_engine.client import Demultiplexer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel_engine.client import Stream

PIECE = 32768
BEGINNING = 1024
DETACH_KEYS = "ctrl-p,ctrl-q"
CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def detach_sequence(keys: str) -> bytes:
    """`ctrl-p,ctrl-q` as the bytes that a terminal sends. ValueError with Docker's words."""
    sequence = []
    for key in (keys or DETACH_KEYS).split(","):
        letter = key.removeprefix("ctrl-")
        if len(key) == 1:
            sequence.append(ord(key))
        elif key.startswith("ctrl-") and letter in CONTROL:
            sequence.append(CONTROL[letter])
        elif key.startswith("ctrl-") and len(letter) == 1 and "a" <= letter <= "z":
            sequence.append(ord(letter) - 96)
        else:
            raise ValueError(f"Unknown character: '{key}'")
    return bytes(sequence)


class DetachKeys:
    """Watches what is typed for the detach sequence; holds back the part of it that was typed so far."""

    __slots__ = ("_held", "_sequence")

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._held = b""

    def typed(self, data: bytes) -> tuple[bytes, bool]:
        """What may go on to the process, and whether the sequence is complete."""
        passed = b""
        for byte in data:
            self._held += bytes((byte,))
            while self._held and not self._sequence.startswith(self._held):
                passed, self._held = passed + self._held[:1], self._held[1:]
            if self._held == self._sequence:
                return passed, True
        return passed, False


def write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            # somebody else made our terminal non-blocking
            waiter = select.poll()
            waiter.register(descriptor, select.POLLOUT)
            waiter.poll()


class Relay:
    """Moves the bytes of one attachment.

    `stdin` copies our standard input; `framed`: the server sends Docker's frames; `keys` are watched on a terminal;
    `wake` is a descriptor that becomes readable when `on_wake` wants to be called (signals); `remember`: so many bytes
    of what was shown last are kept in `ending`.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        stdin: bool,
        framed: bool,
        keys: DetachKeys | None = None,
        wake: int = -1,
        on_wake: Callable[[], None] | None = None,
        remember: int = 0,
    ) -> None:
        self._stream = stream
        self._frames = Demultiplexer() if framed else None
        self._keys = keys
        self._wake = wake
        self._on_wake = on_wake
        self._stdin_open = stdin
        self.beginning = b""  #: of what was shown, for an engine that refuses inside the stream
        self._remember = remember
        self.ending = b""
        self.detached = False

    def run(self) -> None:
        """Returns when the process's output has ended, or the user typed the detach sequence (`detached`)."""
        self._show(self._stream.leftover)
        wire = self._stream.socket
        poll = select.poll()
        poll.register(wire, select.POLLIN)
        if self._stdin_open:
            poll.register(0, select.POLLIN)
        if self._wake >= 0:
            poll.register(self._wake, select.POLLIN)
        while not self.detached:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake and self._on_wake is not None:
                    self._on_wake()
                elif descriptor == 0:
                    if not self._from_stdin():
                        poll.unregister(0)
                elif not self._from_process():
                    return

    def _from_process(self) -> bool:
        try:
            data = self._stream.socket.recv(PIECE)
        except ConnectionResetError:
            return False
        self._show(data)
        return bool(data)

    def _show(self, data: bytes) -> None:
        if len(self.beginning) < BEGINNING:
            self.beginning += data[:BEGINNING]
        if self._frames is None:
            write_all(1, data)
            self._keep(data)
            return
        for stream, payload in self._frames.feed(data):
            if stream == 3:
                raise Failed(f"Error from daemon in stream: {payload.decode('utf-8', 'replace')}")
            write_all(2 if stream == 2 else 1, payload)
            self._keep(payload)

    def _keep(self, data: bytes) -> None:
        if self._remember:
            self.ending = (self.ending + data)[-self._remember :]

    def _from_stdin(self) -> bool:
        try:
            data = os.read(0, PIECE)
        except OSError:  # EIO: our terminal has gone
            data = b""
        if not data:
            self._stream.close_stdin()
            return False
        if self._keys is not None:
            data, self.detached = self._keys.typed(data)
        try:
            self._stream.socket.sendall(data)
        except OSError:
            return False  # the process no longer reads; its last output may still come
        return True
