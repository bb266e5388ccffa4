"""GET /containers/{id}/stats: decode, call, encode."""

from __future__ import annotations

import json

from aiohttp import web

from kernel_engine.api.call import Call, answer
from kernel_engine.api.wire.stats import stats_json
from kernel_engine.errors import InvalidRequest


async def stats(call: Call) -> web.StreamResponse:
    """A stream of one object a second; with stream=false one object, counted over a second unless one-shot is set."""
    following, at_once = call.flag("stream", default=True), call.flag("one-shot")
    if following and at_once:
        raise InvalidRequest("cannot have stream=true and one-shot=true")
    item = call.engine.containers.get(call.id)
    found = call.engine.containers.stats(item.id)
    before = None
    response = await call.begin() if following else None
    async for now in found:
        if response is not None:
            line = json.dumps(stats_json(now, before), separators=(",", ":")).encode() + b"\n"
            await response.write(line)
        elif before is not None or at_once or now.usage is None:
            return answer(stats_json(now, before))
        before = now
    if response is None:
        return answer(stats_json(before, None)) if before is not None else answer({})
    await response.write_eof()
    return response
