"""The place of one submission: made before its notebook runs, gone afterwards, apart from everybody else's.

    hold        a container that only waits: its network namespace is the submission's whole network
    engine      an engine of the submission's own, in that namespace, outside every container of it
    kernel      the learner's Python, in a container that has the engine's socket and nothing else of it
    replay      nbval, in a container that hears the kernel and nothing else
    judge       the lab's checks, in a container, when the kernel has ended, or stands still (verdict.py)

The learner's files and the kernel's sockets lie on a file system of fixed size in memory, the engine's on one of fixed
size on disk, so that neither can fill the machine. Everything can be taken away by the place's path alone, also after
the grader was killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_engine.client import APIError, Client
from kernel_engine.paths import DEFAULT_SOCKET
from labs.grading.engines import Engines, Forked
from labs.grading.house import IMAGE, LABEL, LEARNER, House

_MB = 1 << 20
#: how long an engine may take until it answers, on a machine that does much else
_START_SECONDS = 60.0
_CLEANUP_SECONDS = 180
_LOOK_AGAIN = 0.02


class BoothFailed(Exception):
    """A place could not be made: what the machine said. Not the learner's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one submission. `disk` is the engine's (images, containers, volumes), `files` the learner's folder; bytes."""

    memory: int = 768 * _MB
    processors: float = 1.0
    processes: int = 256
    containers: int = 64
    files: int = 256 * _MB
    disk: int = 4096 * _MB
    seconds: float = 1800.0
    cell_seconds: float = 300.0


