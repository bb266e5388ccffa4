"""A real dockerd on state of its own, for tests and benchmarks that hold ours against it.

It touches nothing of the machine's network: it runs in a namespace of its own, without internet, or without a bridge.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class Unavailable(Exception):
    """dockerd, or what it needs, is not on this machine."""


@dataclass(frozen=True, slots=True)
class Dockerd:
    """A running dockerd, its command line of the same installation, and its release, for example (20, 10, 24)."""

    command: tuple[str, ...]  #: the command and its global options
    socket: Path
    version: tuple[int, ...]
    builders: tuple[str, ...]  #: `classic`, and `buildkit` where the command line can ask for it
    environment: Mapping[str, str] = field(default_factory=dict)

    def docker(self, *words: str, input: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.command, *words],
            input=input,
            capture_output=True,
            env={**os.environ, **self.environment, **environment},
            check=False,
        )


def installed() -> tuple[Path, Path]:
    """dockerd and docker of one installation."""
    daemon = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if daemon is None:
        raise Unavailable("dockerd is not installed (package docker.io)")
    client = Path(daemon).parent.parent / "bin" / "docker"
    if not client.exists():
        raise Unavailable(f"{client} is not installed (package docker-cli)")
    return Path(daemon), client


@contextlib.contextmanager
def running(state: Path, *, bridge: bool = True) -> Iterator[Dockerd]:
    """Everything of it lies below `state` and is gone afterwards.

    bridge: False is for one that reaches registries on this machine's loopback, and has no network for containers.
    """
    daemon, client = installed()
    state.mkdir(parents=True, exist_ok=True)
    address, log = state / "docker.sock", state / "dockerd.log"
    alone = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "dockerd"]
    arguments = [*alone, str(daemon)] if bridge else [str(daemon), "--bridge=none"]
    arguments += ["--data-root", str(state / "data"), "--exec-root", str(state / "exec"), "-p", str(state / "pid")]
    arguments += ["-H", f"unix://{address}", "--iptables=false", "--storage-driver=overlay2"]
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output, start_new_session=True)
    try:
        _await(address, process, log)
        yield _described(client, address, state)
    finally:
        _end(process, state)


def _await(address: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(address))
            return
        time.sleep(0.05)
    raise Unavailable(f"dockerd does not start: {log.read_text()[-500:]}")


def _described(client: Path, address: Path, state: Path) -> Dockerd:
    plugins = client.parent.parent / "libexec" / "docker" / "cli-plugins"
    (state / "client").mkdir(exist_ok=True)
    (state / "client" / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(plugins)]}))
    environment = {"DOCKER_CONFIG": str(state / "client"), "BUILDX_CONFIG": str(state / "client")}
    command = (str(client), "-H", f"unix://{address}")
    words = subprocess.run(
        [*command, "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=True
    )
    version = tuple(int(word) for word in words.stdout.partition("+")[0].strip().split("."))
    integrated = version < (23,)
    builders = ("classic", "buildkit") if integrated or (plugins / "docker-buildx").exists() else ("classic",)
    return Dockerd(command, address, version, builders, environment)


def _end(process: subprocess.Popen[bytes], state: Path) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
    # what a killed dockerd leaves: its containerd, and the mount of its data
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((state / "exec" / "containerd" / "containerd.pid").read_text()), signal.SIGKILL)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{state}/")]):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    shutil.rmtree(state, ignore_errors=True)
