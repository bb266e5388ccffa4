"""The operations that are cut off: what each needs, what it does, and what must be so, acknowledged or not.

An operation is all done or not done at all. What the engine has acknowledged is there after a restart.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernel_engine.client import APIError, Client, Response
from tests.busybox_registry import Image
from tests.daemon import Daemon
from tests.engine.building import Member, context
from tests.faults.composing import Composer

PATIENCE = 60.0
IMAGE = "busybox:latest"
DOCKERFILE = """\
FROM busybox
COPY words /words/
RUN echo one > /one && rm /bin/vi
ENV KEY=value
"""
COMPOSE_FILE = """\
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: KILL
    volumes: [data:/data]
    depends_on: [base]
  base:
    image: busybox
    command: sleep 1000
    stop_signal: KILL
volumes:
  data:
"""


@dataclass(slots=True)
class World:
    """An engine, and what the operation has been told so far."""

    daemon: Daemon
    place: Path  #: a directory of the test's own
    registry: str  #: host:port of one that takes what is pushed
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def api(self) -> Client:
        return Client(self.daemon.host, timeout=PATIENCE)

    def post(self, path: str, body: Any = None, **query: object) -> Any:
        with self.api.post(path, body=body, query=query) as answer:
            return answer.json()

    def get(self, path: str, **query: object) -> Any:
        with self.api.get(path, query=query) as answer:
            return answer.json()

    def delete(self, path: str, **query: object) -> None:
        self.api.delete(path, query=query).close()

    def names(self) -> dict[str, Any]:
        found = self.get("/containers/json", all="1")
        return {item["Names"][0].removeprefix("/"): item for item in found}

    def create(self, name: str = "", *, command: str = "sleep 1000", more: dict[str, Any] | None = None) -> str:
        body = {"Image": IMAGE, "Cmd": command.split(), "StopSignal": "KILL", **(more or {})}
        return str(self.post("/containers/create", body, **({"name": name} if name else {}))["Id"])

    def start(self, name: str) -> None:
        self.post(f"/containers/{name}/start")

    def run(self, name: str, *, more: dict[str, Any] | None = None) -> str:
        found = self.create(name, more=more)
        self.start(found)
        return found

    def state(self, name: str) -> str | None:
        found = self.names().get(name)
        return None if found is None else str(found["State"])

    def images(self) -> set[str]:
        return {tag for item in self.get("/images/json") for tag in item["RepoTags"] or ()}

    def volumes(self) -> set[str]:
        return {item["Name"] for item in self.get("/volumes")["Volumes"] or ()}

    def networks(self) -> set[str]:
        return {item["Name"] for item in self.get("/networks")} - {"bridge", "host", "none"}

    def pull(self) -> None:
        last(self.api.post("/images/create", query={"fromImage": "busybox", "tag": "latest"}))

    def empty(self) -> None:
        """Nothing but the image that all stand on."""
        self.told.clear()
        for item in self.names().values():
            with suppress(APIError):
                self.delete(f"/containers/{item['Id']}", force="1", v="1")
        for name in self.volumes():
            self.delete(f"/volumes/{name}")
        for name in self.networks():
            self.delete(f"/networks/{name}")
        for name in self.images() - {IMAGE}:
            self.delete(f"/images/{name}", force="1")
        self.post("/images/prune", filters=json.dumps({"dangling": ["true"]}))
        if IMAGE not in self.images():
            self.pull()


def last(answer: Response) -> Any:
    """The last of the progress lines; an error among them is raised."""
    words: Any = {}
    with answer:
        for line in answer.lines():
            words = json.loads(line)
            if "error" in words:
                raise APIError(500, words["error"])
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`act` tells in `world.told` what was acknowledged, at once; `check` says what is wrong after a restart."""

    name: str
    act: Callable[[World], None]
    check: Callable[[World], str] = lambda world: ""
    prepare: Callable[[World], None] = lambda world: None
    again: Callable[[World], None] | None = None  #: how it is done once more; None = `act`


