"""Every path of Docker's definition, asked of a real engine: a status that the path lists, a body that fits."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import docker_schema as docker
from tests.contract.speaking import Reply, exchange, parse, request
from tests.daemon import Daemon

#: what a single engine without plugins and BuildKit does not serve, by the definition's tags
SWARM = ("Swarm", "Node", "Service", "Task", "Secret", "Config")
NOT_SERVED = (*SWARM, "Plugin", "Session")
#: for them a name is missing only where the registry lacks it, and pushes say so in their stream
OF_REGISTRIES = ("/distribution/{name}/json", "/images/{name}/push")


@dataclass(frozen=True)
class Case:
    """A request and what comes of it. `path` is the definition's; `{…}` of `target` is filled from the scene."""

    method: str
    path: str
    target: str  #: "" = the path itself
    status: int = 200
    body: object = None  #: bytes: a tar


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("note")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"hi\n"))
    return buffer.getvalue()


_FULL: dict[str, Any] = {
    "Image": "busybox",
    "Cmd": ["sleep", "600"],
    "Labels": {"a": "b"},
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
    "HostConfig": {
        "Init": True,
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        "Tmpfs": {"/scratch": "size=1m"},
        "Mounts": [{"Type": "volume", "Source": "kept", "Target": "/kept"}],
        "Memory": 64 << 20,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
        "Ulimits": [{"Name": "nofile", "Soft": 64, "Hard": 64}],
        "CapAdd": ["NET_ADMIN"],
        "ExtraHosts": ["there:10.0.0.1"],
        "SecurityOpt": ["no-new-privileges"],
    },
}
CON, IMG, NET, VOL = "/containers", "/images", "/networks", "/volumes"

