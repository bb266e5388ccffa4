"""The head of an HTTP/1.1 request and the framing of its body, for connections that are taken over (`front.py`). Pure.

Ordinary requests are parsed by aiohttp; only attach, exec start and the like come through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from kernel_engine.errors import InvalidRequest

#: bodies of hijacked requests are small JSON objects; Docker's largest is a detach-key sequence and a size
BODY_LIMIT = 1024 * 1024

_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (\S{1,65536}) HTTP/1\.[01]")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    method: str
    path: str  #: percent-decoded, without the query
    query: Mapping[str, str]
    headers: Mapping[str, str]  #: names in lower case; the last one counts

    @property
    def upgrade(self) -> bool:
        return "upgrade" in self.headers


def parse_head(data: bytes) -> Head:
    """`data` is everything up to and without the blank line. Raises InvalidRequest."""
    first, *lines = data.split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise InvalidRequest("malformed HTTP request line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or b"\n" in value or b"\0" in value:
            raise InvalidRequest("malformed HTTP header")
        key = name.decode("ascii").lower()
        if key in headers and key in ("content-length", "transfer-encoding"):
            raise InvalidRequest(f"repeated header {key}")
        headers[key] = value.strip().decode("latin-1")
    try:
        parts = urlsplit(match[2].decode("utf-8"))
        query = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise InvalidRequest("malformed HTTP request target") from None
    return Head(method=match[1].decode(), path=unquote(parts.path), query=query, headers=headers)


class Body:
    """Takes a body out of a stream of bytes: `feed` until `done`; then `content` is whole, `rest` what follows it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        encoding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "0" if not encoding else "")
        if encoding not in ("", "chunked", "identity"):
            raise InvalidRequest(f"unsupported transfer encoding: {encoding}")
        if encoding == "chunked" and length:
            raise InvalidRequest("both Content-Length and Transfer-Encoding are given")
        if encoding != "chunked" and (not length.isascii() or not length.isdigit() or len(length) > 12):
            raise InvalidRequest(f"invalid Content-Length: {length}")
        self._chunked = encoding == "chunked"
        self._missing = 0 if self._chunked else int(length)
        if self._missing > BODY_LIMIT:
            raise InvalidRequest("request body too large")
        self._buffer = bytearray()
        self._after_data = False  #: a chunk's data has been read, its line end not yet
        self._trailer = False
        self.content = bytearray()
        self.done = False

    def feed(self, data: bytes) -> None:
        """Raises InvalidRequest for a body that is too large or framed wrongly."""
        self._buffer += data
        while not self.done and self._step():
            pass
        if len(self.content) > BODY_LIMIT or (not self.done and len(self._buffer) > BODY_LIMIT):
            raise InvalidRequest("request body too large")

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def _step(self) -> bool:
        """One piece further; False when more bytes are needed."""
        if self._missing:
            taken = self._buffer[: self._missing]
            del self._buffer[: len(taken)]
            self.content += taken
            self._missing -= len(taken)
            if self._missing:
                return False
            self._after_data = self._chunked
        if not self._chunked:
            self.done = True
            return False
        return self._chunk_line()

    def _chunk_line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > 4096:
                raise InvalidRequest("malformed chunked body")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._after_data:
            self._after_data = False
            if line:
                raise InvalidRequest("malformed chunked body")
        elif self._trailer:
            self.done = not line
        else:
            size = line.partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
                raise InvalidRequest("malformed chunked body")
            self._missing = int(size, 16)
            self._trailer = self._missing == 0
        return True