# containers -------------------------------------------------------------------------------------------------------
def run_rm(world: World) -> None:
    name = world.create(command="true", more={"HostConfig": {"AutoRemove": True}})
    with world.api.post(f"/containers/{name}/wait", query={"condition": "removed"}) as waiting:
        world.start(name)
        waiting.read()
    world.told["gone"] = True


def no_containers(world: World) -> str:
    return f"containers are left: {sorted(world.names())}" if world.names() else ""


_SERVER: dict[str, Any] = {
    "HostConfig": {"Binds": ["kept:/kept"], "PortBindings": {"80/tcp": [{"HostPort": ""}]}},
    "Volumes": {"/bin": {}},
    "ExposedPorts": {"80/tcp": {}},
}


def run_detached(world: World) -> None:
    if "server" not in world.names():
        world.create("server", more=_SERVER)
    world.told["created"] = True
    with suppress(APIError):  # it may run already
        world.start("server")
    world.told["started"] = True


def detached_is_whole(world: World) -> str:
    state, volumes = world.state("server"), world.volumes()
    if state is None:
        return "an acknowledged container is gone" if "created" in world.told else _none(volumes)
    if "kept" not in volumes or len(volumes) != 2:
        return f"it has the volumes {volumes}"
    shown = world.get("/containers/server/json")
    anonymous = next(item for item in shown["Mounts"] if item["Destination"] == "/bin")
    if not (Path(anonymous["Source"]) / "busybox").exists() or len(os.listdir(anonymous["Source"])) < 100:
        return "its volume is not filled"
    return ""


def _none(volumes: set[str]) -> str:
    return f"volumes of a container that is not there: {volumes}" if volumes else ""


def a_server(world: World) -> None:
    world.run("server", more=_SERVER)


def execute(world: World) -> None:
    found = world.post("/containers/server/exec", {"Cmd": ["true"], "AttachStdout": True})
    stream = world.api.hijack(f"/exec/{found['Id']}/start", body={})
    with stream.socket:
        while stream.socket.recv(1 << 16):
            continue
    assert world.get(f"/exec/{found['Id']}/json")["ExitCode"] == 0


def begin(world: World) -> None:
    """Again after its launcher has died."""
    if world.state("server") == "exited":
        world.start("server")


def stop(world: World) -> None:
    world.post("/containers/server/stop", t="5")
    world.told["stopped"] = True


def is_stopped(world: World) -> str:
    state = world.state("server")
    allowed = ("exited",) if "stopped" in world.told else ("running", "exited")
    return "" if state in allowed else f"it is {state}"


def remove(world: World) -> None:
    try:
        world.delete("/containers/server", force="1", v="1")
    except APIError as error:
        if error.status != 404:
            raise
    world.told["removed"] = True


def is_removed(world: World) -> str:
    state, volumes = world.state("server"), world.volumes()
    if state is not None:
        return "a removed container is there" if "removed" in world.told else ""
    return "" if volumes == {"kept"} else f"volumes: {volumes}"


def rename(world: World) -> None:
    if "server" in world.names():
        world.post("/containers/server/rename", name="other")
    world.told["renamed"] = True


def is_renamed(world: World) -> str:
    names = set(world.names())
    allowed = [{"other"}] if "renamed" in world.told else [{"other"}, {"server"}]
    return "" if names in allowed else f"names: {names}"


def update(world: World) -> None:
    world.post("/containers/server/update", {"Memory": 64 << 20, "MemorySwap": 64 << 20, "PidsLimit": 77})
    world.told["updated"] = True


