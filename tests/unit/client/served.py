"""A small real HTTP server on a unix socket: it answers what a test says, each connection in a thread of its own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Request:
    method: str
    path: str  #: with its version and query, as sent
    headers: dict[str, str]
    body: bytes
    rest: bytes = b""  #: what came after the request in the same packet

    @property
    def bare(self) -> str:
        """Without version and query."""
        path = self.path.partition("?")[0]
        return "/" + path.split("/", 2)[2] if path.startswith("/v1.") else path

    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Request, socket.socket], None]


def reply(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def in_json(value: Any, status: int = 200) -> Answer:
    return raw(reply(status, json.dumps(value).encode()))


def raw(*pieces: bytes) -> Answer:
    """Sends these packets and closes."""

    def answer(request: Request, wire: socket.socket) -> None:
        for piece in pieces:
            wire.sendall(piece)

    return answer


@dataclass
class Served:
    path: Path
    answers: dict[str, Answer]
    seen: list[Request] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    @property
    def called(self) -> list[str]:
        return [f"{request.method} {request.bare}" for request in self.seen]


@contextmanager
def serving(directory: Path, answers: dict[str, Answer]) -> Iterator[Served]:
    """`answers`: "GET /path" (or "/path") → what is done with the connection; anything else is Docker's 404."""
    served = Served(directory / "engine.sock", answers)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(served.path))
        listener.listen(16)
        thread = threading.Thread(target=_accept, args=(listener, served), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _accept(listener: socket.socket, served: Served) -> None:
    while True:
        try:
            wire, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(wire, served), daemon=True).start()


def _serve(wire: socket.socket, served: Served) -> None:
    with wire:
        request = read_request(wire)
        if request is None:
            return
        served.seen.append(request)
        answer = served.answers.get(f"{request.method} {request.bare}") or served.answers.get(request.bare)
        try:
            (answer or in_json({"message": "page not found"}, 404))(request, wire)
        except OSError:
            pass  # the client has gone: the test says whether that is right


def read_request(wire: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = wire.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += wire.recv(65536)
        return Request(method, path, headers, _unchunked(body))
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        body += wire.recv(65536)
    return Request(method, path, headers, body[:length], body[length:])


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return whole
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
