"""One attached client: its socket, what it wants, and what it has not taken yet."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from kernel_engine.runtime.log_writer.detach_keys import Matcher

if TYPE_CHECKING:
    from kernel_engine.runtime.log_writer.poller import Poller
    from kernel_engine.runtime.log_writer.stream import Stream

#: a client that lags this far behind stops the reading of its container's output (and only of that one's)
HIGH = 1024 * 1024
LOW = 256 * 1024
PIECE = 32 * 1024
_NUMBERS = {"stdout": 1, "stderr": 2, "console": 1}


class Attachment:
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
    ) -> None:
        self.name = name
        self.ended = ""
        self._stream = stream
        self._poller: Poller = stream.poller
        self._client = client
        self._stdin = stdin
        self._reading = True
        self._wanted = wanted
        self._multiplexed = multiplexed
        self._matcher = Matcher(detach_keys)
        self._unsent = bytearray()
        self._finishing = False
        client.setblocking(False)
        self.watch()

    @property
    def lagging(self) -> bool:
        return len(self._unsent) > HIGH

    @property
    def caught_up(self) -> bool:
        return len(self._unsent) < LOW

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

    def typed(self, data: bytes) -> None:
        """Bytes from the client for the process."""
        if not self._stdin:
            return
        found = False
        if self._stream.is_terminal:
            data, found = self._matcher.feed(data)
        if data:
            self._stream.input(data)
        if found:
            self._end("detached")

    def watch(self) -> None:
        """Tells the poller what this client is waited for now."""
        if not self.ended:
            reads = self._reading and self._stream.takes_input
            self._poller.want(
                self._client.fileno(),
                read=self._receive if reads else None,
                write=self._send if self._unsent else None,
                gone=self._hung_up,
            )

    def _receive(self) -> None:
        try:
            data = self._client.recv(PIECE)
        except BlockingIOError:
            return None
        except OSError:
            return self._end("client-gone")
        if data:
            return self.typed(data)
        self._reading = False  # half-closed: the client still listens
        if self._stdin:
            self._stream.input_ended()
        return self.watch()

    def _send(self) -> None:
        if self.ended:
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
        """The client is gone wholly; what it had sent before still counts."""
        while self._reading and not self.ended:
            try:
                data = self._client.recv(PIECE)
            except OSError:
                break
            if not data:
                break
            self.typed(data)
        self._end("client-gone")

    def _end(self, reason: str) -> None:
        if self.ended:
            return
        self.ended = reason
        self._poller.forget(self._client.fileno())
        self._client.close()
        self._unsent.clear()
        if reason == "client-gone" and self._stdin and self._reading:
            self._stream.input_ended()
        self._stream.left(self)
