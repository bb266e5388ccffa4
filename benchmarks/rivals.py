"""The engines, each started on state of its own with one busybox image, behind the same few verbs."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import dockerd
from tests.busybox_registry import Image, busybox, registry
from tests.dockerd import Unavailable

_PIECE = 1 << 16


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Api:
    """The Docker Engine API on a socket, spoken in the same way to every engine that has it; in as few words as it
    takes, because what the client costs is in every engine's figure."""

    path: str

    def call(self, method: str, target: str, body: Any = None) -> Any:
        with self._asked(method, target, body) as connection:
            text = _answer(connection)
            return json.loads(text) if text.strip() else None

    def _asked(self, method: str, target: str, body: Any = None) -> socket.socket:
        """A connection on which the request has gone."""
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} /v1.41{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.path)
            connection.sendall(head.encode() + data)
        except BaseException:
            connection.close()
            raise
        return connection

    def build(self, context: bytes, tag: str) -> None:
        """A classic build; returns when the last line has come."""
        connection = _UnixConnection(self.path)
        try:
            connection.request("POST", f"/v1.41/build?t={tag}", context, {"Content-Type": "application/x-tar"})
            text = connection.getresponse().read()
            assert b"Successfully tagged" in text, text[-500:]
        finally:
            connection.close()

    def run_and_remove(self) -> None:
        created = self.call(
            "POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"AutoRemove": True}}
        )
        with self._asked("POST", f"/containers/{created['Id']}/wait?condition=removed") as waiting:
            begun = waiting.recv(_PIECE)  # the header comes at once
            self.call("POST", f"/containers/{created['Id']}/start")
            assert json.loads(_answer(waiting, begun))["StatusCode"] == 0


def _answer(connection: socket.socket, begun: bytes = b"") -> bytes:
    """The body, when the engine has closed the connection. RFC 9112."""
    received = bytearray(begun)
    while piece := connection.recv(_PIECE):
        received += piece
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    if b"chunked" in head:
        body = b"".join(_chunks(body))
    if int(head[9:12]) >= 400:
        raise RuntimeError(f"{head.decode()} {body.decode()}")
    return body


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, rest = body.partition(b"\r\n")
        yield rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]