@dataclass(slots=True, kw_only=True)
class Booth:
    """`place`: /…/NNN. `run` and `root` are the engine's, `work` the learner's, `desk` what replay and judge write."""

    house: House
    place: Path
    limits: Limits
    network: bool = False
    _relay: subprocess.Popen[bytes] | None = None

    @property
    def run(self) -> Path:
        return self.place / "run"

    @property
    def root(self) -> Path:
        return self.place / "root"

    @property
    def work(self) -> Path:
        return self.place / "files" / "work"

    @property
    def wires(self) -> Path:
        return self.place / "files" / "wires"

    @property
    def desk(self) -> Path:
        return self.place / "desk"

    @property
    def engine(self) -> Client:
        return Client(f"unix://{self.run / 'engine.sock'}")

    # what runs --------------------------------------------------------------------------------------------------
    def start(
        self,
        name: str,
        *,
        user: int = LEARNER,
        binds: Sequence[str] = (),
        **host: Any,
    ) -> str:
        """A container of the teacher's engine that only waits, in this booth's network: its id. `host`: more of its
        HostConfig."""
        body = {
            "Image": IMAGE,
            "Cmd": ["/usr/bin/sleep", "infinity"],
            "User": f"{user}:{user}",
            "Labels": {LABEL: str(self.place)},
            "HostConfig": {
                "Binds": [*self.house.binds(judge=name == "judge"), *binds],
                "NetworkMode": f"container:{self._name('hold')}",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "PidsLimit": self.limits.processes,
                "Memory": self.limits.memory,
                "NanoCpus": int(self.limits.processors * 1e9),
                "Tmpfs": {"/tmp": f"size={self.limits.files // 4},mode=1777"},
                "OomScoreAdj": 500,
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
                **host,
            },
        }
        made = self.house.engine.post("/containers/create", query={"name": self._name(name)}, body=body).json()["Id"]
        self.house.engine.post(f"/containers/{made}/start").close()
        return str(made)

    def run_in(
        self,
        container: str,
        program: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path = Path("/"),
    ) -> Forked:
        """A function (MODULE:NAME) in a container that waits: with the container's own rights, and gone when it is."""
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin"
        told = {"PATH": path, "LANG": "C.UTF-8", **environment}
        return self.house.engines.enter(self._pid(container), program, words, environment=told, folder=folder)

    def _pid(self, container: str) -> int:
        return int(self.house.engine.get(f"/containers/{container}/json").json()["State"]["Pid"])

    def kill(self, container: str) -> None:
        """Also what it has started. No error when it has ended."""
        with contextlib.suppress(APIError):
            self.house.engine.delete(f"/containers/{container}", query={"force": "1", "v": "1"}).close()

    def _name(self, role: str) -> str:
        return f"grading-{os.path.basename(self.place.parent)}-{self.place.name}-{role}"

    # how it is made ---------------------------------------------------------------------------------------------
    def lay(self) -> None:
        """Raises BoothFailed, APIError."""
        self.place.mkdir(mode=0o711)
        for folder in (self.run, self.run / "servers", self.desk, self.place / "files"):
            folder.mkdir(mode=0o711)
        options = f"size={self.limits.files},nr_inodes=20000,mode=0755,nosuid,nodev"
        _must("mount", "-t", "tmpfs", "-o", options, "grading", str(self.place / "files"))
        for folder in (self.work, self.wires):
            folder.mkdir(mode=0o755)
            os.chown(folder, LEARNER, LEARNER)
        network = "bridge" if self.network else "none"
        pid = self._pid(self.start("hold", NetworkMode=network, Memory=32 * _MB, PidsLimit=8))
        self._open_hub(pid)
        self._start_engine(pid)

    def _open_hub(self, pid: int) -> None:
        """The offline hub at its usual address, in a network that has nothing else."""
        doors = [f"{port}={path}" for port, path in self.house.mirrors.items()]
        if not doors:
            return
        command = ["nsenter", f"--net={_network(pid)}", sys.executable, "-P", "-m", "labs.grading.relay", *doors]
        self._relay = subprocess.Popen(command, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._relay.stdout is not None
        if not self._relay.stdout.readline():
            raise BoothFailed("the way to the hub could not be opened")

    def _start_engine(self, pid: int) -> None:
        """In the hold's network namespace, on this machine's file system."""
        words = ["serve", "--root", str(self.root), "--run", str(self.run), *engine_options(self)]
        for port in self.house.mirrors:
            words += ["--registry-mirror", f"http://127.0.0.1:{port}"]
        log = self.place / "engine.log"
        daemon = self.house.engines.start(words, log, _network(pid))
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and daemon.wait(0) is None:
            with contextlib.suppress(Exception):
                self.engine.get("/_ping").close()
                return
            time.sleep(_LOOK_AGAIN)
        raise BoothFailed(f"the engine did not start: {log.read_text(errors='replace')[-800:]}")

    def close(self) -> None:
        """The way to the hub; `clear` does the rest."""
        if self._relay is None:
            return
        with self._relay as relay:  # closes its pipes, which is what it ends by
            relay.terminate()


def _network(pid: int) -> str:
    return f"/proc/{pid}/ns/net"


def engine_options(booth: Booth) -> tuple[str, ...]:
    """What makes the engine of a submission a restricted one: its containers come to nothing of this machine but the
    learner's folder, and have limits all together."""
    limits = booth.limits
    return (
        *("--restrict", "--restrict-binds", str(booth.work), "--own-network", "--socket-user", str(LEARNER)),
        *("--limit-memory", str(limits.memory), "--limit-cpus", f"{limits.processors:g}"),
        *(("--limit-disk", str(limits.disk)) if limits.disk else ()),
        *("--limit-pids", str(limits.processes), "--limit-containers", str(limits.containers)),
    )


#: where a submission's kernel finds its engine: where a learner's is
SOCKET = DEFAULT_SOCKET


def engine_binds(booth: Booth) -> tuple[str, ...]:
    """Its socket, and where the sockets of servers appear that it is asked to make: all else there is root's alone."""
    servers = booth.run / "servers"
    return f"{booth.run / 'engine.sock'}:{SOCKET}", f"{servers}:{servers}:ro"


@contextmanager
def booth(house: House, name: str, limits: Limits, *, network: bool = False) -> Iterator[Booth]:
    """Raises BoothFailed, APIError; whatever happens, nothing of it is left."""
    made = Booth(house=house, place=house.place / name, limits=limits, network=network)
    clear(house.engine, house.engines, made.place)
    try:
        try:
            made.lay()
        except (OSError, subprocess.SubprocessError) as error:
            raise BoothFailed(str(error)) from error
        yield made
    finally:
        made.close()
        clear(house.engine, house.engines, made.place)


def interrupt(engine: Client, house: Path) -> None:
    """Ends what runs in all places of a house."""
    for row in engine.get("/containers/json", query={"filters": f'{{"label": ["{LABEL}"]}}'}).json():
        if Path(row["Labels"][LABEL]).parent == house and not row["Names"][0].endswith("-hold"):
            with contextlib.suppress(APIError):
                engine.delete(f"/containers/{row['Id']}", query={"force": "1"}).close()


def clear(engine: Client, engines: Engines, place: Path) -> None:
    """What a booth left, also one whose grader was killed. Raises BoothFailed when something stays."""
    if not place.exists():
        return
    query = {"all": "1", "filters": f'{{"label": ["{LABEL}={place}"]}}'}
    rows = engine.get("/containers/json", query=query).json()
    hold = [row["Id"] for row in rows if row["Names"][0].endswith("-hold")]
    for row in rows:
        if row["Id"] not in hold:
            engine.delete(f"/containers/{row['Id']}", query={"force": "1", "v": "1"}).close()
    _end_engine(engine, engines, place, hold)
    for container in hold:
        engine.delete(f"/containers/{container}", query={"force": "1", "v": "1"}).close()
    if os.path.ismount(place / "files"):
        _must("umount", "-l", str(place / "files"))
    shutil.rmtree(place)


def _end_engine(engine: Client, engines: Engines, place: Path, hold: Sequence[str]) -> None:
    """By its own command, in its network while that is there."""
    if not (place / "run").exists() and not (place / "root").exists():
        return
    pids = [engine.get(f"/containers/{container}/json").json()["State"]["Pid"] for container in hold]
    words = ["cleanup", "--root", str(place / "root"), "--run", str(place / "run"), "--all"]
    log = place / "cleanup.log"
    code = engines.start(words, log, _network(pids[0]) if pids and pids[0] else "").wait(_CLEANUP_SECONDS)
    if code != 0:
        raise BoothFailed(f"kernel-engine cleanup ({code}): {log.read_text(errors='replace').strip()[-800:]}")


def _must(*words: str, seconds: float = 60) -> None:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=seconds, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BoothFailed(f"{words[0]}: {error}") from error
    if done.returncode:
        raise BoothFailed(f"{' '.join(words[:2])}: {done.stderr.strip()[-800:]}")
