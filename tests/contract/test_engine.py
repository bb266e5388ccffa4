"""The API over the real engine, in raw HTTP: shapes, streams, statuses."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.speaking import Reply, connect, exchange, parse, read_all, read_head, request
from tests.daemon import Daemon

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"


def ask(daemon: Daemon, method: str, target: str, body: object = None) -> Reply:
    return request(str(daemon.instance.socket), method, target, body)


def make(daemon: Daemon, *command: str, **words: Any) -> str:
    """A new container's id."""
    reply = ask(daemon, "POST", "/v1.47/containers/create", {"Image": "busybox", "Cmd": list(command), **words})
    assert reply.status == 201, reply.body
    return str(reply.json()["Id"])


def run(daemon: Daemon, *command: str, **words: Any) -> str:
    container = make(daemon, *command, **words)
    assert ask(daemon, "POST", f"/containers/{container}/start").status == 204
    return container


def wait(daemon: Daemon, container: str) -> int:
    return int(ask(daemon, "POST", f"/containers/{container}/wait").json()["StatusCode"])


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Stream number and payload of each frame, neighbours of one stream joined."""
    found: list[tuple[int, bytes]] = []
    while data:
        number, length = struct.unpack(">BxxxI", data[:8])
        payload, data = data[8 : 8 + length], data[8 + length :]
        assert len(payload) == length, "the last frame is cut off"
        if found and found[-1][0] == number:
            payload = found.pop()[1] + payload
        found.append((number, payload))
    return found


@pytest.fixture
def sleeper(clean: Daemon) -> Iterator[str]:
    yield run(clean, "sleep", "600")


def test_a_whole_life(clean: Daemon) -> None:
    daemon = clean
    container = make(daemon, "sh", "-c", "exit 3", Labels={"x": "y"})
    assert ask(daemon, "GET", f"/containers/{container}/json").json()["State"]["Status"] == "created"
    assert ask(daemon, "POST", f"/containers/{container}/start").status == 204
    assert wait(daemon, container) == 3
    shown = ask(daemon, "GET", f"/v1.41/containers/{container[:12]}/json").json()
    assert (shown["Id"], shown["State"]["ExitCode"], shown["State"]["Running"]) == (container, 3, False)
    assert (shown["Path"], shown["Args"]) == ("sh", ["-c", "exit 3"])
    (row,) = ask(daemon, "GET", '/containers/json?all=1&size=1&filters={"label":["x=y"]}').json()
    assert row["Id"] == container and row["Image"] == "busybox"
    assert row["Status"].startswith("Exited (3) ")
    assert row["SizeRw"] >= 0 and row["SizeRootFs"] > 1_000_000
    assert ask(daemon, "GET", "/containers/json").json() == []
    assert ask(daemon, "DELETE", f"/containers/{container}").status == 204
    assert ask(daemon, "GET", f"/containers/{container}/json").status == 404


def test_statuses(clean: Daemon, sleeper: str) -> None:
    daemon = clean
    for method, target, body, status in (
        ("POST", f"/containers/{sleeper}/start", None, 304),
        ("DELETE", f"/containers/{sleeper}", None, 409),
        ("POST", "/containers/create?name=!", {"Image": "busybox"}, 400),
        ("POST", "/containers/create", {"Image": "nosuch"}, 404),
        ("POST", "/containers/create", {"Image": "Bad Name"}, 400),
        ("POST", "/containers/create", {}, 400),
        ("POST", f"/containers/{sleeper}/kill?signal=NONSENSE", None, 400),
        ("POST", f"/containers/{sleeper}/unpause", None, 409),
        ("POST", f"/containers/{sleeper}/exec", {"Cmd": []}, 400),
        ("GET", "/exec/nosuch/json", None, 404),
        ("GET", "/images/nosuch/json", None, 404),
        ("GET", '/containers/json?filters={"status":["odd"]}', None, 400),
        ("GET", '/images/json?filters={"odd":["x"]}', None, 400),
        ("POST", "/containers/nosuch/stop", None, 404),
        ("DELETE", "/images/busybox", None, 409),
    ):
        reply = ask(daemon, method, target, body)
        assert reply.status == status, (method, target, reply.body)
        if status != 304:
            assert list(reply.json()) == ["message"] and reply.json()["message"]
    assert ask(daemon, "POST", f"/containers/{sleeper}/pause").status == 204
    assert ask(daemon, "POST", f"/containers/{sleeper}/unpause").status == 204
    assert ask(daemon, "POST", f"/containers/{sleeper}/stop?t=0").status == 204
    assert ask(daemon, "POST", f"/containers/{sleeper}/stop?t=0").status == 304


def test_another_platform_than_the_image_has(clean: Daemon) -> None:
    body = {"Image": "busybox", "Cmd": ["true"]}
    reply = ask(clean, "POST", "/containers/create?platform=linux/s390x", body)
    assert reply.status == 404
    assert "was found but does not match the specified platform: wanted linux/s390x" in reply.json()["message"]
    here = ask(clean, "GET", "/images/busybox/json").json()["Architecture"]
    assert ask(clean, "POST", f"/containers/create?platform=linux/{here}", body).status == 201
    assert ask(clean, "POST", "/containers/create?platform=a/b/c/d", body).status == 400


def test_a_name_in_use(clean: Daemon) -> None:
    body = {"Image": "busybox", "Cmd": ["true"]}
    first = ask(clean, "POST", "/containers/create?name=web", body)
    second = ask(clean, "POST", "/containers/create?name=web", body)
    assert (first.status, second.status) == (201, 409)
    assert second.json()["message"].startswith('Conflict. The container name "/web" is already in use by container')


@pytest.mark.parametrize("command", [("nosuch",), ("/etc",)])
def test_a_start_that_fails(clean: Daemon, command: tuple[str, ...]) -> None:
    container = make(clean, *command)
    reply = ask(clean, "POST", f"/containers/{container}/start")
    assert reply.status == 400
    assert "OCI runtime create failed" in reply.json()["message"]
    state = ask(clean, "GET", f"/containers/{container}/json").json()["State"]
    assert state["ExitCode"] == (127 if command == ("nosuch",) else 126)
    steps = ask(clean, "GET", f"/kernel-engine/containers/{container}/trace").json()["Steps"]
    assert [step["Name"] for step in steps if step["Name"] == "pivot_root"] == ["pivot_root"]


@pytest.mark.parametrize("upgrade", [True, False])
def test_attached_stdin_in_the_packet_of_the_header(clean: Daemon, upgrade: bool) -> None:
    words = {"OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
    container = make(clean, "sh", "-c", "cat; echo done >&2", **words)
    head = f"POST /v1.47/containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: d\r\n"
    if upgrade:
        head += "Connection: Upgrade\r\nUpgrade: tcp\r\n"
    with connect(str(clean.instance.socket)) as end:
        end.sendall(f"{head}\r\nfirst\n".encode())
        answer, rest = read_head(end)
        expected = f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {MULTIPLEXED}\r\nConnection: Upgrade\r\nUpgrade: tcp"
        assert answer.decode() == (expected if upgrade else f"HTTP/1.1 200 OK\r\nContent-Type: {RAW}")
        assert ask(clean, "POST", f"/containers/{container}/start").status == 204
        end.sendall(b"second\n")
        end.shutdown(socket.SHUT_WR)
        assert frames(rest + read_all(end)) == [(1, b"first\nsecond\n"), (2, b"done\n")]
    assert wait(clean, container) == 0


def test_a_terminal_is_raw(clean: Daemon) -> None:
    container = make(clean, "sh", "-c", "read x; echo $x", Tty=True, OpenStdin=True)
    head = (
        f"POST /v1.47/containers/{container}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n"
    )
    with connect(str(clean.instance.socket)) as end:
        end.sendall(f"{head}Connection: Upgrade\r\n\r\n".encode())
        answer, rest = read_head(end)
        assert f"Content-Type: {RAW}".encode() in answer
        ask(clean, "POST", f"/containers/{container}/start")
        assert ask(clean, "POST", f"/containers/{container}/resize?h=30&w=100").status == 200
        end.sendall(b"word\n")
        assert rest + read_all(end) == b"word\r\nword\r\n"


def exec_stream(daemon: Daemon, container: str, command: list[str], stdin: bytes = b"") -> tuple[bytes, dict[str, Any]]:
    options = {"Cmd": command, "AttachStdin": bool(stdin), "AttachStdout": True, "AttachStderr": True}
    exec_id = ask(daemon, "POST", f"/containers/{container}/exec", options).json()["Id"]
    body = b'{"Detach":false,"Tty":false}'
    head = f"POST /v1.47/exec/{exec_id}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    data = exchange(str(daemon.instance.socket), head.encode() + body + stdin, shut=True)
    answer, _, stream = data.partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
    return stream, ask(daemon, "GET", f"/exec/{exec_id}/json").json()


def test_exec(clean: Daemon, sleeper: str) -> None:
    stream, shown = exec_stream(clean, sleeper, ["sh", "-c", "cat; echo err >&2; exit 7"], b"typed\n")
    assert frames(stream) == [(1, b"typed\n"), (2, b"err\n")]
    assert (shown["ExitCode"], shown["Running"], shown["ContainerID"]) == (7, False, sleeper)


def test_an_exit_code_is_there_as_soon_as_the_stream_has_ended(clean: Daemon, sleeper: str) -> None:
    """docker exec and docker-py's exec_run read it at once."""
    codes = [exec_stream(clean, sleeper, ["sh", "-c", "exit 9"])[1]["ExitCode"] for _ in range(15)]
    assert codes == [9] * 15


