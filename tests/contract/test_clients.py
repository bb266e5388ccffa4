"""Clients that others wrote: docker-py, and Docker's own command line where it is installed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, ImageLoadError, ImageNotFound, NotFound

from tests.daemon import Daemon
from tests.official import official, official_clis

OFFICIAL = official_clis()


@pytest.fixture
def client(clean: Daemon) -> Iterator[docker.DockerClient]:
    found = docker.DockerClient(base_url=clean.host, timeout=30)
    try:
        yield found
    finally:
        found.close()


def test_docker_py_runs_and_reads(client: docker.DockerClient) -> None:
    assert client.ping() is True
    assert client.api.api_version == "1.47"
    assert client.containers.run("busybox", "echo hi", remove=True) == b"hi\n"
    container = client.containers.run("busybox", "sh -c 'echo a; echo b >&2; sleep 600'", detach=True, name="dpy")
    assert [item.name for item in client.containers.list(filters={"name": "dpy"})] == ["dpy"]
    code, (out, err) = container.exec_run("sh -c 'echo x; echo y >&2; exit 4'", demux=True)
    assert (code, out, err) == (4, b"x\n", b"y\n")
    assert container.logs(stderr=False) == b"a\n"
    container.exec_run("touch /new")
    assert container.diff() == [{"Path": "/new", "Kind": 1}]
    container.rename("other")
    container.pause()
    container.reload()
    assert (container.name, container.status) == ("other", "paused")
    container.unpause()
    image = container.commit("made", "v1")
    assert image.tags == ["made:v1"]
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.remove()
    client.images.remove("made:v1")
    assert [item.name for item in client.networks.list()] == ["bridge", "host", "none"]
    assert client.volumes.list() == []


def test_docker_py_hears_errors(client: docker.DockerClient) -> None:
    with pytest.raises(NotFound, match="No such container: nothing"):
        client.containers.get("nothing")
    with pytest.raises(ImageNotFound, match="No such image: nothing:latest"):
        client.images.get("nothing")
    with pytest.raises(APIError, match="executable file not found"):
        client.containers.run("busybox", "nosuch")
    with pytest.raises(APIError, match="Minimum memory limit allowed is 6MB"):
        client.containers.run("busybox", "true", mem_limit="1m")


def test_docker_py_reads_a_terminals_exec(client: docker.DockerClient) -> None:
    """What the start says decides how the bytes come: without `tty` there they come in frames."""
    container = client.containers.run("busybox", "sleep 600", detach=True)
    exec_id = client.api.exec_create(container.id, ["printf", "yay"], tty=True)["Id"]
    assert client.api.exec_start(exec_id) == b"yay"
    exec_id = client.api.exec_create(container.id, ["printf", "yay"], tty=True)["Id"]
    assert client.api.exec_start(exec_id, tty=True) == b"yay"
    exec_id = client.api.exec_create(container.id, ["printf", "yay"], tty=True)["Id"]
    assert client.api.exec_start(exec_id, demux=True) == (b"yay", None)


def test_docker_py_hears_of_a_bad_archive(client: docker.DockerClient) -> None:
    with pytest.raises(ImageLoadError, match="invalid tar header"):
        client.images.load(b"abc" * 999)


def test_docker_py_makes_sure_of_no_swarm(client: docker.DockerClient) -> None:
    assert client.swarm.leave(force=True) is True
    assert client.info()["Images"] == len(client.api.images(all=True))


def test_docker_py_reads_right_after_the_start(client: docker.DockerClient) -> None:
    for _ in range(3):
        container = client.containers.run("busybox", "sh -c 'echo a >/made; echo b; sleep 600'", detach=True)
        assert container.exec_run("cat /made") == (0, b"a\n")
        container = client.containers.run("busybox", "sh -c 'echo b; exec sleep 600'", detach=True)
        assert container.top()["Processes"][0][-1] in ("sh -c echo b; exec sleep 600", "sleep 600")


def test_docker_py_half_closes(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sleep 600", detach=True)
    exec_id = client.api.exec_create(container.id, "cat", stdin=True)["Id"]
    stream = client.api.exec_start(exec_id, socket=True)
    end = stream._sock
    end.sendall(b"data\n")
    end.shutdown(socket.SHUT_WR)
    data = b""
    while piece := end.recv(4096):
        data += piece
    stream.close()
    end.close()
    assert data == b"\x01\0\0\0\0\0\0\x05data\n"
    assert client.api.exec_inspect(exec_id)["ExitCode"] == 0


def test_docker_py_pulls_and_pushes_progress(client: docker.DockerClient) -> None:
    lines = list(client.api.pull("busybox", tag="again", stream=True, decode=True))
    assert lines[0]["status"] == "Pulling from library/busybox"
    assert lines[-1]["status"].startswith("Status: ")
    client.images.remove("busybox:again")


@pytest.mark.skipif(not OFFICIAL, reason="Docker's own command line is not installed here")
@pytest.mark.parametrize("program", OFFICIAL)
@pytest.mark.parametrize(
    ("words", "stdin", "code", "out", "err"),
    [
        (["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3"], "", 3, "out\n", "err\n"),
        (["run", "--rm", "-i", "busybox", "cat"], "data\n", 0, "data\n", ""),
        (["exec", "-i", "box", "cat"], "data\n", 0, "data\n", ""),
        (["exec", "box", "sh", "-c", "exit 7"], "", 7, "", ""),
        (["ps", "--format", "{{.Names}} {{.Image}} {{.Command}}"], "", 0, 'box busybox "sleep 600"\n', ""),
        (["inspect", "-f", "{{.State.Status}} {{.HostConfig.NetworkMode}}", "box"], "", 0, "running bridge\n", ""),
        (["images", "-q", "nosuch"], "", 0, "", ""),
        (["diff", "box"], "", 0, "", ""),
        (["inspect", "nothing"], "", 1, "[]\n", "Error: No such object: nothing\n"),
        (["network", "inspect", "-f", "{{.Driver}}", "none"], "", 0, "null\n", ""),
    ],
)
def test_dockers_own_command_line(
    clean: Daemon, program: str, words: list[str], stdin: str, code: int, out: str, err: str
) -> None:
    started = official(
        program, clean.host, "run", "-d", "--name", "box", "--network", "bridge", "busybox", "sleep", "600"
    )
    assert started.returncode == 0
    done = official(program, clean.host, *words, input=stdin)
    # versions differ in the first word and in an empty line
    shown = done.stderr.replace("error: no such object: ", "Error: No such object: ")
    assert (done.returncode, done.stdout.replace("[]\n\n", "[]\n"), shown) == (code, out, err)
