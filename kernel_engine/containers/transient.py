"""One program in a container that nobody keeps: a step of a build. Its output is heard, its files are looked at, then
it is gone, whatever happened.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernel_engine.containers.create import create_transient
from kernel_engine.containers.house import House
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.containers.record import WaitResult
from kernel_engine.containers.remove import remove
from kernel_engine.containers.roster import Live
from kernel_engine.containers.spec import Provisions
from kernel_engine.containers.start import start
from kernel_engine.errors import Conflict, NotFound

if TYPE_CHECKING:
    from kernel_engine.images.image import Image

_HEADER = struct.Struct(">BxxxI")
_READ = 1 << 16
_NOTHING = Provisions()

#: number of the stream (1 stdout, 2 stderr) and bytes
Output = Callable[[int, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A program that has ended, while its container is still there."""

    container_id: str
    exit_code: int
    oom_killed: bool
    upper: Path  #: what it changed, in overlayfs's format; may be taken away


@asynccontextmanager
async def ran(
    house: House,
    options: ContainerOptions,
    image: Image | None,
    *,
    provisions: Provisions = _NOTHING,
    on_created: Callable[[str], Awaitable[None]],
    on_output: Output,
) -> AsyncIterator[Ran]:
    """Runs to the end; inside the block its files are still there. `options` are complete (`create_transient`).

    on_output: called in order; the program is held up while it runs. A cancelled caller's program is killed.
    """
    live = await create_transient(house, options, image, provisions)
    starting: asyncio.Task[None] | None = None
    try:
        await on_created(live.record.id)
        future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        live.waiting.append(("not-running", future))
        mine, theirs = socket.socketpair()
        with mine:
            with theirs:
                await house.log_writer.attach(
                    live.record.id, theirs, stdin=False, stdout=True, stderr=True, multiplexed=True
                )
            starting = house.later(start(house, live))
            await asyncio.shield(starting)  # a start is not cut in half: what runs then is killed below
            await _hear(mine, on_output)
        result = await future
        yield Ran(
            container_id=live.record.id,
            exit_code=result.exit_code,
            oom_killed=live.record.state.oom_killed,
            upper=house.snapshots.upper(live.record.id),
        )
    finally:
        await asyncio.shield(house.later(_end(house, live, starting)))


async def _end(house: House, live: Live, starting: asyncio.Task[None] | None) -> None:
    if starting is not None:
        await asyncio.wait((starting,))
    if house.roster.by_id(live.record.id) is not None:
        with suppress(Conflict, NotFound):  # somebody else is removing it
            await remove(house, live, force=True)


async def _hear(end: socket.socket, on_output: Output) -> None:
    """Docker's multiplexed frames, to the end of the stream."""
    loop = asyncio.get_running_loop()
    end.setblocking(False)
    waiting = bytearray()
    while data := await loop.sock_recv(end, _READ):
        waiting += data
        while len(waiting) >= _HEADER.size:
            stream, size = _HEADER.unpack_from(waiting)
            if len(waiting) < _HEADER.size + size:
                break
            payload = bytes(waiting[_HEADER.size : _HEADER.size + size])
            del waiting[: _HEADER.size + size]
            await on_output(stream, payload)