def test_an_exec_that_cannot_start_says_so_in_its_stream(clean: Daemon, sleeper: str) -> None:
    stream, shown = exec_stream(clean, sleeper, ["nosuch"])
    assert b"OCI runtime exec failed: exec failed" in stream
    assert b'exec: "nosuch": executable file not found in $PATH' in stream
    assert shown["ExitCode"] == 127


def test_attach_to_what_speaks_already(clean: Daemon) -> None:
    """What was said before and what is said then: each number once."""
    for _ in range(3):
        container = run(clean, "sh", "-c", "i=0; while [ $i -lt 4000 ]; do echo $i; i=$((i+1)); done")
        reply = ask(clean, "POST", f"/v1.41/containers/{container}/attach?stdout=1&stream=1&logs=1")
        said = b"".join(payload for _, payload in frames(reply.body))
        assert said.split() == [b"%d" % number for number in range(4000)]


def test_logs(clean: Daemon) -> None:
    container = run(clean, "sh", "-c", "echo err >&2; sleep 0.2; echo out; echo last")
    wait(clean, container)
    reply = ask(clean, "GET", f"/v1.47/containers/{container}/logs?stdout=1&stderr=1")
    assert reply.headers["content-type"] == MULTIPLEXED
    assert frames(reply.body) == [(2, b"err\n"), (1, b"out\nlast\n")]
    assert ask(clean, "GET", f"/v1.41/containers/{container}/logs?stdout=1").headers["content-type"] == RAW
    tail = ask(clean, "GET", f"/containers/{container}/logs?stdout=1&tail=1&timestamps=1").body
    ((number, line),) = frames(tail)
    moment, _, text = line.partition(b" ")
    assert (number, text) == (1, b"last\n")
    assert moment.endswith(b"Z") and moment[10:11] == b"T"


