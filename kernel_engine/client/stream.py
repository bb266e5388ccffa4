"""A hijacked connection: the socket that attach and exec hand over, and Docker's frames on it."""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_HEAD = 8


class Stream:
    """`socket` now carries the process's bytes; `leftover` came with the reply's head and is the stream's beginning.

    `multiplexed`: what the server sends is in frames (no terminal). None when the server did not say (API before 1.42).
    """

    __slots__ = ("leftover", "multiplexed", "socket")

    def __init__(self, wire: socket.socket, leftover: bytes, multiplexed: bool | None) -> None:
        self.socket = wire
        self.leftover = leftover
        self.multiplexed = multiplexed

    def close(self) -> None:
        self.socket.close()

    def close_stdin(self) -> None:
        """The half-close that the process sees as the end of its standard input."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has gone already


class Demultiplexer:
    """Docker's frames (1 byte stream, 3 zero, 4 length big endian, payload) from pieces of any size.

    A payload is given on as it comes, without waiting for its frame's end.
    """

    __slots__ = ("_head", "_left", "_stream")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._stream = 1

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(1 stdout | 2 stderr | 0 stdin | 3 the engine's own error, bytes)."""
        while data:
            if self._left:
                payload, data = data[: self._left], data[self._left :]
                self._left -= len(payload)
                yield self._stream, payload
                continue
            wanted = FRAME_HEAD - len(self._head)
            self._head, data = self._head + data[:wanted], data[wanted:]
            if len(self._head) == FRAME_HEAD:
                self._stream = self._head[0]
                self._left = int.from_bytes(self._head[4:], "big")
                self._head = b""
