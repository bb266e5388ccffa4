"""The first look at each accepted connection: which library, or who of ours, is to read it.

Requests that are hijacked (attach, exec start) are read here to their last byte and then leave HTTP: aiohttp's parser
drops the bytes that follow `Upgrade: tcp` in the same packet. Everything else is handed to aiohttp with the bytes that
have come so far. Each answer closes its connection, so only the first request must be looked at
(docs/decisions/0004).
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from kernel_engine.api.call import COMMON_HEADERS
from kernel_engine.api.errors import body_of, message_of, status_of
from kernel_engine.api.head import Body, Head, parse_head
from kernel_engine.errors import InvalidRequest

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

HEADER_LIMIT = 256 * 1024
#: how long a client may take for its header, and for the body of a hijacked request
PATIENCE = 30.0

_HIJACKED = re.compile(rb"POST (?:/v[0-9.]+)?/(?:containers/[^/? ]+/attach|exec/[^/? ]+/start)[? ]")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_REASON = {200: "OK", 304: "Not Modified", 400: "Bad Request", 404: "Not Found", 409: "Conflict"}


class Taken:
    """A hijacked request, whole, and its connection, which is still asyncio's until `detach`."""

    def __init__(self, head: Head, body: bytes, leftover: bytes, transport: asyncio.Transport) -> None:
        self.head = head
        self.body = body
        #: bytes behind the request in the same packet: the beginning of the client's stream
        self.leftover = leftover
        self._transport = transport
        self._left = False

    def answer(self, status: int, body: bytes = b"") -> None:
        """An ordinary answer, and the end of the connection."""
        self._transport.write(plain_answer(status, body))
        self._transport.close()

    def fail(self, error: BaseException) -> None:
        """An error as an answer; once the stream has begun there is nobody left to tell."""
        if not self._left:
            self.answer(status_of(error), body_of(message_of(error)))

    def detach(self) -> socket.socket:
        """The connection as a plain non-blocking socket of the caller's; asyncio knows nothing of it any more."""
        self._left = True
        inner = cast("socket.socket", self._transport.get_extra_info("socket"))
        plain = socket.socket(fileno=os.dup(inner.fileno()))
        plain.setblocking(False)
        self._transport.abort()  # closes its own descriptor only: nothing was written, so nothing is lost
        return plain


class Front(asyncio.Protocol):
    """One connection, until it is known what it wants."""

    def __init__(self, ordinary: Server, hijacked: Callable[[Taken], None]) -> None:
        self._ordinary = ordinary
        self._hijacked = hijacked
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._head: Head | None = None
        self._body: Body | None = None
        self._searched = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(PATIENCE, self._refuse, 408, "the request did not come in time")

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            if self._body is None:
                self._look(data)
            else:
                self._body.feed(data)
                self._take_if_whole()
        except InvalidRequest as error:
            self._refuse(400, error.message)

    def eof_received(self) -> bool:
        """The client has said all that it will, and it was not a whole request."""
        if not self._buffer:
            return False
        self._refuse(400, "the request is incomplete")
        return True

    def _look(self, data: bytes) -> None:
        # empty lines in front of a request mean nothing (RFC 9112, 2.2)
        self._buffer += data if self._buffer else data.lstrip(b"\r\n")
        end = _END_OF_HEAD.search(self._buffer, max(self._searched - 3, 0))
        self._searched = len(self._buffer)
        if end is None:
            if len(self._buffer) > HEADER_LIMIT:
                self._refuse(431, "the request header is too large")
        elif end.start() > HEADER_LIMIT:
            self._refuse(431, "the request header is too large")
        elif _HIJACKED.match(self._buffer) is None:
            self._hand_over()
        else:
            self._head = parse_head(bytes(self._buffer[: end.start()]))
            self._body = Body(self._head.headers)
            self._body.feed(bytes(self._buffer[end.end() :]))
            self._take_if_whole()

    def _hand_over(self) -> None:
        self._timer.cancel()
        handler = Ordinary(self._ordinary, self._loop)
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(bytes(self._buffer))

    def _take_if_whole(self) -> None:
        if self._body is None or self._head is None or not self._body.done:
            return
        self._timer.cancel()
        # what has not been read yet stays in the kernel for whoever gets the socket
        self._transport.pause_reading()
        self._hijacked(Taken(self._head, bytes(self._body.content), self._body.rest, self._transport))

    def _refuse(self, status: int, message: str) -> None:
        self._timer.cancel()
        self._transport.write(plain_answer(status, body_of(message)))
        self._transport.close()


class Ordinary(RequestHandler):
    """aiohttp's handler, with two differences: a half-closed client still gets its answer, and errors are Docker's."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type]  # documented: None means no access log
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            lingering_time=1.0,
            auto_decompress=False,
        )
        self._half_closed = False

    def eof_received(self) -> bool:  # type: ignore[override]
        """True keeps the connection for the answer: the client has only shut its sending side."""
        self._half_closed = True
        if self._current_request is not None:
            self.expect_no_more(self._current_request)
        return self.transport is not None and not has_hung_up(self.transport.get_extra_info("socket").fileno())

    def expect_no_more(self, request: BaseRequest) -> None:
        """Whoever reads the body of a client that has shut its sending side in the middle of it gets InvalidRequest."""
        if self._half_closed and not request.content.is_eof():
            request.content.set_exception(InvalidRequest("unexpected EOF"))
            self._lingering_time = 0.0  # where nobody reads it, aiohttp would, and note a mistake

    def handle_error(self, request, status=500, exc=None, message=None):  # type: ignore[no-untyped-def]
        from aiohttp import web

        text = (message or str(exc) or "bad request").splitlines()[0] if status < 500 else message_of(exc)
        response = web.Response(status=status, body=body_of(text), content_type="application/json")
        response.force_close()
        return response


def has_hung_up(descriptor: int) -> bool:
    """Whether the peer of a unix socket has closed both directions (unix(7): then poll(2) says POLLHUP)."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))


def plain_answer(status: int, body: bytes) -> bytes:
    """A whole HTTP/1.1 answer with a JSON body (or none)."""
    lines = [f"HTTP/1.1 {status} {_REASON.get(status, 'Error')}"]
    lines += [f"{name}: {value}" for name, value in COMMON_HEADERS.items()]
    if body:
        lines.append("Content-Type: application/json")
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body
