"""`docker compose` about what there is: lists, one container, one-off commands, and what happens to them."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.daemon import Daemon
from tests.engine.composing import COMPOSE, Composed, composed

FILE = """
    services:
      web:
        image: busybox
        command: STAYS
        ports: ["127.0.0.1::80"]
        depends_on: [db]
        environment: {GREETING: hello}
      db:
        image: busybox
        command: STAYS
    """


@pytest.fixture(scope="module")
def shared(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """One project that runs, for tests that leave it as it is."""
    with composed(daemon, tmp_path_factory.mktemp("shared"), "shared") as made:
        made.write(FILE)
        made("up", "-d", "--scale", "db=2")
        yield made


@pytest.fixture
def project(daemon: Daemon, tmp_path: Path) -> Iterator[Composed]:
    with composed(daemon, tmp_path, "own") as made:
        made.write(FILE)
        yield made


def test_ps(shared: Composed) -> None:
    heading, *rows = shared("ps").stdout.splitlines()
    assert heading.split() == ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"]
    assert [row.split()[0] for row in rows] == ["shared-db-1", "shared-db-2", "shared-web-1"]
    assert re.search(r"127\.0\.0\.1:\d+->80/tcp$", rows[2])
    assert shared("ps", "--services").stdout == "db\nweb\n"
    assert len(shared("ps", "-q", "db").stdout.split()[0]) == 64
    assert shared("ps", "--status", "exited", "-q").stdout == ""
    assert shared("ps", "--filter", "status=running", "-q", "web").stdout != ""
    assert shared("ps", "--format", "{{.Name}} {{.Service}} {{.State}}", "web").stdout == "shared-web-1 web running\n"
    found: dict[str, Any] = json.loads(shared("ps", "--format", "json", "web").stdout)
    assert (found["Name"], found["Service"], found["Project"], found["ExitCode"], found["Health"]) == (
        "shared-web-1",
        "web",
        "shared",
        0,
        "",
    )
    assert found["Publishers"][0]["TargetPort"] == 80
    assert shared("ps", "--filter", "colour=red", check=False).stderr == "unknown filter colour\n"


def test_ls(shared: Composed) -> None:
    heading, row = shared("ls").stdout.splitlines()
    assert re.split(r"\s{2,}", heading) == ["NAME", "STATUS", "CONFIG FILES"]
    assert row.split() == ["shared", "running(3)", str(shared.directory / "compose.yaml")]
    assert shared("ls", "-q", "--filter", "name=nope").stdout == ""
    assert json.loads(shared("ls", "--format", "json").stdout)[0]["Name"] == "shared"


def test_images_and_processes(shared: Composed) -> None:
    heading, *rows = shared("images").stdout.splitlines()
    assert re.split(r"\s{2,}", heading) == ["CONTAINER", "REPOSITORY", "TAG", "IMAGE ID", "SIZE"]
    assert [row.split()[:3] for row in rows][2] == ["shared-web-1", "busybox", "latest"]
    assert len(shared("images", "-q").stdout.split()) == 1
    assert json.loads(shared("images", "--format", "json").stdout)[0]["Repository"] == "busybox"
    shown = shared("top", "web").stdout.splitlines()
    assert shown[0] == "shared-web-1"
    assert "trap" in shown[2]


def test_one_container_of_several(shared: Composed) -> None:
    assert shared("exec", "db", "hostname").stdout.strip() == shared.ids()["shared-db-1"][:12]
    assert shared("exec", "--index", "2", "db", "hostname").stdout.strip() == shared.ids()["shared-db-2"][:12]
    assert "is not running container #3" in shared("exec", "--index", "3", "db", "true", check=False).stderr
    assert (
        shared("exec", "-e", "A=1", "-w", "/tmp", "web", "sh", "-c", "echo $A $GREETING; pwd").stdout
        == "1 hello\n/tmp\n"
    )
    assert shared("exec", "web", "sh", "-c", "exit 7", check=False).returncode == 7


def test_ports(shared: Composed) -> None:
    assert re.fullmatch(r"127\.0\.0\.1:\d+\n", shared("port", "web", "80").stdout)
    assert "no port 81/tcp for container shared-web-1" in shared("port", "web", "81", check=False).stderr


def test_files_in_and_out(shared: Composed) -> None:
    source = shared.directory / "file"
    source.write_text("content")
    shared("cp", "file", "db:/tmp/file")
    for index in ("1", "2"):
        assert shared("exec", "--index", index, "db", "cat", "/tmp/file").stdout == "content"
    shared("cp", "db:/tmp/file", "back")
    assert (shared.directory / "back").read_text() == "content"
    assert "copying between services is not supported" in shared("cp", "db:/a", "web:/b", check=False).stderr


def test_a_service_that_is_not_in_the_file(shared: Composed) -> None:
    for words in (("ps", "x"), ("logs", "x"), ("exec", "x", "true"), ("stop", "x"), ("run", "x"), ("images", "x")):
        result = shared(*words, check=False)
        assert (result.returncode, result.stderr) == (1, "no such service: x\n"), words


def test_one_off_commands(project: Composed) -> None:
    result = project("run", "--rm", "-e", "MORE=1", "web", "sh", "-c", "echo $GREETING $MORE; exit 5", check=False)
    assert (result.returncode, result.stdout) == (5, "hello 1\n")
    assert project.states() == {"own-db-1": "running"}  # what it depends on, and nothing of its own
    made = project("run", "-d", "--name", "once", "--no-deps", "-v", "/anonymous", "-l", "a=b", "web").stdout.strip()
    found = project.daemon.inspect("once")
    assert found["Id"] == made
    marks = found["Config"]["Labels"]
    assert (marks["com.docker.compose.oneoff"], marks["a"]) == ("True", "b")
    assert "com.docker.compose.container-number" not in marks
    assert found["HostConfig"]["PortBindings"] == {}  # the service's ports are the service's
    assert "once" not in project("ps").stdout
    assert "once" in project("ps", "-a").stdout
    assert project("run", "--rm", "--no-deps", "--entrypoint", "echo -n", "web", "x").stdout == "x"
    assert project("run", "--rm", "--no-deps", "-w", "/tmp", "-T", "web", "pwd").stdout == "/tmp\n"
    assert project("run", "--rm", "--no-deps", "web", "nosuch", check=False).returncode == 127
    ports = project("run", "-d", "--no-deps", "-p", "127.0.0.1::90", "--name", "port", "web").stdout.strip()
    assert list(project.daemon.inspect(ports)["HostConfig"]["PortBindings"]) == ["90/tcp"]
    project("down", "--remove-orphans")
    assert project.leftovers() == []


def test_stop_start_restart_pause_kill_rm(project: Composed) -> None:
    project("up", "-d")
    stopped = project("stop").stderr.splitlines()
    assert stopped.index(" Container own-web-1  Stopped") < stopped.index(" Container own-db-1  Stopping")
    started = project("start").stderr.splitlines()
    assert started.index(" Container own-db-1  Started") < started.index(" Container own-web-1  Starting")
    before = project.daemon.inspect("own-web-1")["State"]["StartedAt"]
    assert " Container own-web-1  Started" in project("restart", "web").stderr
    assert project.daemon.inspect("own-web-1")["State"]["StartedAt"] != before
    project("pause", "db")
    assert project.states() == {"own-db-1": "paused", "own-web-1": "running"}
    project("unpause")
    project("kill", "-s", "SIGKILL", "web")
    assert project.daemon.inspect("own-web-1")["State"]["ExitCode"] == 137
    assert project("rm", "-f").stdout == "Going to remove own-web-1\n"
    assert project("rm", "-f").stderr == "No stopped containers\n"
    project("rm", "-f", "--stop")
    assert project.states() == {}


def test_wait(project: Composed) -> None:
    project("up", "-d")
    process = project.start("wait", "db")
    time.sleep(0.3)
    project("kill", "-s", "TERM", "db")
    process.communicate(timeout=20)
    assert process.returncode == 0  # its own
    project("up", "-d")
    process = project.start("wait", "--down-project", "db")
    time.sleep(0.3)
    project("kill", "db")
    process.communicate(timeout=20)
    assert process.returncode == 137
    assert project.leftovers() == []


def test_events(project: Composed) -> None:
    project("create")
    process = project.start("events", "--json", "web")
    time.sleep(0.5)
    project("start")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    lines = process.communicate(timeout=20)[0].splitlines()
    assert process.returncode == 130
    found = [json.loads(line) for line in lines]
    assert [(event["action"], event["service"]) for event in found] == [("start", "web")]
    assert found[0]["attributes"] == {"image": "busybox", "name": "own-web-1"}


def test_pull(project: Composed) -> None:
    project.write("services: {a: {image: 'busybox:other'}, b: {build: .}}")
    result = project("pull")
    assert " a  Pulled" in result.stderr
    assert " b  Skipped - No image to be pulled" in result.stderr
    assert project.daemon.out("images", "-q", "busybox:other") != ""
    project.daemon.docker("rmi", "busybox:other")


def test_our_docker_hands_over(project: Composed) -> None:
    """`docker compose`, with the options of both."""
    project("up", "-d")
    listed = project.daemon.out("compose", "-p", "own", "ps", "-q")
    assert len(listed.split()) == 2
    assert project.daemon.docker("help", "compose", "up").stdout.startswith("사용법:  docker compose up")
    result = project.daemon.docker("compose", "-p", "own", "nosuch", check=False)
    assert (result.returncode, result.stderr.splitlines()[0]) == (16, 'unknown docker command: "compose nosuch"')


def test_a_terminal_gets_a_terminal(project: Composed) -> None:
    """`exec` and `run` ask for one by themselves, where there is one, and -T says no."""
    project("up", "-d")
    for words, answer in (
        (["exec", "web", "tty"], "/dev/pts/"),
        (["run", "--rm", "--no-deps", "web", "tty"], "/dev/(pts/|console)"),
        (["exec", "-T", "web", "tty"], "not a tty"),
    ):
        child = pexpect.spawn(
            COMPOSE[0], [*COMPOSE[1:], *words], cwd=project.directory, encoding="utf-8", timeout=20,
            env={**project.environment, "TERM": "xterm"},
        )  # fmt: skip
        child.expect(answer)
        child.expect(pexpect.EOF)
        child.close()
    shell = pexpect.spawn(
        COMPOSE[0], [*COMPOSE[1:], "run", "--rm", "--no-deps", "web", "sh"], cwd=project.directory, encoding="utf-8",
        timeout=20, env={**project.environment, "TERM": "xterm"},
    )  # fmt: skip
    shell.expect("[#$] ")
    shell.sendline("exit 6")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 6
