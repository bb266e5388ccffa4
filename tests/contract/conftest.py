"""The API on a socket of its own, over an engine that only remembers: for what HTTP itself does.

What containers do is asserted against a real daemon (`daemon` of tests/conftest.py).
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kernel_engine.api.server import Api
from kernel_engine.containers.events import Events
from kernel_engine.containers.options import AttachOptions, ContainerOptions, ExecOptions
from kernel_engine.containers.record import Container, Exec, State, WaitResult
from kernel_engine.errors import Conflict, CorruptData, NotFound
from kernel_engine.images.image import Auth, Progress, PushResult
from kernel_engine.paths import Instance


def container(name: str, *, tty: bool = False) -> Container:
    return Container(
        id="c" * 63 + ("1" if tty else "0"),
        name=name,
        created=1700000000.0,
        image_id="sha256:" + "a" * 64,
        image_name="busybox",
        config=ContainerOptions(image="busybox", tty=tty, open_stdin=True),
        state=State(status="running", pid=1, started_at=1700000001.0),
        path="cat",
        args=(),
    )


@dataclass
class Handed:
    """What the doors gave to the engine together with a client's socket."""

    options: AttachOptions | None
    multiplexed: bool
    leftover: bytes
    extra: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """Answers with what it was given, and echoes a taken socket: `leftover`, then all until the client's EOF."""

    def __init__(self) -> None:
        self.handed: list[Handed] = []
        self.created: list[tuple[ContainerOptions, str | None, str]] = []
        self.started = threading.Event()
        self.cancelled = threading.Event()
        self.finished = threading.Event()
        self.waits: list[asyncio.Future[WaitResult]] = []

    def _find(self, reference: str) -> Container:
        if reference == "missing":
            raise NotFound("No such container: missing")
        return container(reference, tty=reference == "tty")

    def get(self, reference: str) -> Container:
        return self._find(reference)

    def check_attach(self, reference: str) -> Container:
        if reference == "paused":
            raise Conflict("Container paused is paused, unpause the container before attach.")
        return self._find(reference)

    async def attach(
        self, reference: str, options: AttachOptions, client: socket.socket, *, multiplexed: bool, leftover: bytes
    ) -> None:
        self.handed.append(Handed(options, multiplexed, leftover))
        await self._echo(client, leftover)

    def check_start_exec(self, exec_id: str) -> Exec:
        if exec_id == "missing":
            raise NotFound("No such exec instance: missing")
        return Exec(id=exec_id, container_id="c", options=ExecOptions(command=("cat",), tty=exec_id == "tty"))

    async def start_exec(self, exec_id: str, **words: Any) -> None:
        client, leftover = words.pop("client", None), words.pop("leftover", b"")
        self.handed.append(Handed(None, words.pop("multiplexed", True), leftover, words))
        if client is not None:
            await self._echo(client, leftover)

    async def _echo(self, client: socket.socket, leftover: bytes) -> None:
        loop = asyncio.get_running_loop()
        with client:
            await loop.sock_sendall(client, b"<" + leftover)
            while data := await loop.sock_recv(client, 65536):
                await loop.sock_sendall(client, data)
            await loop.sock_sendall(client, b">")

    async def create(
        self, options: ContainerOptions, name: str | None, *, platform: str
    ) -> tuple[str, tuple[str, ...]]:
        self.created.append((options, name, platform))
        return "c" * 64, ("be careful",)

    async def start(self, reference: str) -> None:
        """Slow, to see what becomes of it when its client leaves."""
        self.started.set()
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.finished.set()

    def begin_wait(self, reference: str, condition: str) -> asyncio.Future[WaitResult]:
        self._find(reference)
        future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        self.waits.append(future)
        return future

    async def stop(self, reference: str, timeout: int | None, signal: str) -> None:
        self._find(reference)

    async def kill(self, reference: str, signal: str) -> None:
        raise RuntimeError("a mistake of ours")


class Puller:
    """`images` of an engine: each name is a course of events."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Auth | None]] = []
        self.cancelled = threading.Event()

    def get(self, reference: str) -> Any:
        raise NotFound(f"No such image: {reference}")

    async def pull(
        self, reference: str, *, platform: str, auth: Auth | None, progress: Callable[[Progress], None]
    ) -> Any:
        self.asked.append((reference, platform, auth))
        if reference == "missing:latest":
            raise NotFound("pull access denied for missing")
        progress(Progress(status="Pulling from library/x", id="latest"))
        try:
            await asyncio.sleep(60 if reference == "endless:latest" else 0.01)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        for current in range(0, 5000, 10):
            progress(Progress(status="Downloading", id="abc", current=current, total=5000))
        if reference == "broken:latest":
            raise CorruptData("filesystem layer verification failed for digest sha256:abc")
        progress(Progress(status="Pull complete", id="abc"))
        progress(Progress(status="Status: Downloaded newer image for x:latest"))
        return SimpleNamespace(labels={})

    async def push(self, reference: str, *, auth: Auth | None, progress: Callable[[Progress], None]) -> PushResult:
        progress(Progress(status=f"The push refers to repository [{reference}]"))
        return PushResult(tag="latest", digest="sha256:1", size=7)

    async def push_all(
        self,
        repository: str,
        *,
        auth: Auth | None,
        progress: Callable[[Progress], None],
        pushed: Callable[[PushResult], None],
    ) -> None:
        progress(Progress(status=f"The push refers to repository [{repository}]"))
        for tag in ("1", "2"):
            progress(Progress(status=f"{tag}: digest: sha256:{tag} size: 7"))
            pushed(PushResult(tag=tag, digest=f"sha256:{tag}", size=7))

    async def pull_all(self, repository: str, **more: Any) -> tuple[Any, ...]:
        self.asked.append((f"all of {repository}", more["platform"], more["auth"]))
        return ()


class NoVolumes:
    """`volumes` of an engine that has none."""

    def get(self, name: str) -> Any:
        raise NotFound(f"get {name}: no such volume")


@dataclass
class RecordingEngine:
    instance: Instance
    containers: Recorder
    images: Puller
    volumes: NoVolumes = field(default_factory=NoVolumes)
    events: Events = field(default_factory=Events)
    restriction: None = None


@dataclass
class Door:
    """A served API: its socket's path, and what its engine was asked."""

    path: str
    loop: asyncio.AbstractEventLoop
    asked: Recorder
    images: Puller


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    instance = Instance.at(tmp_path / "root", tmp_path / "run")
    instance.run.mkdir()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(instance.socket))
    recorder = Recorder()
    engine = RecordingEngine(instance, recorder, Puller())
    api = asyncio.run_coroutine_threadsafe(Api.serve(cast(Any, engine), listener), loop).result(10)
    try:
        yield Door(str(instance.socket), loop, recorder, engine.images)
    finally:
        asyncio.run_coroutine_threadsafe(api.close(grace=1), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
