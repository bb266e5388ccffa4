"""Published ports through clients that others wrote, beside our own command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError

from tests.contract.test_clients import OFFICIAL
from tests.daemon import Daemon


@pytest.fixture
def client(clean: Daemon) -> Iterator[docker.DockerClient]:
    found = docker.DockerClient(base_url=clean.host, timeout=30)
    try:
        yield found
    finally:
        found.close()


def test_docker_py_publishes(client: docker.DockerClient) -> None:
    ports = {"80/tcp": ("127.0.0.1", None), "81": None, "53/udp": [None, ("127.0.0.1", None)]}
    container = client.containers.run("busybox", "sleep 600", detach=True, name="dpy", ports=ports)
    container.reload()
    found = container.ports
    assert [place["HostIp"] for place in found["80/tcp"]] == ["127.0.0.1"]
    assert sorted(place["HostIp"] for place in found["53/udp"]) == ["0.0.0.0", "127.0.0.1"]
    numbers = [int(place["HostPort"]) for places in found.values() for place in places]
    assert all(number > 1024 for number in numbers)
    fixed = found["80/tcp"][0]["HostPort"]
    with pytest.raises(APIError, match=f"Bind for 127.0.0.1:{fixed} failed: port is already allocated") as caught:
        client.containers.run("busybox", "true", ports={"80": ("127.0.0.1", int(fixed))})
    assert caught.value.response.status_code == 500
    container.remove(force=True)


def test_docker_py_publishes_all(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "sleep 600", publish_all_ports=True, ports={"8080": None})
    container.start()
    container.reload()
    assert len(container.ports["8080/tcp"]) == 1
    container.remove(force=True)


@pytest.mark.skipif(not OFFICIAL, reason="Docker's own command line is not installed here")
@pytest.mark.parametrize("program", OFFICIAL)
def test_dockers_own_command_line_and_ours_say_the_same(clean: Daemon, program: str) -> None:
    def official(*words: str) -> tuple[int, str, str]:
        environment = {**os.environ, "DOCKER_HOST": clean.host, "DOCKER_CONFIG": "/nonexistent"}
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, check=False, env=environment, timeout=30
        )
        return done.returncode, done.stdout, done.stderr

    def ours(*words: str) -> tuple[int, str, str]:
        done = clean.docker(*words, check=False)
        return done.returncode, done.stdout, done.stderr

    options = ("-p", "127.0.0.1::80", "-p", "81-82", "-p", "53/udp", "-P", "--expose", "443-444", "--expose", "90/udp")
    code, _, error = official("run", "-d", "--name", "box", *options, "busybox", "sleep", "600")
    assert (code, error) == (0, "")
    # before version 23 the command's own order is a map's: any
    assert sorted(official("port", "box")[1].splitlines()) == sorted(ours("port", "box")[1].splitlines())
    assert official("port", "box", "80") == ours("port", "box", "80")
    for wanted in ("7", "80/udp", "x", "99999"):
        assert official("port", "box", wanted)[:2] == ours("port", "box", wanted)[:2] == (1, "")
    assert official("ps", "--format", "{{.Ports}}") == ours("ps", "--format", "{{.Ports}}")
    closed = official("create", "--name", "closed", "--expose", "70-72", "--expose", "70/udp", "busybox", "sleep", "9")
    assert closed[0] == 0
    official("start", "closed")
    assert official("ps", "--format", "{{.Ports}}") == ours("ps", "--format", "{{.Ports}}")
    taken = ours("port", "box", "80")[1].strip()
    again = ("run", "-d", "-p", f"{taken}:80", "busybox", "true")
    for command in (official, ours):
        code, out, error = command(*again)
        assert (code, len(out)) == (125, 65)
        assert f"Bind for {taken} failed: port is already allocated" in error
