"""docker cp and docker export: a container's files as archives, whether it runs or not.

A worker process does it, which sees what the container sees (`archive_worker.py`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from kernel_engine.containers.house import House
from kernel_engine.containers.mounting import whole_source
from kernel_engine.containers.record import Container
from kernel_engine.containers.roster import Live
from kernel_engine.errors import Conflict, EngineError, Forbidden, NotFound
from kernel_engine.workers.feeding import feed

_JOBS = "kernel_engine.containers.archive_worker"
_READ = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStat:
    """What Docker tells of a path in a container."""

    name: str
    size: int
    mode: int  #: st_mode (inode(7))
    mtime: int  #: nanoseconds since the epoch
    target: str  #: of a symbolic link: the path that it ends at


async def stat(house: House, live: Live, path: str) -> PathStat:
    """NotFound with Docker's text."""
    path = absolute(path)
    live.must_be_free()
    async with live.lock:
        try:
            order = {"view": _view(house, live.record), "path": path}
            return PathStat(**await house.workers.run(f"{_JOBS}:stat_path", order))
        except NotFound:
            raise _missing(live.record, path) from None


async def read(house: House, live: Live, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
    """What is at `path`, as an archive of its last name. NotFound before the first byte."""
    path = absolute(path)
    _refuse_folders(house, live.record, path)
    told: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def said(words: dict[str, Any]) -> None:
        if not told.done():
            told.set_result(words["stat"])

    pieces = _pieces(house, live, "pack_path", {"path": path}, said, told)
    try:
        first = await anext(pieces)
    except NotFound:
        raise _missing(live.record, path) from None
    house.announce(live, "archive-path", path=path)
    return PathStat(**await told), _joined(first, pieces)


def export(house: House, live: Live) -> AsyncIterator[bytes]:
    """The whole file system, without what is mounted in it."""
    if live.record.state.status in ("removing", "dead"):
        raise Conflict(f"You cannot export container {live.record.id} which is being removed")
    house.announce(live, "export")
    return _pieces(house, live, "pack_root", {}, lambda words: None, None)


async def write(
    house: House, live: Live, path: str, source: AsyncIterator[bytes], *, keep_kinds: bool, as_user: bool
) -> None:
    """Unpacks an archive into the directory `path`. NotFound, InvalidRequest, Forbidden (read-only), CorruptData."""
    record = live.record
    _refuse_folders(house, record, absolute(path))
    order = {
        "path": absolute(path),
        "container": record.id,
        "keep_kinds": keep_kinds,
        "user": record.config.user if as_user else "",
        "read_only": record.config.host.read_only,
        "writable": [point.destination for point in record.mounts if not point.read_only]
        + list(record.config.host.tmpfs),
    }
    reading, writing = os.pipe2(os.O_CLOEXEC)
    feeding = asyncio.ensure_future(feed(source, writing))
    try:
        live.must_be_free()
        async with live.lock:
            await house.workers.run(f"{_JOBS}:unpack_into", {**order, "view": _view(house, record)}, (reading,))
        await feeding
    finally:
        os.close(reading)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    house.announce(live, "extract-to-dir", path=path)


def absolute(path: str) -> str:
    """Docker takes `etc/x` for `/etc/x`; what the end says (`/`, `/.`) is kept."""
    end = "/." if path.endswith("/.") else "/" if path.endswith("/") else ""
    whole = os.path.normpath(f"/{path}").replace("//", "/")
    return whole if whole == "/" else f"{whole}{end}"


def _refuse_folders(house: House, record: Container, path: str) -> None:
    """Forbidden for what this machine's root would read or write in somebody's folder: only a container that runs has
    a root of its own to do it."""
    if house.restriction is None or record.state.running:
        return
    for point in record.mounts:
        if point.type == "bind" and f"{path}/".startswith(f"{point.destination}/"):
            raise Forbidden(
                f"this engine is restricted: {point.destination} can be copied while the container runs only"
            )


def _view(house: House, record: Container) -> dict[str, Any]:
    if record.state.running and record.state.pid:
        return {"pid": record.state.pid}
    plan = house.snapshots.rootfs(record.id)
    hidden = ("tmpfs",) if house.restriction is None else ("tmpfs", "bind")
    binds = [[whole_source(point), point.destination] for point in record.mounts if point.type not in hidden]
    overlay = {"base": str(plan.base), "data": plan.data(), "target": str(plan.target)}
    return {"overlay": overlay, "binds": [pair for pair in binds if os.path.exists(pair[0])]}


async def _pieces(
    house: House, live: Live, job: str, order: dict[str, Any], said: Any, told: asyncio.Future[Any] | None
) -> AsyncIterator[bytes]:
    """What a packing job writes, as it comes; its error is raised at the end, or before the first piece."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    reader = asyncio.StreamReader(limit=_READ)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
    )

    async def work() -> None:
        live.must_be_free()
        async with live.lock:
            view = _view(house, live.record)
            await house.workers.run(f"{_JOBS}:{job}", {**order, "view": view}, (writing,), on_said=said)

    working = asyncio.ensure_future(work())
    working.add_done_callback(lambda _: os.close(writing))
    try:
        while piece := await reader.read(_READ):
            yield piece
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        transport.close()
        if told is not None and not told.done():
            told.cancel()


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _missing(record: Container, path: str) -> EngineError:
    return NotFound(f"Could not find the file {path} in container {record.id}")
