"""`engine.containers`: what the doors call. Each verb lives in a file of its own; here they only meet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kernel_engine.containers import (
    archive,
    execs,
    links,
    listing,
    mounting,
    networking,
    pause,
    processes,
    remove,
    start,
    stepwise,
    stop,
    xray,
)
from kernel_engine.containers import attach as attaching
from kernel_engine.containers import commit as committing
from kernel_engine.containers import create as creating
from kernel_engine.containers import prune as pruning
from kernel_engine.containers import stats as sampling
from kernel_engine.containers import update as updating
from kernel_engine.containers.first_turn import said
from kernel_engine.containers.house import House
from kernel_engine.containers.listening import Listener, listeners
from kernel_engine.containers.logs import LogLine, read_logs
from kernel_engine.containers.options import (
    AttachOptions,
    CommitOptions,
    ContainerOptions,
    EndpointOptions,
    ExecOptions,
    HostOptions,
    LogOptions,
)
from kernel_engine.containers.record import Container, Exec, WaitResult
from kernel_engine.containers.roster import Condition, Live
from kernel_engine.errors import Conflict, InvalidRequest, NotFound
from kernel_engine.formats.filters import Prune
from kernel_engine.runtime.terminal import Waiting, until_waiting
from kernel_engine.syscalls.trace import Step

if TYPE_CHECKING:
    from kernel_engine.containers.stepping import Stepping
    from kernel_engine.images.image import Image
    from kernel_engine.network.network import Network
    from kernel_engine.storage.changes import Change
    from kernel_engine.storage.origins import Origin


class Containers:
    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def remapped(self) -> bool:
        """Whether containers' users are others on this machine."""
        return self._house.ids is not None

    @property
    def rootless(self) -> bool:
        """Whether the engine is an ordinary user's."""
        return self._house.instance.rootless

    def _live(self, reference: str) -> Live:
        return self._house.roster.find(reference)

    def get(self, reference: str) -> Container:
        return self._live(reference).record

    def list(
        self, *, all: bool = False, limit: int = 0, filters: Mapping[str, tuple[str, ...]] | None = None
    ) -> tuple[Container, ...]:
        """Newest first; `limit` > 0 means the last so many, whatever their state."""
        return listing.select(
            (
                live.record
                for live in self._house.roster.all()
                if live.record.state.running or not live.record.transient
            ),
            all=all,
            limit=limit,
            filters=filters or {},
            resolve=self.get,
            same_image=self._made_from,
        )

    def using_image(self, image_id: str) -> tuple[Container, ...]:
        """Every container, running or not, that stands on this image."""
        return tuple(live.record for live in self._house.roster.all() if live.record.image_id == image_id)

    def using_volume(self, name: str) -> tuple[str, ...]:
        """Ids of the containers, running or not, that have this volume."""
        return mounting.users(self._house, name)

    # its life ---------------------------------------------------------------------------------------------------
    async def create(
        self, options: ContainerOptions, name: str | None, *, platform: str = ""
    ) -> tuple[str, tuple[str, ...]]:
        """The new id and warnings. platform: what the image must be for, "" = whatever it is."""
        live, warnings = await creating.create(self._house, options, name, platform)
        return live.record.id, warnings

    async def start(self, reference: str) -> None:
        await start.start(self._house, self._live(reference))

    async def step(self, reference: str, patience: float, *, provisional: bool) -> Stepping:
        """A start that stands still before each kernel call. NotModified when it runs, Conflict when it is under way.

        patience: seconds that one stop may last; provisional: giving it up removes the container.
        """
        return await stepwise.begin(self._house, self._live(reference), patience, provisional=provisional)

    def stepped(self, reference: str) -> Stepping:
        """The start that is under way. Conflict where there is none."""
        live = self._live(reference)
        if live.stepping is None:
            raise Conflict(f"container {live.record.name} is not being started step by step")
        return live.stepping

    async def look_around(self, reference: str) -> stepwise.View:
        """Where such a start stands, and what the kernel says of both sides at this moment. Conflict as above."""
        return await stepwise.look_around(self._house, self._live(reference), self.stepped(reference))

    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        await stop.stop(self._house, self._live(reference), timeout, signal)

    async def kill(self, reference: str, signal: str = "") -> None:
        await stop.kill(self._house, self._live(reference), signal)

    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        live = self._live(reference)
        if live.record.state.running:
            await stop.stop(self._house, live, timeout, signal)
        await start.start(self._house, live)
        self._house.announce(live, "restart")

    async def pause(self, reference: str) -> None:
        await pause.pause(self._house, self._live(reference))

    async def unpause(self, reference: str) -> None:
        await pause.unpause(self._house, self._live(reference))

    async def rename(self, reference: str, name: str) -> None:
        live = self._live(reference)
        if not name:
            raise InvalidRequest("Neither old nor new names may be empty")
        live.must_be_free()
        async with live.lock:
            old = await self._house.roster.rename(live, name)
        self._house.announce(live, "rename", oldName=f"/{old}")

    async def update(self, reference: str, wanted: HostOptions) -> tuple[str, ...]:
        """Other limits, another restart policy. Warnings."""
        return await updating.update(self._house, self._live(reference), wanted)

    async def remove(self, reference: str, *, force: bool = False, volumes: bool = False) -> None:
        """volumes: those without a name go too."""
        await remove.remove(self._house, self._live(reference), force=force, volumes=volumes)

    async def remove_link(self, reference: str) -> None:
        """ "web/database": what `--link db:database` gave to web."""
        await links.remove_link(self._house, reference)

    def links(self, record: Container) -> tuple[str, ...]:
        """ "/db:/web/database", as it is called now."""
        return links.shown_links(self._house, record)

    def other_names(self, record: Container) -> tuple[str, ...]:
        """ "web/database": its names for those that are linked to it."""
        return links.names_by_links(self._house, record)

    async def prune(self, wanted: Prune) -> tuple[tuple[str, ...], int]:
        """Ids of those that went, and the bytes that they had written."""
        return await pruning.prune(self._house, wanted)

    # its networks -----------------------------------------------------------------------------------------------
    async def connect(self, reference: str, network: Network, options: EndpointOptions) -> None:
        await networking.connect(self._house, self._live(reference), network, options)

    async def disconnect(self, reference: str, network: Network, *, force: bool = False) -> None:
        await networking.disconnect(self._house, self._live(reference), network, force=force)

    async def remove_network(self, network: Network) -> None:
        """Forbidden while a container is on it."""
        await networking.remove(self._house, network)

    def begin_wait(self, reference: str, condition: Condition = "not-running") -> asyncio.Future[WaitResult]:
        """Registered when this returns, so that an HTTP header can be sent before the container is started."""
        live = self._live(reference)
        future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        if condition == "not-running" and not live.record.state.running:
            future.set_result(WaitResult(exit_code=live.record.state.exit_code, error=live.record.state.error))
        else:
            live.waiting.append((condition, future))
        return future

    # its streams ------------------------------------------------------------------------------------------------
    def logs(self, reference: str, options: LogOptions) -> AsyncIterator[LogLine]:
        live = self._live(reference)
        if live.record.config.host.log.driver == "none":
            raise Conflict("configured logging driver does not support reading")
        lines = read_logs(Path(live.record.log_path), options, ended=lambda: not live.record.state.running)
        return lines if options.follow else self._after_first_turn(live, lines)

    async def _after_first_turn(self, live: Live, lines: AsyncIterator[LogLine]) -> AsyncIterator[LogLine]:
        await said(self._house, live.record)
        async for line in lines:
            yield line

    def check_attach(self, reference: str) -> Container:
        live = self._live(reference)
        attaching.check_attach(live)
        return live.record

    async def attach(
        self, reference: str, options: AttachOptions, client: socket.socket, *, multiplexed: bool, leftover: bytes = b""
    ) -> None:
        await attaching.attach(
            self._house, self._live(reference), options, client, multiplexed=multiplexed, leftover=leftover
        )

    async def resize(self, reference: str, rows: int, columns: int) -> None:
        live = self._live(reference)
        execs.check_running(live)
        await self._house.log_writer.resize(live.record.id, rows, columns)
        self._house.announce(live, "resize", height=str(rows), width=str(columns))

    async def terminal_waiting(
        self, reference: str, *, timeout: float, mark: str | None = None, exec_id: str = ""
    ) -> Waiting:
        """When the program in the terminal's foreground waits for input, or has ended, or the time is up."""
        live = self._live(reference)
        running = execs.get_exec(self._house, exec_id).record if exec_id else None
        pid, streams = (running.pid, running.id) if running else (live.record.state.pid, live.record.id)
        if not pid:
            return Waiting(waiting=False, running=False, mark="")
        settled = partial(self._house.log_writer.settled, streams)
        return await until_waiting(pid, timeout=timeout, since=mark or None, settled=settled)

    # exec -------------------------------------------------------------------------------------------------------
    def create_exec(self, reference: str, options: ExecOptions) -> str:
        return execs.create_exec(self._house, self._live(reference), options).id

    def get_exec(self, exec_id: str) -> Exec:
        return execs.get_exec(self._house, exec_id).record

    def execs_of(self, container_id: str) -> tuple[str, ...]:
        items = self._house.execs.items()
        return tuple(key for key, item in items if item.record.container_id == container_id and item.record.running)

    def check_start_exec(self, exec_id: str) -> Exec:
        return execs.check_start(self._house, exec_id).record

    async def start_exec(
        self,
        exec_id: str,
        *,
        detach: bool = False,
        tty: bool = False,
        client: socket.socket | None = None,
        multiplexed: bool = True,
        leftover: bytes = b"",
        rows: int = 0,
        columns: int = 0,
    ) -> None:
        await execs.start_exec(
            self._house,
            execs.get_exec(self._house, exec_id).record.id,
            detach=detach,
            tty=tty,
            client=client,
            multiplexed=multiplexed,
            leftover=leftover,
            rows=rows,
            columns=columns,
        )

    async def resize_exec(self, exec_id: str, rows: int, columns: int) -> None:
        running = execs.get_exec(self._house, exec_id)
        if not running.record.running:
            raise Conflict(f"Exec {exec_id} is not running")
        await self._house.log_writer.resize(running.record.id, rows, columns)

    # what it holds ----------------------------------------------------------------------------------------------
    async def changes(self, reference: str) -> tuple[Change, ...]:
        live = self._live(reference)
        return await asyncio.to_thread(self._house.snapshots.changes, live.record.id)

    async def sizes(self, reference: str) -> tuple[int, int]:
        """Bytes in the writable layer, and with all the image's layers."""
        record = self._live(reference).record
        writable = await asyncio.to_thread(self._house.snapshots.size, record.id)
        try:
            return writable, writable + self._house.images.get(record.image_id).size
        except NotFound:
            return writable, writable

    def directories(self, reference: str) -> dict[str, str] | None:
        """Where its file system lies, as Docker's inspect tells it (GraphDriver.Data); None where it is removed."""
        container_id = self._live(reference).record.id
        there = self._house.snapshots.has(container_id)
        return self._house.snapshots.directories(container_id) if there else None

    async def stat_path(self, reference: str, path: str) -> archive.PathStat:
        return await archive.stat(self._house, self._live(reference), path)

    async def read_archive(self, reference: str, path: str) -> tuple[archive.PathStat, AsyncIterator[bytes]]:
        return await archive.read(self._house, self._live(reference), path)

    async def write_archive(
        self, reference: str, path: str, source: AsyncIterator[bytes], *, keep_kinds: bool, as_user: bool
    ) -> None:
        await archive.write(self._house, self._live(reference), path, source, keep_kinds=keep_kinds, as_user=as_user)

    def export(self, reference: str) -> AsyncIterator[bytes]:
        return archive.export(self._house, self._live(reference))

    async def commit(self, options: CommitOptions) -> Image:
        return await committing.commit(self._house, self._live(options.container), options)

    async def top(self, reference: str, ps_args: str = "") -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """Titles and rows, as `ps` prints them on the host."""
        live = self._live(reference)
        execs.check_running(live)
        found = await processes.top(self._house, live.record.id, live.record.state.pid, ps_args)
        self._house.announce(live, "top")
        return found

    def stats(self, reference: str) -> AsyncIterator[sampling.Sample]:
        """What it uses, now and every second, until it is removed."""
        return sampling.samples(self._house, self._live(reference))

    def listeners(self, reference: str) -> tuple[Listener, ...]:
        """On which ports it waits for others; empty for one that does not run."""
        pid = self._live(reference).record.state.pid
        return listeners(pid) if pid else ()

    async def xray(self, reference: str) -> xray.Xray:
        """What the kernel says of a running container at this moment. Conflict where it does not run."""
        live = self._live(reference)
        execs.check_running(live)
        return await asyncio.to_thread(xray.look, self._house, live.record)

    async def origins(self, reference: str, path: str) -> tuple[Origin, ...]:
        """Which layer each name in a directory comes from; NotFound where no layer has such a directory."""
        record = self._live(reference).record
        return await asyncio.to_thread(xray.origins, self._house, record, path)

    def trace(self, reference: str, *, end: bool = False) -> tuple[Step, ...]:
        """The kernel calls of the last start, or of the last end; also of a container that was removed lately."""
        traces = self._house.traces
        try:
            container_id = self._live(reference).record.id
        except NotFound:
            found = traces.find(reference)
            if found is None:
                raise
            container_id = found
        return traces.end(container_id) if end else traces.recent(container_id)

    def _made_from(self, record: Container, word: str) -> bool:
        """`--filter ancestor=`: the container's own image, or one that it was made from here."""
        try:
            wanted = self._house.images.get(word).id
            mine = record.image_id
            while mine and mine != wanted:
                mine = self._house.images.get(mine).parent
        except NotFound:
            return False
        return mine == wanted
