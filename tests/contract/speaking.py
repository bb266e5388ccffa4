"""A raw client: exact bytes to a unix socket and exact bytes back, as no library would do it."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reply:
    status: int
    reason: str
    headers: dict[str, str]  #: names in lower case
    body: bytes  #: without the chunks' framing

    def json(self) -> Any:
        return json.loads(self.body)


def connect(path: str) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.settimeout(10)
    end.connect(path)
    return end


def exchange(path: str, data: bytes, *, shut: bool = False) -> bytes:
    """Sends `data` in one packet and reads until the server closes."""
    with connect(path) as end:
        end.sendall(data)
        if shut:
            end.shutdown(socket.SHUT_WR)
        return read_all(end)


def read_all(end: socket.socket) -> bytes:
    pieces = []
    while piece := end.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_head(end: socket.socket) -> tuple[bytes, bytes]:
    """Up to the blank line, and what came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = end.recv(65536)
        if not piece:
            raise AssertionError(f"closed in the middle of the header: {data!r}")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def request(path: str, method: str, target: str, body: object = None, headers: tuple[str, ...] = ()) -> Reply:
    """One request with a JSON body (or none), one reply."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", "Host: docker", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return parse(exchange(path, "\r\n".join([*lines, "", ""]).encode() + data))


def parse(data: bytes) -> Reply:
    head, blank, body = data.partition(b"\r\n\r\n")
    assert blank, f"no whole header in {data!r}"
    first, *lines = head.decode().split("\r\n")
    version, status, reason = first.split(" ", 2)
    assert version == "HTTP/1.1"
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunk(body)
    return Reply(int(status), reason, headers, body)


def unchunk(data: bytes) -> bytes:
    content = b""
    while True:
        size, end, data = data.partition(b"\r\n")
        assert end, "the chunked body is cut off"
        length = int(size, 16)
        if not length:
            return content
        content, data = content + data[:length], data[length + 2 :]
