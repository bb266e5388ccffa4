"""The three engines, each started on state of its own with one busybox image, behind the same few verbs."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUSYBOX = "/bin/busybox"


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


def _root_tar() -> bytes:
    """A root of one static busybox and its links."""
    if not os.access(BUSYBOX, os.X_OK):
        raise Unavailable(f"{BUSYBOX} (package busybox-static)")
    names = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        archive.add(BUSYBOX, "bin/busybox")
        for name in names:
            if name != "busybox":
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(entry)
    return buffer.getvalue()


@contextlib.contextmanager
def _registry() -> Iterator[str]:
    """A registry of one image, for an engine that only pulls: its address."""
    layer = _root_tar()
    packed = gzip.compress(layer, mtime=0)
    config = json.dumps(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
            "os": "linux",
            "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created_by": "busybox"}],
        }
    ).encode()
    docker = "application/vnd.docker.distribution.manifest.v2+json"

    def descriptor(data: bytes, kind: str) -> dict[str, Any]:
        return {"mediaType": kind, "size": len(data), "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": docker,
            "config": descriptor(config, "application/vnd.docker.container.image.v1+json"),
            "layers": [descriptor(packed, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
        }
    ).encode()
    blobs = {f"sha256:{hashlib.sha256(data).hexdigest()}": data for data in (config, packed, manifest)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, data = "application/octet-stream", b"{}"
            last = self.path.rpartition("/")[2]
            if "/manifests/" in self.path:
                kind, data = docker, manifest
            elif "/blobs/" in self.path:
                data = blobs[last]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(data).hexdigest()}")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, *words: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


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


@contextlib.contextmanager
def kernel_engine(scratch: Path) -> Iterator[Engine]:
    root, run = scratch / "ke-root", scratch / "ke-run"
    base = [sys.executable, "-m", "kernel_engine.daemon"]
    places = ["--root", str(root), "--run", str(run)]
    path = run / "engine.sock"
    docker = Path(sys.executable).with_name("docker")
    prefix = (str(docker),) if docker.exists() else (sys.executable, "-m", "kernel_engine.cli.main")
    with _registry() as mirror:
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
        tar.write_bytes(_root_tar())
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
    tar.write_bytes(_root_tar())
    try:
        engine.command("import", "-c", "ENV PATH=/bin", str(tar), "busybox")
        yield engine
    finally:
        subprocess.run([*prefix, "rm", "-af", "-t", "0"], check=False, capture_output=True)
        subprocess.run([*prefix, "system", "reset", "-f"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", "cni-podman0"], check=False, capture_output=True)
