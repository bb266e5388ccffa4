"""A registry that stalls and a client that leaves: the engine gives the pull up, as dockerd does; nothing is left."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.busybox_registry import busybox
from tests.conftest import needs_root
from tests.daemon import REPOSITORY, SLOWNESS, Daemon, running_daemon
from tests.faults.audit import settled

pytestmark = needs_root
PATIENCE = 60 * SLOWNESS
#: less than the 20 s after which the engine gives a silent registry up anyway
SOON = 15
CONFIG, LAYER = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (busybox().config, busybox().packed))


@dataclass(slots=True)
class Stalling:
    """Stands in front of a registry, and says nothing more from a moment on."""

    address: str = ""
    words: str = ""  #: a request for a path with them gets only so many bytes of its answer; "" = all get all
    after: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)  #: the engine has closed the connection
    going_on: threading.Event = field(default_factory=threading.Event)  #: set by the test

    def stall(self, words: str, after: int) -> None:
        self.words, self.after = words, after
        for event in (self.stalled, self.left, self.going_on):
            event.clear()

    def serve(self, near: socket.socket, target: tuple[str, int]) -> None:
        """One connection, which is one request: the registry speaks HTTP/1.0."""
        with near, socket.create_connection(target) as far, suppress(OSError):
            request = near.recv(1 << 16)
            far.sendall(request)
            carried, stalls = 0, bool(self.words) and self.words in request.partition(b"\r\n")[0].decode()
            while data := far.recv(1 << 12):
                if stalls and carried + len(data) > self.after:
                    stalls = False
                    self.stalled.set()
                    if not self._wait(near):
                        self.left.set()
                        return
                near.sendall(data)
                carried += len(data)

    def _wait(self, near: socket.socket) -> bool:
        """False where the other side does not wait for it."""
        while not self.going_on.is_set():
            if select.select([near], [], [], 0.05)[0]:
                return False
        return True


@contextmanager
def stalling(target: str) -> Iterator[Stalling]:
    host, _, port = target.removeprefix("http://").rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Stalling(address=f"http://127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    threading.Thread(target=found.serve, args=(near, (host, int(port))), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def served(busybox_mirror: str) -> Iterator[tuple[Daemon, Stalling]]:
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        stalling(busybox_mirror) as mirror,
        running_daemon(Path(directory), (mirror.address,)) as daemon,
    ):
        yield daemon, mirror


def _pull(daemon: Daemon) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kernel_engine.cli.main", "pull", "busybox"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY,
        env={**os.environ, "DOCKER_HOST": daemon.host},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "after"),
    [
        pytest.param("GET /v2/ ", 0, id="asked who it is"),
        pytest.param("/manifests/", 0, id="the manifest", marks=pytest.mark.full),
        pytest.param(f"/blobs/{CONFIG}", 0, id="the configuration", marks=pytest.mark.full),
        pytest.param(f"/blobs/{LAYER}", 300_000, id="a layer"),
    ],
)
def test_a_client_leaves(served: tuple[Daemon, Stalling], words: str, after: int) -> None:
    daemon, mirror = served
    mirror.stall(words, after)
    client = _pull(daemon)
    assert mirror.stalled.wait(PATIENCE)
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=PATIENCE)
    assert client.returncode == 130
    assert mirror.left.wait(SOON), "the engine goes on without a client"
    assert settled(daemon) == []
    assert daemon.out("images", "-q") == ""
    mirror.words = ""
    daemon.docker("pull", "-q", "busybox")
    assert daemon.out("run", "--rm", "busybox", "echo", "whole") == "whole"
    daemon.docker("rmi", "busybox")
    assert settled(daemon) == []


def test_one_of_two_leaves(served: tuple[Daemon, Stalling]) -> None:
    """What both wait for goes on for the other."""
    daemon, mirror = served
    mirror.stall(f"/blobs/{LAYER}", 300_000)
    first = _pull(daemon)
    assert mirror.stalled.wait(PATIENCE)
    with daemon.api.post("/images/create", query={"fromImage": "busybox", "tag": "latest"}) as second:
        lines = map(json.loads, second.lines())
        assert any(line["status"] == "Downloading" for line in lines)  # what the first one's download has told
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=PATIENCE)
        mirror.going_on.set()
        assert "Status: Downloaded newer image for busybox:latest" in [line["status"] for line in lines]
    assert not mirror.left.is_set()
    daemon.docker("rmi", "busybox")
    assert settled(daemon) == []