def is_updated(world: World) -> str:
    shown = world.get("/containers/server/json")
    limits = shown["HostConfig"]["Memory"], shown["HostConfig"]["PidsLimit"] or 0
    if limits not in ([(64 << 20, 77)] if "updated" in world.told else [(64 << 20, 77), (0, 0)]):
        return f"limits: {limits}"
    if shown["State"]["Status"] != "running":
        return ""
    instance = world.daemon.instance
    for place in ("pids/{0}/{1}/pids.max", "{0}/{1}/pids.max"):
        path = Path("/sys/fs/cgroup") / place.format(instance.cgroup, shown["Id"])
        if path.exists():
            actual = path.read_text().strip()
            return "" if actual == (str(limits[1]) if limits[1] else "max") else f"pids.max {actual}, recorded {limits}"
    return "no control group"


def pause(world: World) -> None:
    if world.state("server") != "paused":
        world.post("/containers/server/pause")
    world.told["paused"] = True


def is_paused(world: World) -> str:
    state = world.state("server")
    allowed = ("paused", "exited") if "paused" in world.told else ("running", "paused", "exited")
    return "" if state in allowed else f"it is {state}"


def pause_again(world: World) -> None:
    begin(world)
    pause(world)
    assert world.state("server") == "paused"


def copy_in(world: World) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("a", "b", "c"):
            entry = tarfile.TarInfo(name)
            entry.size = 5000
            archive.addfile(entry, io.BytesIO(name.encode() * 5000))
    world.api.put("/containers/server/archive", query={"path": "/tmp"}, body=buffer.getvalue()).close()
    world.told["copied"] = True


def is_copied(world: World) -> str:
    if "copied" not in world.told:
        return ""
    found = world.api.get("/containers/server/archive", query={"path": "/tmp"}).read()
    with tarfile.open(fileobj=io.BytesIO(found)) as archive:
        sizes = {item.name: item.size for item in archive if item.isreg()}
    return "" if sizes == {f"tmp/{name}": 5000 for name in ("a", "b", "c")} else f"it has {sizes}"


# images ---------------------------------------------------------------------------------------------------------------
def commit(world: World) -> None:
    world.told["image"] = world.post("/commit", {}, container="server", repo="mine", tag="1")["Id"]


def is_committed(world: World) -> str:
    if "image" in world.told and "mine:1" not in world.images():
        return "an acknowledged image is gone"
    return "" if world.state("server") in ("running", "exited") else f"it is {world.state('server')}"


def no_image(world: World) -> None:
    world.delete(f"/images/{IMAGE}", force="1")


def pull(world: World) -> None:
    world.pull()
    world.told["pulled"] = True


def is_pulled(world: World) -> str:
    if IMAGE not in world.images():
        return "an acknowledged image is gone" if "pulled" in world.told else ""
    world.post("/containers/create", {"Image": IMAGE}, name="probe")
    world.start("probe")
    world.delete("/containers/probe", force="1")
    return ""


def build(world: World) -> None:
    data = context({"Dockerfile": DOCKERFILE, **{f"words/{number}": str(number) for number in range(20)}})
    last(world.api.post("/build", body=data, query={"t": "built", "rm": "1"}))
    world.told["built"] = True


def is_built(world: World) -> str:
    if "built:latest" not in world.images():
        return "an acknowledged image is gone" if "built" in world.told else ""
    world.create("probe", command="cat /one /words/19", more={"Image": "built"})
    world.start("probe")
    code = world.post("/containers/probe/wait")["StatusCode"]
    world.delete("/containers/probe", force="1")
    return "" if code == 0 else "the image is not what was built"


def tagged(world: World) -> None:
    world.post(f"/images/{IMAGE}/tag", repo=f"{world.registry}/mine", tag="1")
    world.run("server")
    world.api.put("/containers/server/archive", query={"path": "/tmp"}, body=context({"new": "file"})).close()
    world.post("/commit", {}, container="server", repo=f"{world.registry}/mine", tag="1")


def push(world: World) -> None:
    headers = {"X-Registry-Auth": "e30="}
    last(world.api.post(f"/images/{world.registry}/mine/push", query={"tag": "1"}, headers=headers))


