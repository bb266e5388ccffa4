from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kernel_engine.api.versions import Version
from kernel_engine.api.wire.container import command_text, inspect_json, summary_json
from kernel_engine.api.wire.events import event_json
from kernel_engine.api.wire.execs import exec_json, read_exec
from kernel_engine.api.wire.image import inspect_json as image_json
from kernel_engine.api.wire.image import removed_json
from kernel_engine.api.wire.image import summary_json as image_summary
from kernel_engine.api.wire.moments import NEVER, rfc3339
from kernel_engine.api.wire.network import endpoints_json, network_json, read_network
from kernel_engine.api.wire.progress import bar, error_json, line, progress_json
from kernel_engine.api.wire.status import status_text
from kernel_engine.containers.events import Event
from kernel_engine.containers.options import ContainerOptions, EndpointOptions, HostOptions
from kernel_engine.containers.record import Container, Exec, MountPoint, State
from kernel_engine.errors import NotSupported
from kernel_engine.images.image import Image, Progress, Removed
from kernel_engine.network.endpoint import Endpoint, Published
from kernel_engine.network.network import Network

NOW = Version(1, 47)
PLACE = Endpoint(
    network_id="n" * 64,
    network_name="bridge",
    endpoint_id="e" * 64,
    address="172.18.0.2",
    prefix_length=16,
    gateway="172.18.0.1",
    mac="02:42:ac:12:00:02",
    host_interface="ke0",
)
ITEM = Container(
    id="c" * 64,
    name="web",
    created=1700000000.25,
    image_id="sha256:" + "a" * 64,
    image_name="debian",
    config=ContainerOptions(
        image="debian",
        command=("sh", "-c", "echo hi"),
        environment=("A=b",),
        exposed_ports=("80/tcp",),
        labels={"k": "v"},
        host=HostOptions(binds=("/a:/b:ro", "data:/d"), memory=1 << 28, raw={"BlkioWeight": 7, "Strange": [1]}),
        networks={"bridge": EndpointOptions()},
    ),
    state=State(status="running", pid=42, started_at=1700000001.5),
    path="sh",
    args=("-c", "echo hi"),
    endpoints=(PLACE,),
    mounts=(
        MountPoint(type="bind", source="/a", destination="/b", mode="ro", read_only=True),
        MountPoint(type="volume", name="data", source="/r/volumes/data/_data", destination="/d"),
    ),
    directory="/r/containers/c",
)
IMAGE = Image(
    id="sha256:" + "a" * 64,
    raw=b"{}",
    config={
        "architecture": "arm64",
        "variant": "v8",
        "os": "linux",
        "created": "2024-01-02T03:04:05.123456789Z",
        "config": {"Cmd": ["sh"], "Labels": {"x": "y"}},
        "history": [{"comment": "one"}],
    },
    tags=(),
    digests=(),
    size=5,
    diff_ids=(),
    chain_id=None,
    parent="",
)


def test_inspect_of_a_container() -> None:
    shown = inspect_json(ITEM, NOW, exec_ids=("x",), networks=endpoints_json(ITEM, lambda name: "n" * 64), sizes=None)
    assert shown["Name"] == "/web"
    assert shown["Created"] == "2023-11-14T22:13:20.25Z"
    assert shown["State"]["Status"] == "running" and shown["State"]["Running"] is True
    assert shown["State"]["FinishedAt"] == NEVER
    assert shown["Config"]["Cmd"] == ["sh", "-c", "echo hi"] and shown["Config"]["Entrypoint"] is None
    assert shown["HostConfig"]["MemorySwap"] == 1 << 29
    assert shown["HostConfig"]["BlkioWeight"] == 7 and shown["HostConfig"]["Strange"] == [1]
    assert "/proc/kcore" in shown["HostConfig"]["MaskedPaths"]
    assert shown["NetworkSettings"]["IPAddress"] == "172.18.0.2"
    assert shown["NetworkSettings"]["Networks"]["bridge"]["Gateway"] == "172.18.0.1"
    assert shown["NetworkSettings"]["Ports"] == {"80/tcp": None}
    assert [(mount["Type"], mount["Source"], mount["RW"]) for mount in shown["Mounts"]] == [
        ("bind", "/a", False),
        ("volume", "/r/volumes/data/_data", True),
    ]
    assert "Name" not in shown["Mounts"][0] and (shown["Mounts"][1]["Name"], shown["Mounts"][1]["Driver"]) == (
        "data",
        "local",
    )
    assert "SizeRw" not in shown
    json.dumps(shown)


