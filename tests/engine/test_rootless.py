"""The whole engine as an ordinary user (decision 0035): he has no right on this machine but his own."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import rootless
from tests.daemon import PROGRAM, REPOSITORY, SLOWNESS, Daemon, running_daemon
from tests.engine.test_ipv6 import answering

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
    assert eventually(lambda: not processes())


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


def eventually(done: Callable[[], object], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds * SLOWNESS
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def fetch(port: int) -> str:
    """What a web server on this machine's loopback says; "" where there is none, or its container has just gone."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as end:
            end.sendall(b"GET / HTTP/1.0\r\n\r\n")
            pieces = b""
            while piece := end.recv(4096):
                pieces += piece
    except ConnectionError:
        return ""
    return pieces.decode().rpartition("\r\n\r\n")[2].strip()


def is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except ConnectionRefusedError:
        return True
    return False


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
        assert is_closed(port)
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
    assert is_closed(port)


def test_a_port_of_udp_answers_each_asker(engine: Daemon) -> None:
    engine.docker("run", "-d", "--name", "echo", "-p", "53/udp", "busybox", "sleep", "600")
    try:
        port = int(engine.out("port", "echo", "53/udp").rpartition(":")[2])
        with answering(engine.inspect("echo")["State"]["Pid"]), ExitStack() as stack:
            askers = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(3)]
            for number, asker in enumerate(askers):
                asker.connect(("127.0.0.1", port))
                assert eventually(lambda: _asked(asker, b"first %d" % number))  # noqa: B023
            for number, asker in enumerate(reversed(askers)):
                assert eventually(lambda: _asked(asker, b"then %d" % number))  # noqa: B023
            assert eventually(lambda: _asked(askers[0], b"x" * 60_000)), "as large as a datagram may be"
    finally:
        engine.docker("rm", "-f", "echo", check=False)


def _asked(asker: socket.socket, words: bytes) -> bool:
    """Whether they come back; a datagram may be lost, and an old answer late."""
    asker.settimeout(5)
    try:
        asker.send(words)
        while asker.recv(1 << 16) != words:
            pass
    except OSError:
        return False
    return True


def test_root_of_the_machine_is_told_to_leave_sudo_out(place: Path) -> None:
    words = (*PROGRAM, "serve", "--rootless", "--root", str(place / "r"), "--run", str(place / "r"))
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 1
    assert "--rootless is for an ordinary user, and this is root" in done.stderr


def test_a_build_a_copy_and_a_volume(engine: Daemon, place: Path) -> None:
    context = place / "context"
    context.mkdir()
    (context / "seed").write_text("grown\n")
    lines = ("FROM busybox", "COPY --chown=7:8 seed /seed", "RUN mkdir /x && touch /x/a", "RUN rm -r /x && mkdir /x")
    (context / "Dockerfile").write_text("\n".join(lines))
    try:
        engine.docker("build", "-t", "built", str(context))
        assert engine.out("run", "--rm", "built", "sh", "-c", "stat -c %u:%g /seed; ls /x").split() == ["7:8"]
        engine.docker("run", "-d", "--name", "keeps", "-v", "kept:/data", "built", "sleep", "600")
        engine.docker("cp", str(context / "seed"), "keeps:/data/copied")
        assert engine.out("run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/copied") == "grown"
        assert engine.docker("cp", "keeps:/seed", "-").stdout.startswith("seed")
        assert (place / "root/volumes").stat().st_uid == rootless.UID
    finally:
        engine.docker("rm", "-f", "keeps", check=False)
        engine.docker("volume", "rm", "kept", check=False)


def own_address() -> str:
    """Of this machine on the way out of it; "" where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.200", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def test_the_way_out_leads_to_the_machine_but_not_to_its_loopback(engine: Daemon) -> None:
    address = own_address()
    if not address:
        pytest.skip("needs a network card with a way out")
    with socket.create_server((address, 0)) as listening:
        listening.settimeout(60)
        words = ["run", "-d", "--name", "caller", "busybox", "sh", "-c", f"nc {address} {listening.getsockname()[1]}"]
        engine.docker(*words)
        try:
            listening.accept()[0].close()
        finally:
            engine.docker("rm", "-f", "caller", check=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        refused = engine.docker("run", "--rm", "busybox", "nc", "-w", "5", "10.0.2.2", str(port), check=False)
        assert refused.returncode == 1
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def gate(engine: Daemon) -> int:
    words = f"-m\0kernel_engine.gate.process\0--run\0{engine.instance.run}\0"
    for pid in processes():
        if words in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    return 0


def test_a_gate_that_is_killed_is_replaced_and_opens_the_ports_again(engine: Daemon) -> None:
    engine.docker("run", "-d", "--name", "open", "-p", "80", "busybox", "sh", "-c", SERVER)
    try:
        port, killed = published(engine, "open"), gate(engine)
        assert eventually(lambda: fetch(port) == "hello")
        os.kill(killed, 9)
        assert eventually(lambda: gate(engine) not in (0, killed))
        assert eventually(lambda: fetch(port) == "hello")
    finally:
        engine.docker("rm", "-f", "open", check=False)
    assert is_closed(port)


def test_a_port_closes_with_its_container_while_no_daemon_lives(engine: Daemon) -> None:
    engine.docker("run", "-d", "--name", "short", "-p", "80", "busybox", "sh", "-c", SERVER)
    try:
        port, pid = published(engine, "short"), engine.inspect("short")["State"]["Pid"]
        assert eventually(lambda: fetch(port) == "hello")
        engine.kill()
        os.kill(pid, 9)
        assert eventually(lambda: is_closed(port))
        engine.start()
        assert engine.inspect("short")["State"]["Status"] == "exited"
    finally:
        engine.docker("rm", "-f", "short", check=False)


@pytest.mark.full
def test_without_ids_of_his_own_he_is_root_and_there_is_nobody_else(place: Path, busybox_mirror: str) -> None:
    alone = place / "alone"
    with running_daemon(alone, (busybox_mirror,), program=rootless.program(alone, ids=False)) as engine:
        assert "there is one user and one group only" in engine.log.read_text()
        engine.docker("pull", "busybox")
        assert engine.out("run", "--rm", "busybox", "id", "-u") == "0"
        refused = engine.docker("run", "--rm", "-u", "1000", "busybox", "true", check=False)
        assert "to unmapped user in user namespace" in refused.stderr
        refused = engine.docker("run", "--rm", "--group-add", "5", "busybox", "true", check=False)
        assert "cannot set any additional groups in a rootless container" in refused.stderr
        refused = engine.docker("build", "-", input="FROM busybox\nRUN chown 7 /bin\n", check=False)
        assert refused.returncode