def is_there_still(world: World) -> str:
    return "" if f"{world.registry}/mine:1" in world.images() else "the image is gone"


def save(world: World) -> None:
    data = world.api.get(f"/images/{world.registry}/mine:1/get").read()
    assert len(data) > 100_000


_ETC: dict[str, Member] = {"etc/": "", "etc/hello": "hello", **{f"etc/{number}": "x" * 500 for number in range(20)}}


def archive(files: Mapping[str, Member] = _ETC) -> bytes:
    """An image that is nobody else's."""
    layer = context(files)
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    config["rootfs"]["diff_ids"] = [f"sha256:{hashlib.sha256(layer).hexdigest()}"]  # type: ignore[index]
    return Image(json.dumps(config).encode(), layer).archive("loaded:1")


def load(world: World) -> None:
    last(world.api.post("/images/load", body=archive()))
    world.told["loaded"] = True


def is_loaded(world: World) -> str:
    return "an acknowledged image is gone" if "loaded" in world.told and "loaded:1" not in world.images() else ""


def a_loaded_image(world: World) -> None:
    load(world)
    world.told.clear()


def remove_image(world: World) -> None:
    if "loaded:1" in world.images():
        world.delete("/images/loaded:1")
    world.told["removed"] = True


def image_is_removed(world: World) -> str:
    return "a removed image is there" if "removed" in world.told and "loaded:1" in world.images() else ""


# volumes and networks -------------------------------------------------------------------------------------------------
def create_volume(world: World) -> None:
    world.post("/volumes/create", {"Name": "data"})
    world.told["data"] = True


def volume_is_there(world: World) -> str:
    return "an acknowledged volume is gone" if "data" in world.told and "data" not in world.volumes() else ""


def remove_volume(world: World) -> None:
    if "data" in world.volumes():
        world.delete("/volumes/data")
    world.told["gone"] = True


def volume_is_gone(world: World) -> str:
    return "a removed volume is there" if "gone" in world.told and "data" in world.volumes() else ""


def create_network(world: World) -> None:
    if "web" not in world.networks():
        world.post("/networks/create", {"Name": "web"})
    world.told["web"] = True


def network_is_there(world: World) -> str:
    return "an acknowledged network is gone" if "web" in world.told and "web" not in world.networks() else ""


def remove_network(world: World) -> None:
    if "web" in world.networks():
        world.delete("/networks/web")
    world.told["gone"] = True


def network_is_gone(world: World) -> str:
    return "a removed network is there" if "gone" in world.told and "web" in world.networks() else ""


def a_server_and_a_network(world: World) -> None:
    create_network(world)
    a_server(world)
    world.told.clear()


def _joined(world: World) -> set[str]:
    return set(world.get("/containers/server/json")["NetworkSettings"]["Networks"])


def connect(world: World) -> None:
    if "web" not in _joined(world):
        world.post("/networks/web/connect", {"Container": "server"})
    world.told["joined"] = True


def is_connected(world: World) -> str:
    joined = _joined(world)
    if "joined" in world.told and "web" not in joined:
        return f"it is on {joined}"
    return _interfaces(world, joined)


def _interfaces(world: World, joined: set[str]) -> str:
    """As many inside as networks are recorded."""
    shown = world.get("/containers/server/json")
    if shown["State"]["Status"] != "running":
        return ""
    inside = [name for name in _links(shown["State"]["Pid"]) if name.startswith("eth")]
    return "" if len(inside) == len(joined) else f"{inside} inside, recorded {joined}"


def _links(pid: int) -> list[str]:
    words = ("nsenter", "-t", str(pid), "-n", "ip", "-j", "link")
    return [item["ifname"] for item in json.loads(subprocess.run(words, capture_output=True, check=True).stdout)]


