"""Connections of the engine's unix socket: asyncio transports that are read when they are accepted, and closed at once.

asyncio's own take a task and three turns of the loop before the first byte is read, and one more until the client sees
the end, with one request for each connection (docs/decisions/0004): half of what such a request costs a server that
only answers (docs/decisions/0041). What is said on a connection is `front`'s.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_PIECE = 1 << 16
#: bytes that wait for a slow reader before the protocol is told to write no more, and when it may again
_HIGH, _LOW = 1 << 16, 1 << 14
#: connections that are accepted in one turn of the loop
_AT_ONCE = 16
#: seconds until the next is accepted where no descriptor is left
_LATER = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
log = logging.getLogger(__name__)

Bytes = bytes | bytearray | memoryview


class Listener:
    """Accepts until it is closed. `made` gives each connection its protocol."""

    def __init__(self, listening: socket.socket, made: Callable[[], asyncio.Protocol]) -> None:
        """`listening` is bound, and closed with this."""
        self._socket = listening
        self._made = made
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        listening.listen(512)
        self._go_on()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _go_on(self) -> None:
        self._timer = None
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                end, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                log.warning("a connection was not accepted: %s", error.strerror)
                self._loop.remove_reader(self._socket.fileno())
                self._timer = self._loop.call_later(_LATER, self._go_on)
                return
            Connection(end, self._made())


class Connection(asyncio.Transport):
    """One connected stream socket, which is this one's from now on."""

    def __init__(self, end: socket.socket, protocol: asyncio.Protocol) -> None:
        super().__init__({"socket": end, "peername": ""})
        end.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._socket = end
        self._descriptor = end.fileno()
        self._protocol = protocol
        self._waiting = bytearray()  #: what the reader has not taken yet
        self._high, self._low = _HIGH, _LOW
        self._told_to_wait = False
        self._reading, self._watching = True, False
        self._heard_the_end = self._said_the_end = False
        self._closing = self._closed = False
        if self._tells("connection_made", self):
            self._read()
            self._watch()

    # asyncio.BaseTransport --------------------------------------------------------------------------------------
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """When the reader has taken what waits."""
        if not self._closing:
            self._closing = True
            self._watch()
            if not self._waiting:
                self._end(None)

    # asyncio.ReadTransport --------------------------------------------------------------------------------------
    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False
        self._watch()

    def resume_reading(self) -> None:
        self._reading = True
        self._watch()

    # asyncio.WriteTransport -------------------------------------------------------------------------------------
    def write(self, data: Bytes) -> None:
        if self._closing or self._said_the_end:
            return
        if not self._waiting:
            data = memoryview(data)[self._sent(data) :]
            if not data or self._closed:
                return
            self._loop.add_writer(self._descriptor, self._flush)
        self._waiting += data
        if len(self._waiting) > self._high and not self._told_to_wait:
            self._told_to_wait = True
            self._tells("pause_writing")

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._closing and not self._said_the_end:
            self._said_the_end = True
            if not self._waiting:
                self._shut_writing()

    def abort(self) -> None:
        """What waits is lost."""
        self._end(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else 4 * low if low is not None else _HIGH
        self._low = low if low is not None else self._high // 4

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return len(self._waiting)

    # ------------------------------------------------------------------------------------------------------------
    def _watch(self) -> None:
        """Reads whenever something comes, or no more."""
        wanted = self._reading and not self._closing and not self._heard_the_end
        if wanted != self._watching:
            self._watching = wanted
            if wanted:
                self._loop.add_reader(self._descriptor, self._read)
            else:
                self._loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        if self._closing or not self._reading:
            return
        try:
            data = self._socket.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._tells("data_received", data)
            return
        self._heard_the_end = True
        self._watch()
        if not self._tells("eof_received"):
            self.close()

    def _sent(self, data: Bytes) -> int:
        """How much of it the kernel has taken."""
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._end(error)
            return 0

    def _flush(self) -> None:
        del self._waiting[: self._sent(self._waiting)]
        if self._closed:
            return
        if self._told_to_wait and len(self._waiting) <= self._low:
            self._told_to_wait = False
            self._tells("resume_writing")
        if self._waiting or self._closed:
            return
        self._loop.remove_writer(self._descriptor)
        if self._closing:
            self._end(None)
        elif self._said_the_end:
            self._shut_writing()

    def _shut_writing(self) -> None:
        with suppress(OSError):  # the other side has gone, which the next read says
            self._socket.shutdown(socket.SHUT_WR)

    def _end(self, error: OSError | None) -> None:
        if self._closed:
            return
        self._closing = self._closed = True
        self._watch()
        self._loop.remove_writer(self._descriptor)
        self._waiting.clear()
        self._socket.close()
        self._loop.call_soon(self._tells, "connection_lost", error)

    def _tells(self, what: str, *arguments: Any) -> Any:
        """Calls the protocol. Its mistake is this connection's end, and told as asyncio's transports tell it; for
        what answers nothing the result is then False, else True."""
        try:
            answer = getattr(self._protocol, what)(*arguments)
        except Exception as error:
            context = {"message": f"{what} failed", "exception": error, "transport": self, "protocol": self._protocol}
            self._loop.call_exception_handler(context)
            self._end(None)
            return False
        return bool(answer) if what == "eof_received" else True
