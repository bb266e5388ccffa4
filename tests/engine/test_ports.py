"""`docker run -p`: published, taken, kept after a death, given back."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernel_engine.network.ports import local_range
from kernel_engine.syscalls.nfnetlink import Nfnetlink
from tests.daemon import Daemon, running_daemon
from tests.engine.test_deaths import pid_behind
from tests.engine.test_life import until

ANSWER = "while :; do echo from-$HOSTNAME | nc -l -p 80; done"


@pytest.fixture(autouse=True)
def daemon_up(clean: Daemon) -> Iterator[None]:
    yield
    if clean.process is None:
        clean.start()
    for container in clean.out("ps", "-aq").split():
        clean.docker("rm", "-f", container)
    until(lambda: open_ports(clean) == 0)


def serve(daemon: Daemon, name: str, *ports: str) -> None:
    words = [word for port in ports for word in ("-p", port)]
    daemon.docker("run", "-d", "--name", name, "-h", name, *words, "busybox", "sh", "-c", ANSWER)


def ask(port: int, address: str = "127.0.0.1") -> str:
    """What the server says; it needs a moment to listen."""
    found = ""

    def answered() -> bool:
        nonlocal found
        try:
            with socket.create_connection((address, port), 2) as client:
                client.settimeout(2)
                client.shutdown(socket.SHUT_WR)
                found = client.recv(99).decode().strip()
        except OSError:
            return False
        return bool(found)

    until(answered)
    return found


def open_ports(daemon: Daemon) -> int:
    table = daemon.instance.nft_table
    with Nfnetlink() as netfilter:
        return sum(len(netfilter.elements(table, mapping)) for mapping in ("published", "published_at"))


@pytest.fixture
def free() -> int:
    """A port that nobody has; not one of those that are given in turn."""
    low, _ = local_range()
    for port in range(low - 2000, low):
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free port")


def test_published(clean: Daemon, free: int) -> None:
    serve(clean, "web", f"{free}:80", "127.0.0.1::81", "82/udp")
    assert ask(free) == "from-web"
    assert ask(free, "localhost") == "from-web"
    assert ask(free, clean.inspect("web")["NetworkSettings"]["Gateway"]) == "from-web"
    ports = clean.inspect("web")["NetworkSettings"]["Ports"]
    assert ports["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": str(free)}]
    (local,), (datagrams,) = ports["81/tcp"], ports["82/udp"]
    assert (local["HostIp"], datagrams["HostIp"]) == ("127.0.0.1", "0.0.0.0")
    lines = (f"80/tcp -> 0.0.0.0:{free}", f"81/tcp -> 127.0.0.1:{local['HostPort']}",
             f"82/udp -> 0.0.0.0:{datagrams['HostPort']}")  # fmt: skip
    assert tuple(clean.out("port", "web").splitlines()) == lines
    assert clean.out("port", "web", "80") == f"0.0.0.0:{free}"
    column = ", ".join(f"{outside}->{inside}" for inside, outside in (line.split(" -> ") for line in lines))
    assert clean.out("ps", "--format", "{{.Ports}}") == column
    inside = f"echo | nc -w 2 {clean.inspect('web')['NetworkSettings']['Gateway']} {free}"
    assert clean.out("run", "--rm", "busybox", "sh", "-c", inside) == "from-web"
    clean.docker("stop", "-t", "0", "web")
    assert clean.inspect("web")["NetworkSettings"]["Ports"] == {}
    assert clean.out("port", "web") == ""


def test_a_port_taken_twice(clean: Daemon, free: int) -> None:
    serve(clean, "one", f"{free}:80")
    result = clean.docker("run", "-d", "--name", "two", "-p", f"{free}:80", "busybox", "sleep", "9", check=False)
    assert result.returncode == 125
    assert len(result.stdout.strip()) == 64, "it exists, and Docker says so"
    assert "docker: Error response from daemon: driver failed programming external connectivity on endpoint two (" in (
        result.stderr
    )
    assert f"): Bind for 0.0.0.0:{free} failed: port is already allocated\n" in result.stderr
    two = clean.inspect("two")
    assert (two["State"]["Status"], two["State"]["ExitCode"]) == ("created", 128)
    assert two["State"]["Error"].endswith("port is already allocated")
    assert (two["NetworkSettings"]["IPAddress"], two["State"]["Pid"]) == ("", 0)
    again = clean.docker("start", "two", check=False)
    assert (again.returncode, "port is already allocated" in again.stderr) == (1, True)
    gone = clean.docker("run", "--rm", "--name", "three", "-p", f"{free}:80", "busybox", "true", check=False)
    assert gone.returncode == 125
    until(lambda: clean.out("ps", "-aq", "--filter", "name=three") == "")
    clean.docker("rm", "-f", "one")
    assert clean.out("start", "two") == "two"


def test_a_port_that_another_program_has(clean: Daemon, free: int) -> None:
    with socket.create_server(("127.0.0.1", free)):
        result = clean.docker("run", "--name", "late", "-p", f"{free}:80", "busybox", "true", check=False)
    assert result.returncode == 125
    assert f"listen tcp4 0.0.0.0:{free}: bind: address already in use" in result.stderr
    assert clean.inspect("late")["State"]["Status"] == "created"
    clean.docker("start", "-a", "late")


def test_no_program_takes_a_published_port(clean: Daemon, free: int) -> None:
    serve(clean, "web", f"{free}:80")
    assert taken(free)
    clean.kill()
    assert taken(free), "the launcher holds it"
    clean.start()
    assert taken(free)
    clean.docker("rm", "-f", "web")
    assert not taken(free)


def taken(port: int) -> bool:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_another_engine_on_the_same_machine(clean: Daemon, free: int) -> None:
    serve(clean, "web", f"{free}:80")
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        running_daemon(Path(directory), clean.mirrors) as other,
    ):
        other.docker("pull", "busybox")
        result = other.docker("run", "-p", f"{free}:80", "busybox", "true", check=False)
        assert (result.returncode, "address already in use" in result.stderr) == (125, True)
        assert other.out("run", "--rm", "busybox", "sh", "-c", f"echo | nc -w 2 {gateway(clean)} {free}") == "from-web"


def gateway(daemon: Daemon) -> str:
    return str(daemon.inspect("web")["NetworkSettings"]["Gateway"])


def test_after_a_death_of_the_daemon(clean: Daemon, free: int) -> None:
    serve(clean, "web", f"{free}:80", "81")
    before = clean.out("port", "web")
    clean.kill()
    assert ask(free) == "from-web"
    clean.start()
    assert ask(free) == "from-web"
    assert clean.out("port", "web") == before
    result = clean.docker("run", "-p", f"{free}:80", "busybox", "true", check=False)
    assert "port is already allocated" in result.stderr
    clean.docker("rm", "-f", "web")
    until(lambda: open_ports(clean) == 0)
    serve(clean, "web", f"{free}:80")
    assert ask(free) == "from-web"


def test_a_death_right_after_the_start(clean: Daemon, free: int) -> None:
    """Before the start can have reached the disk: the launcher knows what the network gave the container."""
    for _ in range(4):
        body = {"Image": "busybox", "Cmd": ["sh", "-c", "while :; do echo here | nc -l -p 80; done"],
                "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": str(free)}]}}}  # fmt: skip
        container = clean.api.post("/containers/create", body=body).json()["Id"]
        clean.api.post(f"/containers/{container}/start").close()
        clean.kill()
        clean.start()
        facts = clean.inspect(container)
        assert facts["NetworkSettings"]["IPAddress"]
        assert facts["NetworkSettings"]["Ports"] == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(free)}]}
        assert ask(free) == "here"
        clean.docker("rm", "-f", container)
        until(lambda: open_ports(clean) == 0)


def test_one_that_ended_while_nobody_looked(clean: Daemon, free: int) -> None:
    clean.docker("run", "-d", "--name", "brief", "-p", f"{free}:80", "busybox", "sleep", "0.5")
    clean.kill()
    time.sleep(0.8)
    clean.start()
    until(lambda: open_ports(clean) == 0)
    serve(clean, "web", f"{free}:80")
    assert ask(free) == "from-web"


def test_a_death_of_the_launcher_gives_ports_back(clean: Daemon, free: int) -> None:
    serve(clean, "web", f"{free}:80")
    os.kill(pid_behind(clean.instance.launcher_socket), signal.SIGKILL)
    until(lambda: clean.inspect("web")["State"]["Status"] == "exited")
    until(lambda: open_ports(clean) == 0)
    clean.docker("start", "web")
    assert ask(free) == "from-web"


def test_fixed_ports_stay_and_free_ones_change(clean: Daemon, free: int) -> None:
    serve(clean, "web", f"{free}:80", "81")
    before = clean.inspect("web")["NetworkSettings"]["Ports"]
    clean.docker("restart", "-t", "0", "web")
    after = clean.inspect("web")["NetworkSettings"]["Ports"]
    assert after["80/tcp"] == before["80/tcp"]
    assert after["81/tcp"] != before["81/tcp"]
    assert ask(free) == "from-web"


def test_a_restart_policy_takes_its_port_again(clean: Daemon, free: int) -> None:
    command = "echo here | nc -l -p 80; exit 3"
    clean.docker(
        "run", "-d", "--name", "web", "--restart", "always", "-p", f"{free}:80", "busybox", "sh", "-c", command
    )
    for _ in range(3):
        assert ask(free) == "here"
    assert clean.inspect("web")["RestartCount"] >= 2


def test_all_exposed_ports(clean: Daemon, free: int) -> None:
    clean.docker("run", "-d", "--name", "web", "-P", "--expose", "70-71", "--expose", "90/udp", "-p", f"{free}:80",
                 "busybox", "sleep", "99")  # fmt: skip
    ports = clean.inspect("web")["NetworkSettings"]["Ports"]
    assert sorted(ports) == ["70/tcp", "71/tcp", "80/tcp", "90/udp"]
    assert ports["80/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": str(free)}]
    numbers = {port: int(places[0]["HostPort"]) for port, places in ports.items()}
    assert numbers["70/tcp"] > numbers["71/tcp"], "as Docker: from the highest down"
    clean.docker("run", "-d", "--name", "closed", "--expose", "443", "busybox", "sleep", "99")
    assert clean.inspect("closed")["NetworkSettings"]["Ports"] == {"443/tcp": None}
    assert clean.out("ps", "--filter", "name=closed", "--format", "{{.Ports}}") == "443/tcp"


def test_a_range_gives_one_after_the_other(clean: Daemon, free: int) -> None:
    numbers = []
    for name in ("one", "two"):
        serve(clean, name, f"{free}-{free + 9}:80")
        numbers.append(int(clean.out("port", name, "80").rpartition(":")[2]))
    assert numbers[0] == free < numbers[1] <= free + 9
    assert [ask(number) for number in numbers] == ["from-one", "from-two"]


def test_networks_that_publish_nothing(clean: Daemon, free: int) -> None:
    result = clean.docker("run", "--rm", "--network", "host", "-p", f"{free}:80", "busybox", "true")
    assert result.stderr == "WARNING: Published ports are discarded when using host network mode\n"
    clean.docker("run", "-d", "--name", "none", "--network", "none", "-p", f"{free}:80", "busybox", "sleep", "99")
    assert clean.inspect("none")["NetworkSettings"]["Ports"] == {}
    assert not taken(free)


def test_a_start_that_fails_later_gives_the_port_back(clean: Daemon, free: int) -> None:
    result = clean.docker("run", "-d", "--name", "web", "-p", f"{free}:80", "busybox", "nosuch", check=False)
    assert result.returncode == 127
    until(lambda: not taken(free) and open_ports(clean) == 0)


def test_words_that_are_refused_make_nothing(clean: Daemon) -> None:
    with sent(clean, {"80/tcp": [{"HostPort": "seven"}]}) as (status, message):
        assert (status, message) == (400, 'invalid port specification: "seven"')
    with sent(clean, {"80/icmp": [{"HostPort": "7"}]}) as (status, message):
        assert (status, message) == (400, "invalid proto: icmp")
    assert clean.out("ps", "-aq") == ""


@contextmanager
def sent(daemon: Daemon, bindings: object) -> Iterator[tuple[int, str]]:
    from kernel_engine.client import APIError

    with pytest.raises(APIError) as caught:
        daemon.api.post("/containers/create", body={"Image": "busybox", "HostConfig": {"PortBindings": bindings}})
    yield caught.value.status, caught.value.message


def test_the_kernels_work_for_a_port_is_explained(clean: Daemon, free: int) -> None:
    words = ("run", "--rm", "--explain", "-p", f"{free}:80", "busybox", "true")
    assert "NFT_MSG_NEWSETELEM" in clean.docker(*words).stderr + clean.docker(*words).stdout


def test_a_port_leads_on_when_its_network_is_left(clean: Daemon, free: int) -> None:
    clean.docker("network", "create", "other")
    try:
        serve(clean, "web", f"{free}:80")
        clean.docker("network", "connect", "other", "web")
        clean.docker("network", "disconnect", "bridge", "web")
        assert ask(free) == "from-web"
        assert clean.out("port", "web") == f"80/tcp -> 0.0.0.0:{free}"
        clean.kill()
        clean.start()
        assert ask(free) == "from-web"
        clean.docker("rm", "-f", "web")
        serve(clean, "again", f"{free}:80")
        assert ask(free) == "from-again"
    finally:
        for container in clean.out("ps", "-aq").split():
            clean.docker("rm", "-f", container)
        clean.docker("network", "rm", "other")


def test_a_network_of_a_users_own(clean: Daemon, free: int) -> None:
    clean.docker("network", "create", "own")
    try:
        clean.docker("run", "-d", "--name", "web", "-h", "web", "--network", "own", "-p", f"{free}:80", "busybox", "sh",
                     "-c", ANSWER)  # fmt: skip
        assert ask(free) == "from-web"
        gateway = clean.inspect("web")["NetworkSettings"]["Networks"]["own"]["Gateway"]
        for network in ("own", "bridge"):
            question = f"echo | nc -w 2 {gateway} {free}"
            assert clean.out("run", "--rm", "--network", network, "busybox", "sh", "-c", question) == "from-web"
    finally:
        for container in clean.out("ps", "-aq").split():
            clean.docker("rm", "-f", container)
        clean.docker("network", "rm", "own")


def test_ps_finds_containers_by_their_ports(clean: Daemon, free: int) -> None:
    clean.docker("run", "-d", "--name", "web", "--expose", "443", "-p", f"{free}:80", "busybox", "sleep", "99")
    for word, names in ((f"publish={free}", "web"), ("publish=80", ""), ("expose=443/tcp", "web"), ("expose=9", "")):
        assert clean.out("ps", "--filter", word, "--format", "{{.Names}}") == names
    assert 'parsing "x": invalid syntax' in clean.docker("ps", "--filter", "publish=x", check=False).stderr


def test_what_a_container_listens_on(clean: Daemon) -> None:
    def listening(name: str) -> tuple[str, int, list[tuple[int, str, str]]]:
        found = clean.api.get(f"/kernel-engine/containers/{name}/listening").json()
        sockets = [(item["Port"], item["Protocol"], item["Address"]) for item in found["Listening"]]
        return found["State"], found["ExitCode"], sockets

    program = "httpd -f -p 127.0.0.1:80 & nc -l -p 8080 & wait"
    clean.docker("run", "-d", "--name", "web", "busybox", "sh", "-c", program)
    until(lambda: len(listening("web")[2]) == 2)
    state, code, sockets = listening("web")
    assert (state, code) == ("running", 0)
    assert sockets[0] == (80, "tcp", "127.0.0.1")
    assert sockets[1] in [(8080, "tcp", "0.0.0.0"), (8080, "tcp", "::")]
    clean.docker("run", "--name", "over", "busybox", "sh", "-c", "exit 3", check=False)
    assert listening("over") == ("exited", 3, [])
