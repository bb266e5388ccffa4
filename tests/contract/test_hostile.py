"""Clients that mean no good: whatever they send is answered in one sentence, and the daemon goes on as before."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from kernel_engine.api.routes import ROUTES
from tests.conftest import remove_containers
from tests.contract import hostile
from tests.contract.speaking import connect, request
from tests.contract.test_schema import CASES
from tests.daemon import Daemon

# of an example that failed
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
#: what a request may take on a machine that does other things as well; a hang is one without end
PATIENCE = 60.0
#: how much of an answer that may go on for ever is waited for
GLANCE = 0.05
#: what the names of our own mistakes look like in an answer
_MISTAKE = re.compile(r"^[A-Za-z_.]*(Error|Exception|Warning|Interrupt|Exit|Group): ")
_HOST: dict[str, Any] = {
    "Binds": ["v:/v:ro"], "Dns": ["1.1.1.1"], "DnsOptions": [], "CapDrop": [], "GroupAdd": ["1"], "IpcMode": "",
    "PidMode": "",
    "UTSMode": "", "CgroupnsMode": "", "UsernsMode": "", "NetworkMode": "default", "Links": [], "VolumesFrom": [],
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
    "DeviceCgroupRules": ["c 1:3 r"],
    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}],
    "DeviceRequests": [],
    "Sysctls": {"net.core.somaxconn": "10"}, "ShmSize": 0, "OomScoreAdj": 0, "ReadonlyRootfs": False,
    "Runtime": "runc",
    "NanoCpus": 0, "CpuPeriod": 0, "CpuQuota": 0, "CpusetCpus": "", "MemorySwap": 0, "PidsLimit": 0, "BlkioWeight": 0,
    "MaskedPaths": None, "ReadonlyPaths": None, "PublishAllPorts": False, "AutoRemove": False, "VolumeDriver": "",
    "ConsoleSize": [0, 0], "StorageOpt": {}, "Annotations": {}, "Isolation": "",
}  # fmt: skip
_CREATE = next(case.body for case in CASES if case.path == "/containers/create")
assert isinstance(_CREATE, dict)
#: a body that fits, by route
BODIES: dict[str, Any] = {
    **{case.path: case.body for case in CASES if isinstance(case.body, dict)},
    "/auth": {"username": "u", "password": "p", "identitytoken": "", "serveraddress": "127.0.0.1:9"},
    "/containers/create": {
        **_CREATE, "Env": ["A=b"], "Entrypoint": ["x"], "User": "0", "WorkingDir": "/x", "StopSignal": "TERM",
        "StopTimeout": 1,
        "Hostname": "h", "MacAddress": "", "Shell": [], "HostConfig": {**_CREATE["HostConfig"], **_HOST},
        "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": [], "IPAMConfig": {}}}},
    },
    "/containers/{id}/exec": {
        "Cmd": ["true"], "AttachStdout": True, "Env": ["A=b"], "WorkingDir": "/", "User": "0", "Privileged": False,
        "Tty": False,
        "DetachKeys": "ctrl-p", "ConsoleSize": [1, 2],
    },
    "/containers/{id}/update": {
        "CpuShares": 512, "Memory": 64 << 20, "MemorySwap": -1, "NanoCpus": 0, "CpuQuota": 0, "CpusetCpus": "0",
        "PidsLimit": 10,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "Ulimits": [], "BlkioWeight": 0,
    },
    "/networks/create": {
        "Name": "inner", "Driver": "bridge", "Internal": True, "EnableIPv6": False, "Labels": {"a": "b"},
        "Options": {"com.docker.network.bridge.name": "ke-hostile"},
        "IPAM": {"Driver": "default", "Options": {}, "Config": [
            {"Subnet": "10.251.9.0/24", "Gateway": "10.251.9.1", "IPRange": "10.251.9.0/25",
            "AuxiliaryAddresses": {"a": "10.251.9.9"}},
        ]},
    },
    "/networks/{id}/connect": {"Container": "web", "EndpointConfig": {
        "IPAMConfig": {"IPv4Address": "10.251.9.3", "LinkLocalIPs": []}, "Links": ["a:b"], "Aliases": ["x"],
        "MacAddress": "02:42:00:00:00:01", "DriverOpts": {"a": "b"},
    }},
    "/volumes/create": {
        "Name": "mine", "Driver": "local", "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"},
        "Labels": {"a": "b"},
    },
    "/commit": {
        "Cmd": ["x"], "Env": ["a=b"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}},
        "Healthcheck": {"Test": ["CMD", "true"]},
    },
    "/kernel-engine/servers": {"Name": "x", "PlainHTTP": 5},
    "/kernel-engine/without/{id}": {"Image": "nobody", "Cmd": ["true"]},
}  # fmt: skip
#: reaches out of this machine, or makes another engine, where one of its words is right by chance
ELSEWHERE = {("POST", "/kernel-engine/servers"), ("POST", "/auth")}


def trying(examples: int) -> settings:
    """The same examples in each run."""
    return settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@contextmanager
def unharmed(daemon: Daemon) -> Iterator[None]:
    """The daemon is the same process, answers, has as many descriptors as before, and has made no mistake."""
    assert daemon.process is not None
    before, told = _descriptors(daemon), daemon.log.stat().st_size
    yield
    assert request(str(daemon.instance.socket), "GET", "/_ping").status == 200
    end = time.monotonic() + PATIENCE
    while _descriptors(daemon) > before + 3 and time.monotonic() < end:
        time.sleep(0.05)
    assert _descriptors(daemon) <= before + 3
    said = daemon.log.read_bytes()[told:].decode()
    mistake = said.find("Traceback")
    assert mistake < 0, said[max(mistake - 500, 0) : mistake + 5000]


def _descriptors(daemon: Daemon) -> int:
    assert daemon.process is not None and daemon.process.poll() is None
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def _answer(path: str, data: bytes, *, glance: bool = False) -> bytes:
    """All that comes, or with `glance` what comes at once. AssertionError where it never ends."""
    found = b""
    with connect(path) as end:
        end.settimeout(PATIENCE)
        with suppress(BrokenPipeError, ConnectionResetError):  # it was refused before it was read to its end
            end.sendall(data)
            if not glance:
                end.shutdown(socket.SHUT_WR)
        try:
            while piece := end.recv(1 << 16):
                found += piece
                end.settimeout(GLANCE if glance else PATIENCE)
        except TimeoutError:
            assert glance, f"no end of an answer to {data[:300]!r}"
        except ConnectionResetError:
            pass
    return found


def _judge(answer: bytes, asked: object, *, head: bool = False) -> None:
    matched = re.match(rb"HTTP/\d\.\d (\d\d\d) ", answer)
    assert matched, f"{asked}: {answer[:200]!r}"
    status, body = int(matched[1]), answer.partition(b"\r\n\r\n")[2]
    if status < 400 or head:
        return
    told = json.loads(body)
    assert isinstance(told["message"], str) and told["message"], f"{asked}: {body[:200]!r}"
    assert not _MISTAKE.match(told["message"]), f"{asked}: {told}"


@pytest.fixture(scope="module")
def names(daemon: Daemon) -> dict[str, str]:
    return _furnished(daemon)


def _furnished(daemon: Daemon) -> dict[str, str]:
    """One of each thing is there, and nothing else."""
    remove_containers(daemon)
    daemon.docker("volume", "prune", "-af")
    daemon.docker("network", "prune", "-f")
    if not daemon.out("images", "-q", "busybox"):
        daemon.docker("pull", "-q", "busybox")
    daemon.docker(
        "run", "-d", "--init", "--stop-timeout", "1", "--name", "web", "-v", "kept:/kept", "busybox", "sleep", "6000"
    )
    made = daemon.api.post("/containers/web/exec", body={"Cmd": ["true"]}).json()["Id"]
    return {
        "containers": "web", "exec": made, "images": "busybox", "networks": "bridge", "volumes": "kept",
        "kernel-engine": "web", "distribution": "busybox",
    }  # fmt: skip


def _every_route(daemon: Daemon, names: dict[str, str], examples: int) -> None:
    path = str(daemon.instance.socket)
    for route in ROUTES:
        if (route.method, route.pattern) in ELSEWHERE:
            continue

        trying(examples)(given(hostile.requests(route, BODIES, names))(_asking(path, glance=route.watches)))()


def _asking(path: str, *, glance: bool) -> Callable[[hostile.Request], None]:
    def ask(asked: hostile.Request) -> None:
        answer = _answer(path, asked.data(), glance=glance)
        if answer or not glance:
            _judge(answer, asked, head=asked.method == "HEAD")

    return ask


def test_every_route_has_a_sentence_for_what_is_wrong(daemon: Daemon, names: dict[str, str]) -> None:
    with unharmed(daemon):
        _every_route(daemon, names, 4)


@pytest.mark.full
@pytest.mark.timeout(3000)
def test_every_route_has_a_sentence_for_all_that_is_wrong(daemon: Daemon, names: dict[str, str]) -> None:
    with unharmed(daemon):
        _every_route(daemon, names, 300)


@pytest.mark.full
@pytest.mark.timeout(3000)
def test_memory_does_not_grow(daemon: Daemon) -> None:
    """The same again and again, and all that it made taken away: what each request leaves behind would add up."""
    used = []
    for _ in range(8):
        names = _furnished(daemon)
        _any_bytes(daemon, 500)
        _every_route(daemon, names, 8)
        _furnished(daemon)
        used.append(_resident(daemon))
    assert used[-1] - used[2] < 4 << 20, used


def _resident(daemon: Daemon) -> int:
    """Bytes of memory that are the daemon's alone (proc_pid_smaps_rollup(5)), without its workers'."""
    assert daemon.process is not None
    lines = Path(f"/proc/{daemon.process.pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_", "Swap:")))


def test_an_address_that_is_none(daemon: Daemon) -> None:
    for address in ("\u202e", "[]", "[:::]", "a:99999999", "..", "https://", "a b", "-"):
        reply = request(str(daemon.instance.socket), "POST", "/auth", {"username": "u", "serveraddress": address})
        if address != "https://":
            said = f'invalid registry address: "{address}" names no host'
            assert (reply.status, reply.json()) == (400, {"message": said})


def _any_bytes(daemon: Daemon, examples: int) -> None:
    path = str(daemon.instance.socket)

    @trying(examples)
    @given(hostile.wire())
    def speak(data: bytes) -> None:
        answer = _answer(path, data)
        if answer:
            _judge(answer, data[:80], head=data.startswith(b"HEAD "))
        else:
            assert not data.strip(), data[:300]

    with unharmed(daemon):
        speak()


def test_any_bytes_are_answered(daemon: Daemon) -> None:
    _any_bytes(daemon, 250)


@pytest.mark.full
@pytest.mark.timeout(3000)
def test_many_more_bytes_are_answered(daemon: Daemon) -> None:
    _any_bytes(daemon, 4000)
