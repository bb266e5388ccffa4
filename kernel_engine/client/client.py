"""Requests to one engine. Paths are the Docker Engine API's; a path without a version is sent with ours.

A server that only knows older versions says so once, and is asked again in its own.
"""

from __future__ import annotations

import os

from kernel_engine.client.failures import APIError, EngineUnreachable
from kernel_engine.client.response import Response
from kernel_engine.client.stream import Stream
from kernel_engine.client.target import host as target_host
from kernel_engine.client.target import tls as target_tls
from kernel_engine.client.wire import Reader, connect, query_string, quote, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping
    from typing import Any

    from kernel_engine.client.default_context import Tls

API_VERSION = "1.47"
#: not part of the versioned API
UNVERSIONED = ("/v1.", "/kernel-engine/", "/_ping")
TOO_NEW = "Maximum supported API version is "
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


class Client:
    """`host`: unix:///path or tcp://name:port; None asks `target`: $DOCKER_HOST, the context in use, this machine."""

    def __init__(self, host: str | None = None, *, tls: Tls | None = None, timeout: float | None = None) -> None:
        self.host = host or target_host()
        self.tls = tls if host else target_tls()
        self.version = os.environ.get("DOCKER_API_VERSION") or API_VERSION
        self._timeout = timeout

    def another(self) -> Client:
        """One of its own for another thread; of the same engine."""
        return Client(self.host, tls=self.tls, timeout=self._timeout)

    def get(self, path: str, *, query: Mapping[str, object] | None = None) -> Response:
        return self.request("GET", path, query=query)

    def head(self, path: str, *, query: Mapping[str, object] | None = None) -> Response:
        return self.request("HEAD", path, query=query)

    def delete(self, path: str, *, query: Mapping[str, object] | None = None) -> Response:
        return self.request("DELETE", path, query=query)

    def post(
        self,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return self.request("POST", path, query=query, body=body, headers=headers)

    def put(
        self,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return self.request("PUT", path, query=query, body=body, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Returns when the reply's head has come; the body is read through the Response.

        `body`: bytes, an iterator of bytes (sent in chunks), or anything else as JSON. Raises APIError for a status
        of 400 or more, EngineUnreachable when there is no answer.
        """
        _, reader, status, reply = self._exchange(method, path, query, body, headers or {})
        response = Response(reader, status, reply, bodiless=method == "HEAD")
        if status < 400:
            return response
        error = error_of(response, status)
        if self._takes_older(error.message) and _repeatable(body):
            return self.request(method, path, query=query, body=body, headers=headers)
        raise error

    def hijack(self, path: str, *, query: Mapping[str, object] | None = None, body: Any = None) -> Stream:
        """POST that takes the connection over (attach, exec start). Same errors as `request`."""
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        wire, reader, status, headers = self._exchange("POST", path, query, body, upgrade)
        if status >= 400:
            error = error_of(Response(reader, status, headers), status)
            if self._takes_older(error.message):
                return self.hijack(path, query=query, body=body)
            raise error
        kind = headers.get("content-type", "")
        versions = [int(part) for part in self.version.split(".")]
        return Stream(wire, reader.buffer, kind == MULTIPLEXED if versions >= [1, 42] else None)

    def url(self, path: str) -> str:
        """The path as sent: with a version before it, and whatever a name may hold made harmless."""
        path = quote(path, b"/:@+,=")
        return path if path.startswith(UNVERSIONED) else f"/v{self.version}{path}"

    def _exchange(
        self, method: str, path: str, query: Mapping[str, object] | None, body: Any, headers: Mapping[str, str]
    ) -> tuple[socket.socket, Reader, int, dict[str, str]]:
        data, kind = encoded(body)
        lines = [f"{method} {self.url(path)}{query_string(query)} HTTP/1.1", "Host: docker", "User-Agent: docker-labs"]
        if kind and "Content-Type" not in headers:
            lines.append(f"Content-Type: {kind}")
        if isinstance(data, bytes) or (method in ("POST", "PUT") and data is None):
            lines.append(f"Content-Length: {len(data or b'')}")
        elif data is not None:
            lines.append("Transfer-Encoding: chunked")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if "Connection" not in headers:
            lines.append("Connection: close")
        wire = connect(self.host, self._timeout, self.tls)
        try:
            send(wire, "\r\n".join([*lines, "", ""]).encode("latin-1"), data)
            reader = Reader(wire, self.host)
            return wire, reader, *reader.head()
        except EngineUnreachable as error:
            wire.close()
            if failure := getattr(wire, "failure", ""):
                raise EngineUnreachable(f"error during connect: {self.host}: {failure}") from error
            raise
        except BaseException:
            wire.close()
            raise

    def _takes_older(self, message: str) -> bool:
        """Whether the server asked for an older version than the one just tried; it is used from now on."""
        _, found, version = message.partition(TOO_NEW)
        if not found or version.strip() == self.version:
            return False
        self.version = version.strip()
        return True


def encoded(body: Any) -> tuple[bytes | Iterable[bytes] | None, str]:
    """The body's bytes (or pieces) and its content type."""
    if body is None or isinstance(body, bytes):
        return body, "application/octet-stream" if body else ""
    if hasattr(body, "__next__"):
        return body, "application/x-tar"
    import json

    return json.dumps(body, separators=(",", ":")).encode(), "application/json"


def error_of(response: Response, status: int) -> APIError:
    """The engine's own sentence, {"message": …}, or the body as it is; and the line where it names one."""
    import json

    try:
        data = response.read()
    except EngineUnreachable:
        data = b""
    line = 0
    try:
        body = json.loads(data)
        message, line = body["message"], int(body.get("line", 0))
    except (ValueError, KeyError, TypeError):
        message = data.decode("utf-8", "replace")
    return APIError(status, str(message).strip() or f"request returned status {status}", line)


def _repeatable(body: Any) -> bool:
    return not hasattr(body, "__next__")
