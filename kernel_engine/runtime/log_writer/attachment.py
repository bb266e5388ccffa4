"""One attached client: its socket, what it wants, and what it has not taken yet."""

from __future__ import annotations

import select
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from kernel_engine.runtime.log_writer.detach_keys import Matcher

if TYPE_CHECKING:
    from kernel_engine.runtime.log_writer.poller import Poller
    from kernel_engine.runtime.log_writer.stream import Stream

Reason = Literal["ended", "detached", "client-gone"]

#: a client that lags this far behind stops the reading of its container's output (and only of that one's)
HIGH = 1024 * 1024
LOW = 256 * 1024
PIECE = 32 * 1024
_NUMBERS = {"stdout": 1, "stderr": 2, "console": 1}


class Attachment:
    """Owns the client's socket. Nothing is read from it before the process's streams are there (`begin`)."""

    def __init__(
        self,
        name: str,
        stream: Stream,
        client: socket.socket,
        *,
        stdin: bool,
        wanted: frozenset[str],
        multiplexed: bool,
        detach_keys: bytes,
        typed_already: bytes,
        held: bool,
    ) -> None:
        """held: what the process says is kept until `go_on`, for somebody who writes to the same socket before."""
        self.name = name
        self.ended: Reason | None = None
        self._stream = stream
        self._poller: Poller = stream.poller
        self._client = client
        self._stdin = stdin
        self._reading = True
        self._wanted = wanted
        self._multiplexed = multiplexed
        self._matcher = Matcher(detach_keys)
        self._typed_already = typed_already
        self._unsent = bytearray()
        self._finishing = False
        self._held = held
        client.setblocking(False)
        self.watch()

    @property
    def lagging(self) -> bool:
        return len(self._unsent) > HIGH

    @property
    def caught_up(self) -> bool:
        return len(self._unsent) < LOW

    @property
    def busy(self) -> bool:
        """Bytes are on their way through, in one direction or the other."""
        if self._unsent:
            return True
        return self._stdin and self._reading and bool(_pending(self._client))

    def begin(self) -> None:
        """The process is there: what the client typed before it goes first."""
        early, self._typed_already = self._typed_already, b""
        if early:
            self._typed(early)
        self.watch()

    def go_on(self) -> None:
        """Whoever wrote to the client's socket has written all."""
        self._held = False
        self._send()

    def output(self, source: str, data: bytes) -> None:
        """Bytes from the process. Sent now as far as the client takes them."""
        if self.ended or source not in self._wanted:
            return
        if self._multiplexed:
            self._unsent += struct.pack(">BxxxI", _NUMBERS[source], len(data))
        self._unsent += data
        self._send()

    def say(self, message: bytes) -> None:
        """A last word of the engine, framed already."""
        self._unsent += message

    def finish(self) -> None:
        """The streams have ended: what is left is sent, then the socket closed."""
        self._finishing = True
        self._send()

    def watch(self) -> None:
        """Tells the poller what this client is waited for now."""
        if not self.ended:
            reads = self._reading and self._stream.takes_input
            self._poller.want(
                self._client.fileno(),
                read=self._receive if reads else None,
                write=self._send if self._unsent and not self._held else None,
                gone=self._hung_up,
            )

    def _typed(self, data: bytes) -> None:
        """Bytes from the client for the process. The keys count in a terminal only, as in Docker."""
        if not self._stdin:
            return
        found = False
        if self._stream.is_terminal:
            data, found = self._matcher.feed(data)
        if data:
            self._stream.input(data)
        if found:
            self._end("detached")

    def _receive(self) -> None:
        try:
            data = self._client.recv(PIECE)
        except BlockingIOError:
            return None
        except OSError:
            return self._end("client-gone")
        if data:
            return self._typed(data)
        self._reading = False  # half-closed: the client still listens
        if self._stdin and not self._stream.input_ended():
            return self._let_go()
        return self.watch()

    def _let_go(self) -> None:
        """Docker's answer to a client that has typed its last word to a process that others may type to."""
        if self._held:
            self._finishing = True
            return self.watch()
        self._send()
        return self._end("client-gone")

    def _send(self) -> None:
        if self.ended or self._held:
            return None
        try:
            while self._unsent:
                del self._unsent[: self._client.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            return self._end("client-gone")
        if self._finishing and not self._unsent:
            return self._end("ended")
        self.watch()
        return self._stream.balance()

    def _hung_up(self) -> None:
        """The client is gone wholly; what it had sent before still counts, also for a process yet to come."""
        if not self._stream.adopted and self._stdin and (self._typed_already or _pending(self._client)):
            return self._poller.forget(self._client.fileno())
        while self._reading and not self.ended:
            try:
                data = self._client.recv(PIECE)
            except OSError:
                break
            if not data:
                break
            self._typed(data)
        return self._end("client-gone")

    def _end(self, reason: Reason) -> None:
        if self.ended:
            return
        self.ended = reason
        self._poller.forget(self._client.fileno())
        _close(self._client)
        self._unsent.clear()
        if reason == "client-gone" and self._stdin and self._reading:
            self._stream.input_ended()
        self._stream.left(self)


def _pending(client: socket.socket) -> bool:
    """Has the client sent something that is not read yet? Its half-close does not count."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False


def _close(client: socket.socket) -> None:
    """Closed with unread bytes in it, a socket would give its peer ECONNRESET in place of the end (unix(7), tcp(7))."""
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
        poll = select.poll()
        poll.register(client, select.POLLIN)
        while poll.poll(0) and client.recv(PIECE):
            pass
    client.close()
