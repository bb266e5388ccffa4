"""The three engines, each started on state of its own with one busybox image, behind the same few verbs."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.busybox_registry import registry, root_tar


class Unavailable(Exception):
    """The engine, or what it needs, is not on this machine."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Api:
    """The Docker Engine API on a socket, spoken in the same way to every engine that has it."""

    path: str

    def call(self, method: str, target: str, body: Any = None) -> Any:
        connection = _UnixConnection(self.path)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/v1.41{target}", data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {target}: {answer.status} {text.decode()}")
            return json.loads(text) if text.strip() else None
        finally:
            connection.close()

    def run_and_remove(self) -> None:
        created = self.call(
            "POST", "/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"AutoRemove": True}}
        )
        waiting = _UnixConnection(self.path)
        try:
            waiting.request("POST", f"/v1.41/containers/{created['Id']}/wait?condition=removed")
            answer = waiting.getresponse()  # the header comes at once
            self.call("POST", f"/containers/{created['Id']}/start")
            assert json.loads(answer.read())["StatusCode"] == 0
        finally:
            waiting.close()


@dataclass(frozen=True, slots=True)
class Engine:
    name: str
    prefix: tuple[str, ...]  #: the command and its global options
    api: Api | None

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
    (place / "bin").mkdir()
    (place / "bin/python3").symlink_to(sys.executable)
    return Path(shutil.copy(project / "packaging/bin/docker", place / "bin/docker"))


@contextlib.contextmanager
def kernel_engine(scratch: Path) -> Iterator[Engine]:
    root, run = scratch / "ke-root", scratch / "ke-run"
    base = [sys.executable, "-m", "kernel_engine.daemon"]
    places = ["--root", str(root), "--run", str(run)]
    path = run / "engine.sock"
    prefix = (str(_installed(scratch / "installed")),)
    with registry() as mirror:
        try:
            with _served([*base, "serve", *places, "--registry-mirror", mirror], path, scratch / "ke.log"):
                os.environ["DOCKER_LABS_LANG"] = "off"
                engine = Engine("kernel-engine", (*prefix, "-H", f"unix://{path}"), Api(str(path)))
                engine.command("pull", "busybox")
                yield engine
        finally:
            subprocess.run([*base, "cleanup", *places, "--all"], check=False, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def real_docker(scratch: Path) -> Iterator[Engine]:
    daemon, client = shutil.which("dockerd"), shutil.which("docker", path="/usr/local/bin:/usr/bin")
    if daemon is None or client is None:
        raise Unavailable("docker (package docker.io)")
    state, path = scratch / "docker", scratch / "docker.sock"
    arguments = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "dockerd", daemon]
    arguments += ["--data-root", str(state / "data"), "--exec-root", str(state / "exec"), "-p", str(state / "pid")]
    arguments += ["-H", f"unix://{path}"]
    state.mkdir()
    with _served(arguments, path, scratch / "docker.log"):
        engine = Engine("docker", (client, "-H", f"unix://{path}"), Api(str(path)))
        tar = scratch / "busybox.tar"
        tar.write_bytes(root_tar())
        engine.command("import", "-c", "ENV PATH=/bin", str(tar), "busybox")
        yield engine


@contextlib.contextmanager
def podman(scratch: Path) -> Iterator[Engine]:
    client = shutil.which("podman")
    if client is None:
        raise Unavailable("podman")
    state = scratch / "podman"
    prefix = (client, "--root", str(state / "root"), "--runroot", str(state / "run"), "--cgroup-manager", "cgroupfs")
    prefix += ("--runtime", "runc")  # crun refuses mixed cgroup hierarchies
    engine = Engine("podman", prefix, None)
    state.mkdir()
    # podman raises limits to the highest there is, which a machine without CAP_SYS_RESOURCE refuses
    settings = state / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
    os.environ["CONTAINERS_CONF"] = str(settings)
    tar = scratch / "podman-busybox.tar"
    tar.write_bytes(root_tar())
    try:
        engine.command("import", "-c", "ENV PATH=/bin", str(tar), "busybox")
        yield engine
    finally:
        subprocess.run([*prefix, "rm", "-af", "-t", "0"], check=False, capture_output=True)
        subprocess.run([*prefix, "system", "reset", "-f"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", "cni-podman0"], check=False, capture_output=True)
