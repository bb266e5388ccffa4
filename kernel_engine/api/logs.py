"""GET /containers/{id}/logs: framed or raw, old lines and new ones."""

from __future__ import annotations

from aiohttp import web

from kernel_engine.api.call import Call
from kernel_engine.api.hijack import MULTIPLEXED, RAW
from kernel_engine.api.streaming import Joined
from kernel_engine.containers.attach import frame
from kernel_engine.containers.options import LogOptions
from kernel_engine.errors import InvalidRequest


async def logs(call: Call) -> web.StreamResponse:
    options = LogOptions(
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        follow=call.flag("follow"),
        since=call.moment("since") or 0.0,
        until=call.moment("until") or 0.0,
        tail=_tail(call.text("tail")),
    )
    if not (options.stdout or options.stderr):
        raise InvalidRequest("Bad parameters: you must choose at least one stream")
    container = call.engine.containers.get(call.id)
    lines = call.engine.containers.logs(container.id, options)
    multiplexed, timestamps = not container.config.tty, call.flag("timestamps")
    response = await call.begin(MULTIPLEXED if multiplexed and call.version >= (1, 42) else RAW)
    async with Joined(response) as out:
        async for item in lines:
            data = f"{item.time} ".encode() + item.data if timestamps else item.data
            await out.write(frame(item.stream, data) if multiplexed else data)
    await response.write_eof()
    return response


def _tail(word: str) -> int | None:
    """A number of lines; anything else means all, as Docker reads it."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 12 else None