CASES: tuple[Case, ...] = (
    Case("GET", "/_ping", ""),
    Case("HEAD", "/_ping", ""),
    Case("GET", "/version", ""),
    Case("GET", "/info", ""),
    Case("GET", "/events", "/events?since=1&until={now}"),
    Case("GET", "/system/df", ""),
    Case("POST", "/auth", "", 200, {"username": "u", "password": "p", "serveraddress": "http://{mirror}"}),
    Case("POST", CON + "/create", CON + "/create?name=new", 201, _FULL),
    Case("POST", CON + "/create", CON + "/create?name=new", 409, _FULL),
    Case("POST", CON + "/create", CON + "/create?name=other", 404, {"Image": "nobody:none"}),
    Case("POST", CON + "/create", CON + "/create?name=other", 400, {"Image": "busybox", "HostConfig": {"Memory": 1}}),
    Case("GET", CON + "/json", CON + "/json?all=1&size=1"),
    Case("GET", CON + "/json", CON + "/json?filters={{", 400),
    Case("GET", CON + "/{id}/json", CON + "/web/json?size=1"),
    Case("GET", CON + "/{id}/json", CON + "/new/json"),
    Case("GET", CON + "/{id}/json", CON + "/ended/json"),
    Case("GET", CON + "/{id}/top", CON + "/web/top"),
    Case("GET", CON + "/{id}/logs", CON + "/web/logs?stdout=1"),
    Case("GET", CON + "/{id}/changes", CON + "/web/changes"),
    Case("GET", CON + "/{id}/export", CON + "/new/export"),
    Case("GET", CON + "/{id}/stats", CON + "/web/stats?stream=0&one-shot=1"),
    Case("POST", CON + "/{id}/resize", CON + "/terminal/resize?h=24&w=80"),
    Case("POST", CON + "/{id}/start", CON + "/web/start", 304),
    Case("POST", CON + "/{id}/start", CON + "/new/start", 204),
    Case("POST", CON + "/{id}/stop", CON + "/ended/stop", 304),
    Case("POST", CON + "/{id}/restart", CON + "/web/restart?t=0", 204),
    Case("POST", CON + "/{id}/kill", CON + "/ended/kill", 409),
    Case("POST", CON + "/{id}/kill", CON + "/web/kill?signal=CONT", 204),
    Case("POST", CON + "/{id}/update", CON + "/web/update", 200, {"CpuShares": 512}),
    Case("POST", CON + "/{id}/rename", CON + "/ended/rename?name=past", 204),
    Case("POST", CON + "/{id}/rename", CON + "/past/rename?name=web", 409),
    Case("POST", CON + "/{id}/pause", CON + "/web/pause", 204),
    Case("POST", CON + "/{id}/unpause", CON + "/web/unpause", 204),
    Case("POST", CON + "/{id}/attach", CON + "/past/attach?logs=1"),
    Case("POST", CON + "/{id}/wait", CON + "/past/wait"),
    Case("POST", CON + "/{id}/wait", CON + "/past/wait?condition=never", 400),
    Case("HEAD", CON + "/{id}/archive", CON + "/web/archive?path=/etc"),
    Case("GET", CON + "/{id}/archive", CON + "/web/archive?path=/etc"),
    Case("GET", CON + "/{id}/archive", CON + "/web/archive?path=/nothing", 404),
    Case("PUT", CON + "/{id}/archive", CON + "/web/archive?path=/tmp", 200, _tar()),
    Case("POST", CON + "/{id}/exec", CON + "/web/exec", 201, {"Cmd": ["true"], "AttachStdout": True}),
    Case("GET", "/exec/{id}/json", "/exec/{exec}/json"),
    Case("POST", "/exec/{id}/start", "/exec/{exec}/start", 200, {"Detach": True}),
    Case("GET", "/exec/{id}/json", "/exec/{exec}/json"),
    Case("POST", "/exec/{id}/resize", "/exec/{long}/resize?h=24&w=80"),
    Case("GET", IMG + "/json", IMG + "/json?all=1&shared-size=1"),
    Case("GET", IMG + "/json", IMG + "/json?filters={{", 400),
    Case("POST", IMG + "/create", IMG + "/create?fromImage=other&tag=1"),
    Case("POST", IMG + "/create", IMG + "/create?fromSrc=-&repo=brought", 200, _tar()),
    Case("POST", "/build", "/build?t=made&labels={{}}", 200, b"Dockerfile"),
    Case("GET", IMG + "/{name}/json", IMG + "/busybox/json"),
    Case("GET", IMG + "/{name}/json", IMG + "/made/json"),
    Case("GET", IMG + "/{name}/history", IMG + "/made/history"),
    Case("POST", IMG + "/{name}/tag", IMG + "/busybox/tag?repo={mirror}/mine&tag=1", 201),
    Case("POST", IMG + "/{name}/push", IMG + "/{mirror}/mine/push?tag=1"),
    Case("GET", IMG + "/search", IMG + "/search?term=busybox"),
    Case("GET", IMG + "/{name}/get", IMG + "/busybox/get"),
    Case("GET", IMG + "/get", IMG + "/get?names=busybox"),
    Case("POST", IMG + "/load", "", 200, _tar()),  # no archive: said in the stream
    Case("GET", "/distribution/{name}/json", "/distribution/busybox/json"),
    Case("POST", "/commit", "/commit?container=web&repo=kept", 201, {}),
    Case("DELETE", IMG + "/{name}", IMG + "/kept"),
    Case("DELETE", IMG + "/{name}", IMG + "/other:1"),
    Case("DELETE", IMG + "/{name}", IMG + "/{busybox}", 409),
    Case("GET", NET, ""),
    Case("POST", NET + "/create", "", 201, {"Name": "inner", "IPAM": {"Config": [{"Subnet": "10.251.7.0/24"}]}}),
    Case("POST", NET + "/create", "", 409, {"Name": "inner"}),
    Case("GET", NET + "/{id}", NET + "/inner"),
    Case("GET", NET + "/{id}", NET + "/bridge"),
    Case("POST", NET + "/{id}/connect", NET + "/inner/connect", 200, {"Container": "web"}),
    Case("GET", NET + "/{id}", NET + "/inner"),
    Case("GET", CON + "/{id}/json", CON + "/web/json"),
    Case("DELETE", NET + "/{id}", NET + "/bridge", 403),
    Case("POST", NET + "/{id}/disconnect", NET + "/inner/disconnect", 200, {"Container": "web", "Force": True}),
    Case("DELETE", NET + "/{id}", NET + "/inner", 204),
    Case("POST", NET + "/prune", ""),
    Case("GET", VOL, ""),
    Case("POST", VOL + "/create", "", 201, {"Name": "mine", "Labels": {"a": "b"}}),
    Case("GET", VOL + "/{name}", VOL + "/mine"),
    Case("DELETE", VOL + "/{name}", VOL + "/kept", 409),
    Case("DELETE", VOL + "/{name}", VOL + "/mine", 204),
    Case("PUT", VOL + "/{name}", VOL + "/kept?version=1", 501, {}),
    Case("DELETE", CON + "/{id}", CON + "/web", 409),
    Case("POST", CON + "/{id}/stop", CON + "/web/stop?t=0", 204),
    Case("DELETE", CON + "/{id}", CON + "/web?v=1", 204),
    Case("POST", CON + "/prune", ""),
    Case("POST", VOL + "/prune", VOL + '/prune?filters={{"all":["1"]}}'),
    Case("POST", IMG + "/prune", IMG + '/prune?filters={{"dangling":["0"]}}'),
    Case("POST", "/build/prune", ""),
    Case("GET", "/system/df", ""),
    Case("GET", "/events", "/events?since=1&until={now}"),
)
#: no answer but a conversation: test_websocket.py
ELSEWHERE = {("GET", CON + "/{id}/attach/ws")}


def body_bytes(case: Case, scene: dict[str, str]) -> tuple[bytes, str]:
    if case.body == b"Dockerfile":
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            text = b"FROM busybox\nENV A=b\nRUN true\nEXPOSE 80\nVOLUME /v\nHEALTHCHECK CMD true\nONBUILD RUN true\n"
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
        return buffer.getvalue(), "application/x-tar"
    if isinstance(case.body, bytes):
        return case.body, "application/x-tar"
    return json.dumps(case.body).replace("{mirror}", scene["mirror"]).encode(), "application/json"


