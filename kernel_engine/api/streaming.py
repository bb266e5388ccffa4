"""Answers that go on: many small writes joined into few, and progress lines with their errors inside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kernel_engine.api.call import Call
from kernel_engine.api.errors import message_of, note_failure, status_of
from kernel_engine.api.wire import progress as wire

if TYPE_CHECKING:
    from kernel_engine.images.image import Progress

Report = Callable[["Progress | Mapping[str, Any]"], None]

_CHUNK = 64 * 1024
#: lines that were waiting and are still sent one by one
_APART = 32


class Joined:
    """Joins what is written without a pause between. `async with Joined(response) as out: await out.write(…)`."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._buffer = bytearray()
        self._ready = asyncio.Event()
        self._sending = asyncio.Lock()
        self._task = asyncio.get_running_loop().create_task(self._flush_when_idle())

    async def __aenter__(self) -> Joined:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._flush()

    async def write(self, data: bytes) -> None:
        self._buffer += data
        self._ready.set()
        if len(self._buffer) >= _CHUNK:
            await self._flush()
            await asyncio.sleep(0)  # a long log must not hold the loop

    async def _flush_when_idle(self) -> None:
        """Runs when the writer has nothing more at once: whoever writes without waiting keeps this task waiting."""
        while True:
            await self._ready.wait()
            await self._flush()

    async def _flush(self) -> None:
        async with self._sending:
            self._ready.clear()
            data, self._buffer = self._buffer, bytearray()
            if data:
                await self._response.write(data)


async def stream_progress(call: Call, work: Callable[[Report], Awaitable[list[dict[str, Any]]]]) -> web.StreamResponse:
    """Runs `work(report)`; what it returns is written last. Errors before the first line are the answer's status."""
    lines = _Lines()
    task = asyncio.ensure_future(work(lines.report))
    task.add_done_callback(lines.end)
    try:
        while (pieces := await lines.next()) is not None:
            response = call.stream or await call.begin()
            for piece in pieces:
                await response.write(piece)
    except BaseException:
        task.cancel()  # the client has left: Docker gives up, too
        await asyncio.gather(task, return_exceptions=True)
        raise
    if call.stream is None:
        last = await task
        response = await call.begin()
    else:
        response, last = call.stream, await _last_lines(call, task)
    for item in last:
        await response.write(wire.line(item))
    await response.write_eof()
    return response


async def _last_lines(call: Call, task: asyncio.Future[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return await task
    except Exception as error:
        note_failure(call.request.method, call.request.path, error)
        return [wire.error_json(message_of(error), status_of(error))]


class _Lines:
    """Progress on its way to a client that may be slow: a newer report of the same thing replaces one not yet sent."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], bytes] = {}
        self._numbers = count()
        self._ready = asyncio.Event()
        self._ended = False

    def report(self, item: Progress | Mapping[str, Any]) -> None:
        """A mapping is a line as it is, and none replaces it."""
        if isinstance(item, Mapping):
            self._waiting[("", str(next(self._numbers)))] = wire.line(dict(item))
        else:
            self._waiting[(item.id, item.status)] = wire.line(wire.progress_json(item))
        self._ready.set()

    def end(self, _: object) -> None:
        self._ended = True
        self._ready.set()

    async def next(self) -> list[bytes] | None:
        """What has come since the last time; None when there will be no more.

        A line is a chunk of the answer, as Docker flushes it: docker-py hands out chunks. Many lines are one chunk.
        """
        while not self._waiting and not self._ended:
            await self._ready.wait()
            self._ready.clear()
        pieces = [*self._waiting.values()]
        self._waiting.clear()
        return ([b"".join(pieces)] if len(pieces) > _APART else pieces) or None
