"""/kernel-engine/containers/{id}/steps: a start that stands still before each kernel call: decode, call, encode.

POST begins it and answers with one line of JSON for each stop, then one for the end; who closes that answer gives the
start up. POST …/next goes on, GET looks around, DELETE gives up.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.wire.steps import stop_json, view_json
from kernel_engine.containers.stepping import ASKED, CLIENT_LEFT, PATIENCE, Stepping
from kernel_engine.errors import InvalidRequest

_LONGEST = 3600.0


async def begin(call: Call) -> web.StreamResponse:
    patience = call.moment("patience") or PATIENCE
    if not 0 < patience <= _LONGEST:
        raise InvalidRequest(f"patience: more than 0 and at most {_LONGEST:.0f} seconds")
    stepping = await call.engine.containers.step(call.id, patience, provisional=call.flag("remove"))
    try:
        response = await call.begin()
        async for stop in stepping.stops():
            await response.write(_line({"Stop": stop_json(stop)}))
        await response.write(_line(_end(stepping)))
        await response.write_eof()
    finally:
        stepping.give_up(CLIENT_LEFT)  # nothing where it is over
    return response


async def look(call: Call) -> web.StreamResponse:
    return answer(view_json(await call.engine.containers.look_around(call.id)))


async def go_on(call: Call) -> web.StreamResponse:
    """`after`: the number of the stop that is meant, so that two clicks are one; `to=end`: without a stop any more."""
    to = call.text("to", "next")
    if to not in ("next", "end"):
        raise InvalidRequest("to: next or end")
    call.engine.containers.stepped(call.id).go_on(call.number("after"), to_the_end=to == "end")
    return empty(204)


async def give_up(call: Call) -> web.StreamResponse:
    """Answers when nothing of the start is left."""
    stepping = call.engine.containers.stepped(call.id)
    stepping.give_up(ASKED)
    await stepping.over.wait()
    return empty(204)


def _end(stepping: Stepping) -> dict[str, Any]:
    if stepping.error is None:
        return {"Started": True}
    return {"Error": stepping.error.message, "GivenUp": stepping.given_up}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