def test_published_ports() -> None:
    published = (
        Published(container_port=80, protocol="tcp", host_address="0.0.0.0", host_port=9000),
        Published(container_port=80, protocol="tcp", host_address="127.0.0.1", host_port=9001),
        Published(container_port=53, protocol="udp", host_address="0.0.0.0", host_port=53),
    )
    config = replace(ITEM.config, exposed_ports=("443", "80/tcp"))
    item = replace(ITEM, config=config, endpoints=(replace(PLACE, published=published),))
    shown = inspect_json(item, NOW, exec_ids=(), networks={}, sizes=None)["NetworkSettings"]["Ports"]
    assert shown == {
        "443/tcp": None,
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9000"}, {"HostIp": "127.0.0.1", "HostPort": "9001"}],
        "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "53"}],
    }
    assert summary_json(item, image="debian", networks={}, sizes=None)["Ports"] == [
        {"PrivatePort": 443, "Type": "tcp"},
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 9000, "Type": "tcp"},
        {"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 9001, "Type": "tcp"},
        {"IP": "0.0.0.0", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
    ]
    ended = replace(item, state=State(status="exited"))
    assert inspect_json(ended, NOW, exec_ids=(), networks={}, sizes=None)["NetworkSettings"]["Ports"] == {}


def test_inspect_of_one_that_never_ran() -> None:
    item = replace(ITEM, endpoints=(), state=State())
    shown = inspect_json(item, NOW, exec_ids=(), networks=endpoints_json(item, lambda name: "n"), sizes=(1, 2))
    assert shown["ExecIDs"] is None
    assert (shown["SizeRw"], shown["SizeRootFs"]) == (1, 2)
    assert shown["NetworkSettings"]["IPAddress"] == "" and shown["NetworkSettings"]["Ports"] == {}
    assert shown["NetworkSettings"]["Networks"]["bridge"]["NetworkID"] == ""


@pytest.mark.parametrize("mode", ["host", "none"])
def test_other_networks(mode: str) -> None:
    config = replace(ITEM.config, host=HostOptions(network_mode=mode), networks={mode: EndpointOptions()})
    item = replace(ITEM, endpoints=(), config=config)
    assert list(endpoints_json(item, lambda name: "n" * 64)) == [mode]
    shown = network_json(Network(id="n" * 64, name=mode, driver="null"), [item])
    assert shown["Containers"][item.id]["Name"] == "web"


def test_a_network_to_be_made() -> None:
    pool = {"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.128/25", "AuxiliaryAddresses": {"router": "10.9.0.2"}}
    found = read_network({"Name": "n", "IPAM": {"Config": [pool]}, "Internal": True, "Labels": {"a": "b"}})
    (read,) = found.pools
    assert (found.driver, read.subnet, read.ip_range) == ("bridge", "10.9.0.0/24", "10.9.0.128/25")
    assert (found.internal, found.labels, read.reserved) == (True, {"a": "b"}, {"router": "10.9.0.2"})
    assert read_network({"Name": "n", "IPAM": {"Config": [{}]}, "Driver": ""}).pools == ()
    for body in ({"ConfigOnly": True}, {"EnableIPv4": False}):
        with pytest.raises(NotSupported):
            read_network({"Name": "n", **body})


def test_privileged_masks_nothing() -> None:
    item = replace(ITEM, config=replace(ITEM.config, host=HostOptions(privileged=True)))
    shown = inspect_json(item, NOW, exec_ids=(), networks={}, sizes=None)["HostConfig"]
    assert (shown["MaskedPaths"], shown["ReadonlyPaths"], shown["Privileged"]) == (None, None, True)


def test_row_of_ps() -> None:
    row = summary_json(ITEM, image="debian", networks={}, sizes=None)
    assert row["Names"] == ["/web"]
    assert row["Command"] == "sh -c 'echo hi'"
    assert row["State"] == "running" and row["Status"].startswith("Up ")
    assert row["HostConfig"] == {"NetworkMode": "default"}
    assert row["Ports"] == [{"PrivatePort": 80, "Type": "tcp"}]
    assert row["Created"] == 1700000000
    assert command_text(replace(ITEM, args=())) == "sh"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(status="created"), "Created"),
        (State(status="running", started_at=940), "Up About a minute"),
        (State(status="paused", started_at=990), "Up 10 seconds (Paused)"),
        (State(status="exited", exit_code=137, finished_at=1000), "Exited (137) Less than a second ago"),
        (State(status="restarting", exit_code=1, finished_at=998), "Restarting (1) 2 seconds ago"),
        (State(status="removing"), "Removal In Progress"),
        (State(status="dead"), "Dead"),
    ],
)
def test_status(state: State, text: str) -> None:
    assert status_text(state, 1000) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, NEVER), (1.0, "1970-01-01T00:00:01Z"), (1700000000.123, "2023-11-14T22:13:20.123Z")],
)
def test_times(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


def test_images_before_and_after() -> None:
    old, new = image_json(IMAGE, Version(1, 41)), image_json(IMAGE, NOW)
    assert old["VirtualSize"] == 5 and "VirtualSize" not in new
    assert "ContainerConfig" in old and "ContainerConfig" not in new
    assert (new["Architecture"], new["Variant"], new["Comment"]) == ("arm64", "v8", "one")
    assert new["Config"]["Cmd"] == ["sh"] and new["Config"]["Env"] is None
    assert image_summary(IMAGE, NOW, containers=-1, shared_size=-1)["RepoTags"] == []
    row = image_summary(IMAGE, Version(1, 41), containers=-1, shared_size=-1)
    assert (row["RepoTags"], row["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    assert row["Created"] == 1704164645


def test_removed() -> None:
    assert removed_json(Removed(untagged="a:b")) == {"Untagged": "a:b"}
    assert removed_json(Removed(deleted="sha256:1")) == {"Deleted": "sha256:1"}


def test_progress_lines() -> None:
    assert progress_json(Progress(status="Pulling from library/debian", id="bookworm")) == {
        "status": "Pulling from library/debian",
        "id": "bookworm",
    }
    assert progress_json(Progress(status="Pull complete", id="abc")) == {
        "status": "Pull complete",
        "progressDetail": {},
        "id": "abc",
    }
    assert progress_json(Progress(status="Digest: sha256:1")) == {"status": "Digest: sha256:1"}
    shown = progress_json(Progress(status="Downloading", id="abc", current=500_000, total=1_000_000))
    assert shown["progressDetail"] == {"current": 500000, "total": 1000000}
    assert shown["progress"] == f"[{'=' * 25}>{' ' * 25}]    500kB/1MB"
    assert line({"a": "가"}) == '{"a":"가"}\r\n'.encode()


@pytest.mark.parametrize(
    ("current", "total", "text"),
    [
        (1, 0, "      1B"),
        (5, 5, "[" + "=" * 50 + ">]       5B/5B"),
        (7, 5, "[" + "=" * 50 + ">]       7B"),
        (1234567, 0, " 1.235MB"),
    ],
)
def test_bar(current: int, total: int, text: str) -> None:
    assert bar(current, total) == text


def test_errors_inside_a_stream() -> None:
    assert error_json("no", 500) == {"errorDetail": {"message": "no"}, "error": "no"}
    assert error_json("no", 401)["errorDetail"] == {"message": "no", "code": 401}


def test_events() -> None:
    event = Event(
        type="container", action="die", actor_id="c1", attributes={"image": "x", "exitCode": "1"}, time_ns=1_500_000_000
    )
    shown = event_json(event)
    assert (shown["status"], shown["id"], shown["from"]) == ("die", "c1", "x")
    assert (shown["Type"], shown["Action"], shown["Actor"]["ID"]) == ("container", "die", "c1")
    assert (shown["time"], shown["timeNano"]) == (1, 1_500_000_000)
    assert "status" not in event_json(replace(event, type="network"))


def test_exec_there_and_back() -> None:
    options = read_exec({"Cmd": ["ls", "-l"], "AttachStdout": True, "Tty": True, "User": "1", "Env": None})
    shown = exec_json(Exec(id="e", container_id="c", options=options, exit_code=0))
    assert shown["ProcessConfig"] == {
        "tty": True,
        "entrypoint": "ls",
        "arguments": ["-l"],
        "privileged": False,
        "user": "1",
    }
    assert (shown["ExitCode"], shown["Running"], shown["OpenStdout"], shown["OpenStdin"]) == (0, False, True, False)
