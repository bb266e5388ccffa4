"""Bytes of HTTP/1.1 on a socket: where to connect, how a head is written and read. Knows nothing of Docker's paths.

RFC 9112. One request a connection; the reply's body is read by `response.py`.
"""

from __future__ import annotations

import socket

from kernel_engine.client.failures import EngineUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kernel_engine.client.default_context import Tls

RECEIVE = 65536
HEAD_LIMIT = 1 << 20
UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str, safe: bytes = b"") -> str:
    """Percent-encoding of RFC 3986 (urllib.parse costs 8 ms to import)."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in UNRESERVED or byte in safe else f"%{byte:02X}" for byte in data)


def query_string(query: Mapping[str, object] | None) -> str:
    """`?a=1&b=2`; None is left out, booleans are 1 and 0, a list repeats its key."""
    pairs = []
    for key, value in (query or {}).items():
        for item in value if isinstance(value, list | tuple) else (value,):
            if item is not None:
                text = str(int(item)) if isinstance(item, bool) else str(item)
                pairs.append(f"{quote(key)}={quote(text)}")
    return f"?{'&'.join(pairs)}" if pairs else ""


def connect(host: str, timeout: float | None = None, tls: Tls | None = None) -> socket.socket:
    """A connected socket for `unix:///path` or `tcp://name:port` (sealed where `tls` is given); EngineUnreachable with
    Docker's text."""
    scheme, _, place = host.partition("://")
    if scheme == "unix":
        wire = socket.socket(socket.AF_UNIX)
        address: str | tuple[str, int] = place
    elif scheme in ("tcp", "http"):
        name, _, port = place.rstrip("/").rpartition(":")
        if not port.isdigit():
            name, port = place.rstrip("/"), "2376" if tls else "2375"
        wire = socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET)
        address = (name.strip("[]"), int(port))
    else:
        raise EngineUnreachable(f"unable to parse docker host `{host}`")
    wire.settimeout(timeout)
    try:
        wire.connect(address)
    except PermissionError as error:
        wire.close()
        raise EngineUnreachable(
            f"permission denied while trying to connect to the Docker daemon socket at {host}: "
            f"dial unix {place}: connect: permission denied"
        ) from error
    except OSError as error:
        wire.close()
        raise EngineUnreachable(unreachable(host)) from error
    if tls is None or scheme == "unix":
        return wire
    from kernel_engine.client.tls import secure

    try:
        return secure(wire, host, name.strip("[]"), tls)
    except BaseException:
        wire.close()
        raise


def unreachable(host: str) -> str:
    return f"Cannot connect to the Docker daemon at {host}. Is the docker daemon running?"


def send(wire: socket.socket, head: bytes, body: bytes | Iterable[bytes] | None) -> None:
    """The request. An iterable body goes in chunks, each as it comes. A server that answers early and stops reading
    is no error here: its reply says why."""
    try:
        if body is None or isinstance(body, bytes):
            wire.sendall(head + (body or b""))
            return
        wire.sendall(head)
        for chunk in body:
            if len(chunk) > RECEIVE:  # copying it costs more than another call
                wire.sendall(b"%x\r\n" % len(chunk))
                wire.sendall(chunk)
                wire.sendall(b"\r\n")
            elif chunk:
                wire.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        wire.sendall(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass


class Reader:
    """Buffered reading from a socket. `buffer` holds what was received and not yet read."""

    __slots__ = ("buffer", "host", "wire")

    def __init__(self, wire: socket.socket, host: str) -> None:
        self.wire = wire
        self.host = host
        self.buffer = b""

    def fill(self) -> bool:
        """Receives some bytes; False at the end of the stream."""
        try:
            data = self.wire.recv(RECEIVE)
        except ConnectionResetError:
            return False
        except TimeoutError as error:
            raise EngineUnreachable(f"{self.host} did not answer in time") from error
        self.buffer += data
        return bool(data)

    def line(self) -> bytes:
        """One line of a head or a chunk, without its end; EngineUnreachable when the stream ends before it does."""
        while True:
            line, end, rest = self.buffer.partition(b"\n")
            if end:
                self.buffer = rest
                return line.removesuffix(b"\r")
            if len(self.buffer) > HEAD_LIMIT:
                raise EngineUnreachable(f"{self.host} answers with something that is not HTTP")
            if not self.fill():
                raise EngineUnreachable(f"error during connect: {self.host} closed the connection: EOF")

    def some(self, most: int) -> bytes:
        """Up to `most` bytes, at least one; b"" at the end of the stream."""
        if not self.buffer and not self.fill():
            return b""
        data, self.buffer = self.buffer[:most], self.buffer[most:]
        return data

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers, their names in lower case. 1xx replies but 101 are skipped."""
        while True:
            words = self.line().split(None, 2)
            if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
                raise EngineUnreachable(f"{self.host} answers with something that is not HTTP")
            status = int(words[1])
            headers = {}
            while line := self.line():
                name, _, value = line.partition(b":")
                headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
            if status >= 200 or status == 101:
                return status, headers