@dataclass(frozen=True, slots=True)
class Engine:
    name: str
    prefix: tuple[str, ...]  #: the command and its global options
    load: Callable[[Image, str], None]  #: gives it an image under a name
    api: Api | None = None
    runs: bool = True
    builds: bool = True
    build_words: tuple[str, ...] = ()  #: what it wants to hear besides, to build as the others do
    tag: str = "bench"
    state: str = ""  #: a path that the words of each of its processes hold
    enter: tuple[str, ...] = ()  #: what a command begins with that runs in the network of the engine's ports

    def build(self, context: Path, *words: str) -> None:
        self.command("build", "-q", "-t", self.tag, *self.build_words, *words, str(context))

    def command(self, *words: str) -> None:
        subprocess.run([*self.prefix, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return
        time.sleep(0.05)
    raise Unavailable(f"{process.args!r} does not answer: {log.read_text()[-500:]}")


@contextlib.contextmanager
def _served(arguments: list[str], socket_path: Path, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output, start_new_session=True)
        try:
            _wait_for(socket_path, process, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _installed(place: Path) -> Path:
    """Our `docker` as set-up installs it. (An editable install looks 12 ms longer for its package.)"""
    project = Path(__file__).parents[1]
    packages = place / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (packages / "kernel_engine").symlink_to(project / "kernel_engine")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():  # what compose reads files with, and the like
        if entry.suffix != ".pth" and entry.name != "kernel_engine":
            (packages / entry.name).symlink_to(entry)
    (place / "bin").mkdir()
    (place / "bin/python3").symlink_to(sys.executable)
    return Path(shutil.copy(project / "packaging/bin/docker", place / "bin/docker"))


def _pull(prefix: tuple[str, ...], image: Image, name: str) -> None:
    with registry(image) as address:
        source = f"{address.removeprefix('http://')}/{name}"
        for words in (("pull", "-q", source), ("tag", source, name), ("rmi", source)):
            subprocess.run([*prefix, *words], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def kernel_engine(scratch: Path) -> Iterator[Engine]:
    root, run = scratch / "ke-root", scratch / "ke-run"
    base = [sys.executable, "-m", "kernel_engine.daemon"]
    places = ["--root", str(root), "--run", str(run)]
    path = run / "engine.sock"
    prefix = (str(_installed(scratch / "installed")), "-H", f"unix://{path}")
    with registry() as mirror:
        try:
            with _served([*base, "serve", *places, "--registry-mirror", mirror], path, scratch / "ke.log"):
                os.environ["DOCKER_LABS_LANG"] = "off"
                engine = Engine(
                    "kernel-engine", prefix, functools.partial(_pull, prefix), Api(str(path)), state=str(run)
                )
                engine.command("pull", "busybox")
                yield engine
        finally:
            subprocess.run([*base, "cleanup", *places, "--all"], check=False, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def real_docker(scratch: Path) -> Iterator[Engine]:
    """With its classic builder, and with the newer command line where there are two."""
    client = shutil.which("docker", path="/usr/local/bin:/usr/bin")
    with dockerd.running(scratch / "docker") as running:
        os.environ["DOCKER_BUILDKIT"] = "0"
        prefix = (client or running.command[0], *running.command[1:])
        pid = (running.socket.parent / "pid").read_text().strip()
        enter = ("nsenter", f"--net=/proc/{pid}/ns/net")
        api, state = Api(str(running.socket)), str(running.socket.parent)
        engine = Engine("docker", prefix, functools.partial(_load, prefix), api, state=state, enter=enter)
        engine.load(busybox(), "busybox:latest")
        yield engine


def _load(prefix: tuple[str, ...], image: Image, name: str) -> None:
    subprocess.run([*prefix, "load"], input=image.archive(name), check=True, stdout=subprocess.DEVNULL)


def _limit(state: Path) -> None:
    """podman and buildah raise limits to the highest there is, which a machine without CAP_SYS_RESOURCE refuses."""
    settings = state / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
    os.environ["CONTAINERS_CONF"] = str(settings)


@contextlib.contextmanager
def podman(scratch: Path) -> Iterator[Engine]:
    client = shutil.which("podman")
    if client is None:
        raise Unavailable("podman")
    state = scratch / "podman"
    places = ("--root", str(state / "root"), "--runroot", str(state / "run"))
    # crun refuses mixed cgroup hierarchies
    prefix = (client, *places, "--cgroup-manager", "cgroupfs", "--runtime", "runc")
    # its builder is buildah's
    engine = Engine("podman", prefix, functools.partial(_load, prefix), builds=False, state=str(state))
    state.mkdir()
    _limit(state)
    try:
        engine.load(busybox(), "busybox:latest")
        yield engine
    finally:
        subprocess.run([*prefix, "rm", "-af", "-t", "0"], check=False, capture_output=True)
        subprocess.run([*prefix, "system", "reset", "-f"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", "cni-podman0"], check=False, capture_output=True)


@contextlib.contextmanager
def buildah(scratch: Path) -> Iterator[Engine]:
    client = shutil.which("buildah")
    if client is None:
        raise Unavailable("buildah")
    state, archive = scratch / "buildah", scratch / "busybox.tar"
    state.mkdir()
    prefix = (client, "--root", str(state / "root"), "--runroot", str(state / "run"), "--storage-driver", "overlay")
    words = ("--layers", "--pull-never", "--runtime", "runc", "--network", "host")

    def pull(image: Image, name: str) -> None:
        archive.write_bytes(image.archive(name))
        subprocess.run([*prefix, "pull", "-q", f"docker-archive:{archive}"], check=True, stdout=subprocess.DEVNULL)

    _limit(state)
    try:
        pull(busybox(), "busybox:latest")
        yield Engine("buildah", prefix, pull, runs=False, build_words=words)
    finally:
        subprocess.run([*prefix, "rmi", "-af"], check=False, capture_output=True)
        subprocess.run(["umount", str(state / "root" / "overlay")], check=False, capture_output=True)
