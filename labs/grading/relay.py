"""A door to the offline hub for a submission that has no network: connections are carried over a unix socket.

    outside, where the hub is:                    Outside(path, "127.0.0.1", 5555)
    inside, in the submission's network namespace: python -m labs.grading.relay 5555=PATH …

Bytes are moved and nothing is read of them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_PIECE = 65536


class Relay:
    """Takes connections of `listener` and carries each to what `connect` opens, until it is closed."""

    def __init__(self, listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self._listener = listener
        self._connect = connect
        threading.Thread(target=self._serve, daemon=True, name="relay").start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = self._connect()
            except OSError:
                near.close()
                continue
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(_PIECE):
            other.sendall(piece)
        other.shutdown(socket.SHUT_WR)
        return
    for each in (one, other):  # one of the two is broken: the other must not wait
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def outside(path: Path, host: str, port: int) -> Relay:
    """Raises OSError where the path cannot be had."""
    listener = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(64)
    return Relay(listener, lambda: socket.create_connection((host, port), timeout=None))


def _to(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.connect(path)
    return made


def inside(port: int, path: str) -> Relay:
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    return Relay(listener, lambda: _to(path))


def main(words: list[str]) -> int:
    """Ends when its standard input does: whoever started it is gone then."""
    for word in words:
        port, _, path = word.partition("=")
        inside(int(port), path)
    print("ready", flush=True)
    while os.read(0, _PIECE):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