def ask(daemon: Daemon, case: Case, scene: dict[str, str]) -> Reply:
    target = (case.target or case.path).format(**scene).replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
    lines = [f"{case.method} /v1.47{target} HTTP/1.1", "Host: docker", "Connection: close"]
    data = b""
    if case.body is not None:
        data, kind = body_bytes(case, scene)
        lines.append(f"Content-Type: {kind}")
    if case.method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(data)}")
    return parse(exchange(str(daemon.instance.socket), "\r\n".join([*lines, "", ""]).encode() + data))


def is_error(reply: Reply) -> bool:
    """{"message": "a sentence"}"""
    body = json.loads(reply.body)
    return list(body) == ["message"] and isinstance(body["message"], str) and len(body["message"]) > 4


def faults(operation: docker.Operation, reply: Reply) -> list[str]:
    name = f"{operation.method} {operation.path}"
    found = []
    if not operation.lists(reply.status) and reply.status != 501:
        found.append(f"{name}: {reply.status} is not listed: {reply.body[:200]!r}")
    if operation.method == "HEAD" or reply.status in (204, 304):
        return found + ([f"{name}: a body where there is none"] if reply.body else [])
    if reply.status >= 400:
        return found + ([] if is_error(reply) else [f"{name}: no error body: {reply.body[:200]!r}"])
    schema = operation.answers.get(reply.status) or {}
    if schema and schema.get("type") != "string":
        lines = reply.body.splitlines() if operation.path == "/events" else [reply.body]
        found += [fault for line in lines for fault in operation.faults(reply.status, json.loads(line))]
    return found


@pytest.fixture(scope="module")
def scene(daemon: Daemon, busybox_mirror: str) -> Iterator[dict[str, str]]:
    daemon.docker(
        "run", "-d", "--init", "--name", "web", "-p", "127.0.0.1::80", "-v", "kept:/kept", "busybox", "sleep", "600"
    )
    daemon.docker("run", "-dt", "--init", "--name", "terminal", "busybox", "sleep", "600")
    daemon.docker("run", "--name", "ended", "busybox", "sh", "-c", "echo out; exit 3", check=False)

    def made(command: list[str]) -> str:
        created = daemon.api.post("/containers/terminal/exec", body={"Cmd": command, "Tty": True}).json()
        return str(created["Id"])

    running = made(["sleep", "600"])
    daemon.api.post(f"/exec/{running}/start", body={"Detach": True, "Tty": True}).read()
    yield {
        "mirror": busybox_mirror.removeprefix("http://"),
        "exec": made(["true"]),
        "long": running,
        "busybox": str(daemon.inspect("busybox")["Id"]),
        "now": str(int(time.time())),
    }


def test_every_operation_of_a_single_engine_has_a_case() -> None:
    served = {(one.method, one.path) for one in docker.operations() if one.tag not in NOT_SERVED}
    assert {(case.method, case.path) for case in CASES} | ELSEWHERE == served


def test_answers_fit(daemon: Daemon, scene: dict[str, str]) -> None:
    found = []
    for case in CASES:
        operation = docker.find(case.method, case.path.replace("{id}", "x").replace("{name}", "x"))
        assert operation is not None
        reply = ask(daemon, case, scene)
        if reply.status != case.status:
            found.append(f"{case}: {reply.status} {reply.body[:200]!r}")
        found += faults(operation, reply)
    assert not found, "\n".join(found)


def test_what_is_missing_is_said_in_a_listed_way(daemon: Daemon) -> None:
    found = []
    for one in docker.operations():
        if "{" not in one.path or one.tag in NOT_SERVED or one.path in OF_REGISTRIES:
            continue
        target = one.path.replace("{id}", "missing").replace("{name}", "missing")
        if target.endswith("/resize"):
            target += "?h=1&w=1"
        if target.endswith("/archive"):
            target += "?path=/"
        body = {} if one.method in ("POST", "PUT") else None
        reply = request(str(daemon.instance.socket), one.method, f"/v1.47{target}", body)
        if reply.status < 400:
            found.append(f"{one.method} {target}: {reply.status}")
        found += faults(one, reply)
    assert not found, "\n".join(found)


def test_what_is_not_served_says_so(daemon: Daemon) -> None:
    found = []
    for one in docker.operations():
        if one.tag not in NOT_SERVED:
            continue
        target = one.path.replace("{id}", "x").replace("{name}", "x")
        reply = request(
            str(daemon.instance.socket), one.method, f"/v1.47{target}", {} if one.method == "POST" else None
        )
        expected = {503, 501} if one.tag in SWARM else {501}
        if one.method == "GET" and one.path in ("/plugins", "/plugins/{name}/json"):
            expected = {200, 404}
        if reply.status not in expected:
            found.append(f"{one.method} {target}: {reply.status} {reply.body[:100]!r}")
        found += faults(one, reply)
    assert not found, "\n".join(found)
