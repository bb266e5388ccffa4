"""The whole engine as an ordinary user (decision 0035): he has no right on this machine but his own."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import rootless
from tests.daemon import PROGRAM, REPOSITORY, Daemon, running_daemon

SERVER = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ke-user-") as directory:
        if reason := rootless.lacking(Path(directory)):
            pytest.skip(f"needs {reason}")
        yield Path(directory)


@pytest.fixture(scope="module")
def engine(place: Path, busybox_mirror: str) -> Iterator[Daemon]:
    with running_daemon(place, (busybox_mirror,), program=rootless.program(place)) as running:
        running.docker("pull", "busybox")
        yield running
    assert not (place / "root").exists()
    assert not (place / "run").exists()
    assert not processes()


def processes() -> list[int]:
    """The user's, and those of his ids, that have not ended."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            lines = Path(f"/proc/{entry}/status").read_text().splitlines() if entry.isdigit() else []
        except OSError:
            continue
        facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if not facts or facts["State"].startswith(("Z", "X")):
            continue
        uid = int(facts["Uid"].split()[0])
        if uid == rootless.UID or rootless.FIRST <= uid < rootless.FIRST + rootless.COUNT:
            found.append(int(entry))
    return found


def eventually(done: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def fetch(port: int) -> str:
    """What a web server on this machine's loopback says; "" where nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as end:
            end.sendall(b"GET / HTTP/1.0\r\n\r\n")
            pieces = b""
            while piece := end.recv(4096):
                pieces += piece
    except ConnectionRefusedError:
        return ""
    return pieces.decode().rpartition("\r\n\r\n")[2].strip()


def published(engine: Daemon, name: str) -> int:
    return int(engine.out("port", name, "80/tcp").rpartition(":")[2])


def test_a_containers_root_is_the_user(engine: Daemon) -> None:
    words = "id -u; cat /proc/self/uid_map; touch /x && chown 1000:1000 /x && stat -c %u /x"
    lines = engine.out("run", "--rm", "--network", "none", "busybox", "sh", "-c", words).splitlines()
    assert lines[0] == "0"
    assert lines[1].split() == ["0", str(rootless.UID), "1"]
    assert lines[2].split() == ["1", str(rootless.FIRST), str(rootless.COUNT)]
    assert lines[3] == "1000"


def test_info_says_so_and_limits_are_discarded_with_dockers_words(engine: Daemon) -> None:
    facts = engine.api.get("/info").json()
    assert "name=rootless" in facts["SecurityOptions"]
    if facts["CgroupDriver"] != "none":
        pytest.skip("this user has control groups")
    assert not facts["MemoryLimit"]
    assert facts["Warnings"][0].startswith("WARNING: Running in rootless-mode without cgroups.")
    done = engine.docker("run", "--rm", "-m", "64m", "busybox", "true")
    assert "memory limit capabilities or the cgroup is not mounted. Limitation discarded." in done.stderr
    refused = engine.docker("run", "--rm", "--cpus", "1", "busybox", "true", check=False)
    assert refused.returncode == 125
    assert "NanoCPUs can not be set" in refused.stderr


def test_a_port_a_name_an_exec_and_a_commit(engine: Daemon) -> None:
    engine.docker("network", "create", "own")
    engine.docker("run", "-d", "--name", "web", "--network", "own", "-p", "80", "busybox", "sh", "-c", SERVER)
    try:
        port = published(engine, "web")
        assert eventually(lambda: fetch(port) == "hello")
        words = "nslookup web 127.0.0.11 && wget -qO- http://$(nslookup web 127.0.0.11 | awk '/^Address: /{print $2}')/"
        assert engine.out("run", "--rm", "--network", "own", "busybox", "sh", "-c", words).endswith("hello")
        assert engine.out("exec", "web", "cat", "/www/index.html") == "hello"
        assert "httpd" in engine.out("top", "web")
        engine.docker("commit", "web", "mine")
        assert engine.out("run", "--rm", "mine", "cat", "/www/index.html") == "hello"
        engine.docker("stop", "-t", "0", "web")
        assert fetch(port) == ""
    finally:
        engine.docker("rm", "-f", "web", check=False)
        engine.docker("network", "rm", "own", check=False)


def test_a_daemon_that_is_killed_leaves_containers_and_their_ports(engine: Daemon) -> None:
    engine.docker("run", "-d", "--name", "lasting", "-p", "80", "busybox", "sh", "-c", SERVER)
    try:
        port, pid = published(engine, "lasting"), engine.inspect("lasting")["State"]["Pid"]
        assert eventually(lambda: fetch(port) == "hello")
        engine.kill()
        assert fetch(port) == "hello"
        engine.start()
        assert engine.inspect("lasting")["State"]["Pid"] == pid
        assert fetch(port) == "hello"
        assert engine.out("exec", "lasting", "id", "-u") == "0"
    finally:
        engine.docker("rm", "-f", "lasting", check=False)
    assert fetch(port) == ""


def test_root_of_the_machine_is_told_to_leave_sudo_out(place: Path) -> None:
    words = (*PROGRAM, "serve", "--rootless", "--root", str(place / "r"), "--run", str(place / "r"))
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 1
    assert "--rootless is for an ordinary user, and this is root" in done.stderr
