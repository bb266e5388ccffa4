"""The API of a docker engine that runs in a container: a machine of a cluster.

Requests go through `docker system dial-stdio` in that container, the way `docker` itself reaches an engine over SSH:
the nested engine needs no open port. One connection serves as many requests as are made; it ends with its `Inside`.
"""

from __future__ import annotations

import http.client
import io
import json
from typing import Any
from urllib.parse import urlencode

from kernel_engine.client import APIError, Client, Demultiplexer, EngineUnreachable, Stream

DIAL = ["docker", "system", "dial-stdio"]
#: a machine that is paused or out of its memory answers nothing
PATIENCE_SECONDS = 20.0


class Inside:
    """`container`: the name of the one that runs dockerd."""

    def __init__(self, client: Client, container: str) -> None:
        self._client = client
        self._container = container
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, **filters: str) -> Any:
        """The answer's JSON. Raises APIError (of the outer engine, too: there is no such container) and
        EngineUnreachable."""
        query = {"filters": json.dumps({name: [value] for name, value in filters.items()})} if filters else {}
        full = f"{path}?{urlencode(query)}" if query else path
        fresh = self._connection is None
        try:
            status, text = self._asked(full)
        except EngineUnreachable:
            if fresh:
                raise
            status, text = self._asked(full)  # the machine has been away since the last request
        if status >= 400:
            raise APIError(status, _message(text))
        return json.loads(text)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _asked(self, path: str) -> tuple[int, str]:
        try:
            if self._connection is None:
                self._connection = self._dialled()
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise EngineUnreachable(f"the docker engine in {self._container} does not answer") from error

    def _dialled(self) -> http.client.HTTPConnection:
        body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Cmd": DIAL}
        made = self._client.post(f"/containers/{self._container}/exec", body=body).json()
        stream = self._client.hijack(f"/exec/{made['Id']}/start", body={"Detach": False, "Tty": False})
        stream.socket.settimeout(PATIENCE_SECONDS)
        connection = http.client.HTTPConnection("docker")
        connection.auto_open = 0  # there is no host of that name to connect to
        connection.sock = _Wire(stream)
        return connection


class _Wire:
    """A hijacked exec as what http.client wants of a socket: standard input is sent, standard output comes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._output = _Output(stream)

    def sendall(self, data: bytes) -> None:
        self._stream.socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """A new one for each answer. None holds anything of the next: that is asked for later."""
        return io.BufferedReader(self._output)

    def close(self) -> None:
        self._stream.close()


class _Output(io.RawIOBase):
    """Standard output, out of Docker's frames."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frames = Demultiplexer()
        self._waiting = self._payload(stream.leftover)

    def close(self) -> None:
        """Nothing: http.client closes what it read an answer from, and the connection goes on."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            data = self._stream.socket.recv(65536)
            if not data:
                return 0
            self._waiting = self._payload(data)
        count = min(len(buffer), len(self._waiting))
        buffer[:count], self._waiting = self._waiting[:count], self._waiting[count:]
        return count

    def _payload(self, data: bytes) -> bytes:
        return b"".join(payload for stream, payload in self._frames.feed(data) if stream == 1)


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, LookupError, TypeError):
        return text.strip()
