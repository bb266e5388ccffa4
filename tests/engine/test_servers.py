"""Other servers beside an engine: whole engines at addresses of their own, that outlive deaths and leave nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import APIError, Client
from kernel_engine.daemon.lock import holder
from kernel_engine.paths import Instance
from tests.conftest import needs_root
from tests.daemon import Daemon, running_daemon
from tests.official import official, official_clis

pytestmark = [needs_root, pytest.mark.timeout(120)]
SERVERS = "/kernel-engine/servers"
PAGE = ("busybox", "sh", "-c", "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp")


@pytest.fixture
def engine(busybox_mirror: str) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place, running_daemon(Path(place), (busybox_mirror,)) as one:
        yield one


def create(engine: Daemon, name: str = "second", **more: Any) -> Daemon:
    """The server as an engine that can be spoken to."""
    made = engine.api.post(SERVERS, body={"Name": name, **more}).json()
    place = engine.instance.server(name)
    assert made["Host"] == f"unix://{place.socket}"
    return Daemon(place, ())


def facts(engine: Daemon, name: str = "second") -> dict[str, Any]:
    found: dict[str, Any] = engine.api.get(f"{SERVERS}/{name}").json()
    return found


def page(address: str) -> str:
    """Once it is there: the server in the container may be starting."""
    until = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=3) as reply:
                return str(reply.read().decode().strip())
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def kill_daemon(server: Daemon) -> None:
    """Returns when another one serves."""
    dead = holder(server.instance)
    os.kill(dead, signal.SIGKILL)
    eventually(lambda: holder(server.instance) not in (0, dead))
    server.wait_until_serving()


def links() -> str:
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout


def traces(instance: Instance) -> list[str]:
    """What is left of an instance on this machine."""
    found = [line for line in links().splitlines() if instance.id in line]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    found += [line for line in tables.splitlines() if instance.id in line]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {instance.run}/" in line]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_text(errors="replace").split("\0")
            except OSError:
                continue
            found += [" ".join(words)] if str(instance.run) in words else []
    return found


def test_it_is_a_machine_of_its_own(engine: Daemon) -> None:
    """Its own containers, images, ports and address; nothing is shared but the kernel."""
    engine.docker("pull", "-q", "busybox")
    second = create(engine)
    assert second.out("info", "--format", "{{.Name}} {{.Images}} {{.Containers}}") == "second 0 0"
    second.docker(
        "pull", "-q", "busybox"
    )  # this machine's 127.0.0.1 is not its own: it reaches the mirror all the same
    for host in (engine, second):
        host.docker("run", "-d", "--name", "web", "-h", "first" if host is engine else "second", "-p", "9999:80", *PAGE)
    address = facts(engine)["Address"]
    gateway = facts(engine)["Gateway"]
    assert page(f"{address}:9999") == "second"
    assert page("127.0.0.1:9999") == "first"
    assert page(f"{gateway}:9999") == "first"
    assert os.readlink(f"/proc/{second.inspect('web')['State']['Pid']}/ns/net") != os.readlink("/proc/self/ns/net")
    asks = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {} 9999 | tail -n 1"
    assert engine.out("run", "--rm", "busybox", "sh", "-c", asks.format(address)) == "second"
    assert second.out("run", "--rm", "busybox", "sh", "-c", asks.format(gateway)) == "first"
    inside = engine.inspect("web")["NetworkSettings"]["IPAddress"]
    # both may give the same addresses, each to its own: then it is the second server's page that answers there
    near = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 {inside} 80 | tail -n 1"
    assert "first" not in second.out("run", "--rm", "busybox", "sh", "-c", near)
    assert json.loads(engine.out("info", "--format", "{{json .RegistryConfig.InsecureRegistryCIDRs}}")) == [
        "127.0.0.0/8"
    ]


def test_two_servers_see_each_other(engine: Daemon) -> None:
    second, third = create(engine, "second"), create(engine, "third")
    for host in (second, third):
        host.docker("pull", "-q", "busybox")
    third.docker("run", "-d", "-h", "third", "-p", "80:80", *PAGE)
    address = facts(engine, "third")["Address"]
    assert page(address) == "third"
    asks = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {address} 80 | tail -n 1"
    assert second.out("run", "--rm", "busybox", "sh", "-c", asks) == "third"
    engine.api.delete(f"{SERVERS}/third").close()
    assert [server["Name"] for server in engine.api.get(SERVERS).json()["Servers"]] == ["second"]
    assert second.out("info", "--format", "{{.Name}}") == "second"


def test_its_network_may_be_spoken_to_without_tls_only_where_that_was_asked_for(engine: Daemon) -> None:
    second = create(engine, PlainHTTP=True)
    gateway = facts(engine)["Gateway"]
    for host in (engine, second):
        assert gateway.rpartition(".")[0] in host.out("info", "--format", "{{.RegistryConfig.InsecureRegistryCIDRs}}")
    engine.api.delete(f"{SERVERS}/second").close()
    assert engine.out("info", "--format", "{{.RegistryConfig.InsecureRegistryCIDRs}}") == "[127.0.0.0/8]"


def test_it_is_gone_whole(engine: Daemon) -> None:
    second = create(engine)
    second.docker("pull", "-q", "busybox")
    second.docker("run", "-d", "-p", "80:80", *PAGE)
    assert traces(second.instance)
    engine.api.delete(f"{SERVERS}/second").close()
    assert traces(second.instance) == []
    assert not second.instance.root.exists()
    assert list((engine.instance.run / "servers").iterdir()) == []
    assert f"kes-{engine.instance.id}" not in links()
    assert engine.api.get(SERVERS).json() == {"Address": "", "Servers": []}
    with pytest.raises(APIError, match="No such server: second"):
        engine.api.delete(f"{SERVERS}/second")


def test_it_outlives_the_engine_that_made_it(engine: Daemon) -> None:
    """kill -9, and a restart: containers and pages go on, and the next daemon knows the server."""
    second = create(engine, PlainHTTP=True)
    second.docker("pull", "-q", "busybox")
    second.docker("run", "-d", "-h", "second", "-p", "9999:80", *PAGE)
    address, daemon = facts(engine)["Address"], holder(second.instance)
    engine.kill()
    assert page(f"{address}:9999") == "second"
    engine.start()
    eventually(lambda: bool(facts(engine)["State"] == "running"))
    assert (facts(engine)["Address"], holder(second.instance)) == (address, daemon)
    engine.stop()
    assert page(f"{address}:9999") == "second"
    engine.start()
    eventually(lambda: bool(facts(engine)["State"] == "running"))
    assert holder(second.instance) == daemon
    assert len(json.loads(engine.out("info", "--format", "{{json .RegistryConfig.InsecureRegistryCIDRs}}"))) == 2


def test_a_dead_daemon_of_its_is_started_again(engine: Daemon) -> None:
    """Also one that died while nobody watched."""
    second = create(engine)
    second.docker("pull", "-q", "busybox")
    second.docker("run", "-d", "-h", "second", "-p", "9999:80", *PAGE)
    before = second.inspect(second.out("ps", "-q"))["State"]["Pid"]
    kill_daemon(second)
    eventually(lambda: facts(engine)["State"] == "running")
    assert second.inspect(second.out("ps", "-q"))["State"]["Pid"] == before
    engine.kill()
    os.kill(holder(second.instance), signal.SIGKILL)
    engine.start()
    eventually(lambda: facts(engine)["State"] == "running")
    assert page(f"{facts(engine)['Address']}:9999") == "second"


def test_one_that_cannot_come_back_is_called_so_and_can_be_removed(engine: Daemon) -> None:
    second = create(engine)
    for path in second.instance.root.glob("engine.db*"):
        path.write_bytes(b"no database at all, but longer than the header of one: " * 4)
    os.kill(holder(second.instance), signal.SIGKILL)
    eventually(lambda: bool(facts(engine)["State"] == "failed"))
    assert "server second" in engine.log.read_text()
    engine.api.delete(f"{SERVERS}/second").close()
    assert traces(second.instance) == []
    assert not second.instance.root.exists()


def test_a_removal_that_was_cut_off_is_finished(engine: Daemon) -> None:
    second = create(engine)
    removal = subprocess.Popen(
        ["curl", "-s", "--unix-socket", str(engine.instance.socket), "-X", "DELETE", f"http://d{SERVERS}/second"]
    )
    time.sleep(0.1)
    engine.kill()
    removal.wait(10)
    engine.start()
    eventually(lambda: engine.api.get(SERVERS).json()["Servers"] == [] and not second.instance.root.exists())
    eventually(lambda: f"kes-{engine.instance.id}" not in links())
    assert traces(second.instance) == []


def test_cleanup_of_the_engine_takes_its_servers_with_it(busybox_mirror: str, tmp_path_factory: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place:
        with running_daemon(Path(place), (busybox_mirror,)) as engine:
            second = create(engine)
            second.docker("pull", "-q", "busybox")
            second.docker("run", "-d", "-p", "80:80", *PAGE)
            engine.kill()  # its daemon cannot help
        assert traces(second.instance) == []
        assert traces(engine.instance) == []
        assert not engine.instance.root.exists()


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"Name": "../x"}, 400, "invalid server name"),
        ({"Name": 3}, 400, "Name"),
        ({"Name": "second"}, 409, "server second already exists"),
        ({"Name": "third", "PlainHTTP": "yes"}, 400, "PlainHTTP"),
    ],
    ids=["name", "type", "taken", "flag"],
)
def test_bad_words_make_nothing(shared: Daemon, body: dict[str, Any], status: int, said: str) -> None:
    with pytest.raises(APIError, match=said) as refusal:
        shared.api.post(SERVERS, body=body)
    assert refusal.value.status == status
    assert [server["Name"] for server in shared.api.get(SERVERS).json()["Servers"]] == ["second"]


@pytest.fixture(scope="module")
def shared(busybox_mirror: str) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place, running_daemon(Path(place), (busybox_mirror,)) as one:
        create(one)
        yield one


def test_one_that_cannot_start_leaves_nothing(shared: Daemon) -> None:
    """Its root cannot be made: a file lies there."""
    (shared.instance.root / "servers" / "broken").write_text("in the way")
    with pytest.raises(APIError):
        shared.api.post(SERVERS, body={"Name": "broken"})
    assert [server["Name"] for server in shared.api.get(SERVERS).json()["Servers"]] == ["second"]
    assert not (shared.instance.run / "servers" / "broken.net").exists()
    (shared.instance.root / "servers" / "broken").unlink(missing_ok=True)
    create(shared, "broken")
    shared.api.delete(f"{SERVERS}/broken").close()


@pytest.mark.parametrize("cli", official_clis())
def test_dockers_own_client_gets_there_by_our_context(shared: Daemon, cli: str, tmp_path: Path) -> None:
    """And ours by one of its own."""
    there = f"unix://{shared.instance.server('second').socket}"
    environment = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": ""}
    shared.environment.update(environment)
    try:
        shared.docker("context", "create", "ours", "--docker", f"host={there}")
        assert (
            official(cli, "", "--context", "ours", "info", "--format", "{{.Name}}", **environment).stdout == "second\n"
        )
        made = official(cli, "", "context", "create", "theirs", "--docker", f"host={there}", **environment)
        assert made.returncode == 0, made.stderr
        assert official(cli, "", "context", "use", "theirs", **environment).returncode == 0
        assert shared.out("info", "--format", "{{.Name}}") == "second"
        assert shared.out("context", "show") == "theirs"
    finally:
        shared.environment.clear()


def test_only_the_sockets_group_may_use_it(shared: Daemon) -> None:
    """As the engine's own socket."""
    own, other = (place.socket.stat() for place in (shared.instance, shared.instance.server("second")))
    assert (other.st_mode & 0o777, other.st_gid) == (0o660, own.st_gid)
    assert Client(f"unix://{shared.instance.server('second').socket}").get("/_ping").read() == b"OK"