def a_connected_server(world: World) -> None:
    a_server_and_a_network(world)
    connect(world)
    world.told.clear()


def disconnect(world: World) -> None:
    if "web" in _joined(world):
        world.post("/networks/web/disconnect", {"Container": "server"})
    world.told["left"] = True


def is_disconnected(world: World) -> str:
    joined = _joined(world)
    if "left" in world.told and "web" in joined:
        return f"it is on {joined}"
    return _interfaces(world, joined)


_composer = Composer()
atexit.register(_composer.close)


# compose --------------------------------------------------------------------------------------------------------------
def _compose(world: World, *words: str) -> None:
    (world.place / "compose.yaml").write_text(COMPOSE_FILE)
    environment = {"DOCKER_HOST": world.daemon.host, "COMPOSE_PROJECT_NAME": "project"}
    code, printed = _composer.run(world.place, environment, *words)
    if code:
        raise APIError(500, printed)
    world.told[words[0]] = True


def up(world: World) -> None:
    _compose(world, "up", "-d")


def is_up(world: World) -> str:
    if "up" not in world.told:
        return ""
    there = {"project-web-1", "project-base-1"} <= set(world.names()) and "project_default" in world.networks()
    return "" if there and "project_data" in world.volumes() else "what compose made is gone"


def is_up_now(world: World) -> None:
    up(world)
    world.told.clear()


def down(world: World) -> None:
    _compose(world, "down", "-v", "-t", "2")


def is_down(world: World) -> str:
    left = {*world.names(), *world.volumes(), *world.networks()}
    return f"left: {left}" if "down" in world.told and left else ""


def _anew(act: Callable[[World], None]) -> Callable[[World], None]:
    """Again on a container that runs."""

    def again(world: World) -> None:
        begin(world)
        act(world)

    return again


OPERATIONS = {
    item.name: item
    for item in (
        Operation(name="run", act=run_rm, check=no_containers),
        Operation(name="run -d", act=run_detached, check=detached_is_whole),
        Operation(name="exec", prepare=a_server, act=execute, check=is_stopped, again=_anew(execute)),
        Operation(name="stop", prepare=a_server, act=stop, check=is_stopped, again=_anew(stop)),
        Operation(name="rm -f", prepare=a_server, act=remove, check=is_removed),
        Operation(name="rename", prepare=a_server, act=rename, check=is_renamed),
        Operation(name="update", prepare=a_server, act=update, check=is_updated, again=_anew(update)),
        Operation(name="pause", prepare=a_server, act=pause, check=is_paused, again=pause_again),
        Operation(name="cp", prepare=a_server, act=copy_in, check=is_copied),
        Operation(name="commit", prepare=a_server, act=commit, check=is_committed),
        Operation(name="pull", prepare=no_image, act=pull, check=is_pulled),
        Operation(name="build", act=build, check=is_built),
        Operation(name="push", prepare=tagged, act=push, check=is_there_still),
        Operation(name="save", prepare=tagged, act=save, check=is_there_still),
        Operation(name="load", act=load, check=is_loaded),
        Operation(name="rmi", prepare=a_loaded_image, act=remove_image, check=image_is_removed),
        Operation(name="volume create", act=create_volume, check=volume_is_there),
        Operation(name="volume rm", prepare=create_volume, act=remove_volume, check=volume_is_gone),
        Operation(name="network create", act=create_network, check=network_is_there),
        Operation(name="network rm", prepare=create_network, act=remove_network, check=network_is_gone),
        Operation(
            name="network connect", prepare=a_server_and_a_network, act=connect, check=is_connected,
            again=_anew(connect),
        ),
        Operation(
            name="network disconnect", prepare=a_connected_server, act=disconnect, check=is_disconnected,
            again=_anew(disconnect),
        ),
        Operation(name="compose up", act=up, check=is_up),
        Operation(name="compose down", prepare=is_up_now, act=down, check=is_down),
    )
}  # fmt: skip