def test_logs_follow_to_the_end(clean: Daemon) -> None:
    container = run(clean, "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done")
    reply = ask(clean, "GET", f"/containers/{container}/logs?stdout=1&follow=1")
    assert frames(reply.body) == [(1, b"1\n2\n3\n")]


def test_a_long_log_comes_whole(clean: Daemon) -> None:
    container = run(clean, "seq", "1", "50000")
    wait(clean, container)
    ((_, payload),) = frames(ask(clean, "GET", f"/containers/{container}/logs?stdout=1").body)
    assert payload == b"".join(b"%d\n" % number for number in range(1, 50001))


def test_wait_removed_stands_before_the_start(clean: Daemon) -> None:
    container = make(clean, "sh", "-c", "exit 4", HostConfig={"AutoRemove": True})
    with connect(str(clean.instance.socket)) as end:
        end.sendall(f"POST /containers/{container}/wait?condition=removed HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        head, rest = read_head(end)
        assert b"200 OK" in head
        ask(clean, "POST", f"/containers/{container}/start")
        assert b'{"StatusCode":4}' in rest + read_all(end)
    assert ask(clean, "GET", f"/containers/{container}/json").status == 404


def test_top_changes_and_commit(clean: Daemon, sleeper: str) -> None:
    exec_stream(clean, sleeper, ["sh", "-c", "echo x > /new; rm /bin/yes"])
    shown = ask(clean, "GET", f"/containers/{sleeper}/top").json()
    assert "PID" in shown["Titles"] and "sleep 600" in shown["Processes"][0][-1]
    changes = ask(clean, "GET", f"/containers/{sleeper}/changes").json()
    assert changes == [
        {"Path": "/bin", "Kind": 0},
        {"Path": "/bin/yes", "Kind": 2},
        {"Path": "/new", "Kind": 1},
    ]
    target = f"/commit?container={sleeper}&repo=mine&tag=1&comment=hello&author=me&changes=CMD+%5B%22ls%22%5D"
    reply = ask(clean, "POST", f"{target}&changes=ENV+A%3Db")
    assert reply.status == 201
    image = ask(clean, "GET", "/images/mine:1/json").json()
    assert image["Id"] == reply.json()["Id"]
    assert (image["Comment"], image["Author"], image["Config"]["Cmd"]) == ("hello", "me", ["ls"])
    assert "A=b" in image["Config"]["Env"]
    assert len(image["RootFS"]["Layers"]) == 2
    rows = ask(clean, "GET", "/images/mine:1/history").json()
    assert (rows[0]["Id"], rows[0]["Comment"], rows[0]["Tags"]) == (image["Id"], "hello", ["mine:1"])
    own = ask(clean, "GET", "/kernel-engine/images/mine:1/layers").json()
    assert [{**row, "DiffId": None} for row in own] == [{**row, "DiffId": None} for row in rows]
    assert [row["DiffId"] for row in own if row["DiffId"]] == image["RootFS"]["Layers"][::-1]
    files = f"/kernel-engine/images/mine:1/layers/{image['RootFS']['Layers'][1]}"
    assert ask(clean, "GET", files).json() == changes
    assert ask(clean, "GET", "/kernel-engine/images/mine:1/layers/sha256:0").status == 404
    removed = ask(clean, "DELETE", "/images/mine:1").json()
    assert removed[0] == {"Untagged": "mine:1"} and {"Deleted": image["Id"]} in removed


def test_images(clean: Daemon) -> None:
    (row,) = ask(clean, "GET", '/images/json?filters={"reference":["busybox"]}').json()
    assert "busybox:latest" in row["RepoTags"]
    assert row["Size"] > 1_000_000 and "VirtualSize" not in row
    assert "VirtualSize" in ask(clean, "GET", "/v1.41/images/json").json()[0]
    assert ask(clean, "POST", "/images/busybox/tag?repo=localhost:5000/team/app&tag=v1").status == 201
    named = {
        version: ask(clean, "GET", f"/v{version}/images/json?filter=localhost:5000/nosuch").json()
        for version in ("1.24", "1.25")
    }
    assert named["1.24"] == [] != named["1.25"]
    assert ask(clean, "GET", "/images/localhost:5000/team/app:v1/json").json()["Id"] == row["Id"]
    assert ask(clean, "DELETE", "/images/localhost:5000/team/app:v1").json() == [
        {"Untagged": "localhost:5000/team/app:v1"}
    ]
    assert ask(clean, "POST", "/images/busybox/tag?repo=BAD").status == 400


def test_events_tell_a_life_in_order(clean: Daemon) -> None:
    with connect(str(clean.instance.socket)) as end:
        end.sendall(b'GET /events?filters={"type":["container"]} HTTP/1.1\r\nHost: d\r\n\r\n'.replace(b'"', b"%22"))
        _, rest = read_head(end)
        container = run(clean, "true")
        wait(clean, container)
        ask(clean, "DELETE", f"/containers/{container}")
        data = rest
        while b'"destroy"' not in data:
            data += end.recv(65536)
    found = [json.loads(line) for line in data.split(b"\n") if line.startswith(b"{")]
    assert [event["Action"] for event in found] == ["create", "start", "die", "destroy"]
    assert {event["Actor"]["ID"] for event in found} == {container}
    assert found[2]["Actor"]["Attributes"]["exitCode"] == "0"


def test_networks(clean: Daemon, sleeper: str) -> None:
    shown = ask(clean, "GET", "/networks").json()
    assert [item["Name"] for item in shown] == ["bridge", "host", "none"]
    bridge = ask(clean, "GET", "/networks/bridge").json()
    address = ask(clean, "GET", f"/containers/{sleeper}/json").json()["NetworkSettings"]["IPAddress"]
    assert bridge["Containers"][sleeper]["IPv4Address"].startswith(f"{address}/")
    assert ask(clean, "GET", f"/networks/{bridge['Id'][:12]}").json()["Id"] == bridge["Id"]
    assert ask(clean, "GET", "/networks/nosuch").json() == {"message": "network nosuch not found"}
    assert ask(clean, "GET", "/networks/bridge?scope=local").json()["Id"] == bridge["Id"]
    elsewhere = ask(clean, "GET", "/networks/bridge?scope=swarm")
    assert (elsewhere.status, elsewhere.json()) == (404, {"message": "network bridge not found"})
    members = {
        version: ask(clean, "GET", f"/v{version}/networks").json()[0]["Containers"] for version in ("1.27", "1.28")
    }
    assert members == {"1.27": bridge["Containers"], "1.28": {}}
    assert ask(clean, "GET", "/volumes").json() == {"Volumes": [], "Warnings": None}


def test_info_and_version(clean: Daemon, sleeper: str) -> None:
    info = ask(clean, "GET", "/info").json()
    assert (info["Containers"], info["ContainersRunning"]) == (1, 1)
    assert info["Images"] >= 1
    assert info["DockerRootDir"] == str(clean.instance.root)
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert info["RegistryConfig"]["Mirrors"]
    assert info["IndexServerAddress"] == "https://index.docker.io/v1/"
    own = ask(clean, "GET", "/kernel-engine/info").json()
    assert own["Instance"] == clean.instance.id


def test_the_trace_of_a_start(clean: Daemon, sleeper: str) -> None:
    found = ask(clean, "GET", f"/kernel-engine/containers/{sleeper[:12]}/trace").json()
    names = {step["Name"] for step in found["Steps"]}
    assert {"pivot_root", "mount"} <= names
    assert {step["Process"] for step in found["Steps"]} == {"daemon", "launcher", "child"}
    assert all(step["Source"].startswith("kernel_engine/") for step in found["Steps"])


def test_a_terminal_that_waits_for_input(clean: Daemon) -> None:
    container = run(clean, "sh", "-c", "read x; sleep 600", Tty=True, OpenStdin=True)
    path = f"/kernel-engine/containers/{container}/terminal"
    first = ask(clean, "GET", f"{path}?timeout=5").json()
    assert (first["Waiting"], first["Running"]) == (True, True)
    assert isinstance(first["Mark"], str)
    ask(clean, "POST", f"/containers/{container}/kill")
    wait(clean, container)
    assert ask(clean, "GET", f"{path}?timeout=5").json()["Running"] is False
    assert ask(clean, "GET", f"{path}?timeout=-1").status == 400


def test_prune(clean: Daemon) -> None:
    container = make(clean, "true", Labels={"gone": "yes"})
    kept = make(clean, "true")
    reply = ask(clean, "POST", '/containers/prune?filters={"label":{"gone=yes":true}}')
    assert reply.json()["ContainersDeleted"] == [container]
    assert ask(clean, "GET", f"/containers/{kept}/json").status == 200
    assert ask(clean, "POST", "/images/prune").json()["ImagesDeleted"] is None


def test_garbage_does_not_stop_the_daemon(clean: Daemon) -> None:
    for data in (
        b"\0" * 1000,
        b"POST /exec/x/start HTTP/1.1\r\n\r\n",
        b"GET /v1.47/containers/%00/json HTTP/1.1\r\n\r\n",
    ):
        exchange(str(clean.instance.socket), data, shut=True)
    assert parse(exchange(str(clean.instance.socket), b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")).status == 200
