"""What keeps hub, engine and JupyterLab running where systemd does not, and how ./lab asks whether they answer."""

from __future__ import annotations

import http.server
import os
import signal
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"


def until(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[object]:
    """start(command…) → the supervisor's process; all of them are ended afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                [PACKAGING / "supervise", tmp_path, "thing", *command], stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=30)


def child(tmp_path: Path) -> int:
    file = tmp_path / "thing.pid"
    text = file.read_text() if file.exists() else ""
    return int(text) if text.strip() else 0


def test_a_killed_process_is_started_again(supervised: object, tmp_path: Path) -> None:
    supervised("sleep", "1000")  # type: ignore[operator]
    until(lambda: child(tmp_path))
    first = child(tmp_path)
    os.kill(first, signal.SIGKILL)
    until(lambda: child(tmp_path) not in (0, first))
    os.kill(child(tmp_path), 0)
    assert "thing ended with 137" in (tmp_path / "log").read_text()


def test_it_waits_longer_each_time(supervised: object, tmp_path: Path) -> None:
    supervised("false")  # type: ignore[operator]
    until(lambda: "again in 2 s" in (tmp_path / "log").read_text())
    assert "again in 1 s" in (tmp_path / "log").read_text()


def test_ended_it_ends_the_process_and_its_files(supervised: object, tmp_path: Path) -> None:
    process = supervised("sleep", "1000")  # type: ignore[operator]
    until(lambda: child(tmp_path))
    pid = child(tmp_path)
    process.terminate()
    assert process.wait(timeout=10) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "thing.lock"]


def test_a_second_one_goes_away(supervised: object, tmp_path: Path) -> None:
    supervised("sleep", "1000")  # type: ignore[operator]
    until(lambda: child(tmp_path))
    first = child(tmp_path)
    assert supervised("sleep", "1000").wait(timeout=10) == 0  # type: ignore[operator]
    assert child(tmp_path) == first


def test_the_process_does_not_hold_the_lock(supervised: object, tmp_path: Path) -> None:
    """Containers outlive the engine's supervisor: a lock in their hands would say for ever that it runs."""
    process = supervised("sleep", "1000")  # type: ignore[operator]
    until(lambda: child(tmp_path))
    pid = child(tmp_path)
    process.kill()
    process.wait()
    try:
        subprocess.run(["flock", "-n", tmp_path / "thing.lock", "true"], check=True)
    finally:
        os.kill(pid, signal.SIGKILL)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path in ("/_ping", "/api") else 404)
        self.end_headers()

    def address_string(self) -> str:
        return "-"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(params=["tcp", "unix"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "tcp":
        server: socketserver.BaseServer = http.server.HTTPServer(("127.0.0.1", 0), _Answer)
        name = f"http://127.0.0.1:{server.server_address[1]}/api"  # type: ignore[index]
    else:
        server = socketserver.UnixStreamServer(str(tmp_path / "s"), _Answer)
        name = f"unix:{tmp_path}/s"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield name
    server.shutdown()
    thread.join()
    server.server_close()


def answers(*arguments: str) -> int:
    return subprocess.run([PACKAGING / "answers", *arguments], capture_output=True, check=False).returncode


def test_answers_finds_what_answers(place: str) -> None:
    assert answers(place) == 0


def test_answers_wants_success(place: str) -> None:
    if place.startswith("http"):
        assert answers(place.replace("/api", "/other")) == 1


def test_answers_gives_up_in_time(tmp_path: Path) -> None:
    started = time.monotonic()
    assert answers(f"unix:{tmp_path}/none", "0.5") == 1
    assert 0.5 <= time.monotonic() - started < 5
