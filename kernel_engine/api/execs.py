"""/exec: create, inspect, resize. Start is in `hijack.py`."""

from __future__ import annotations

from aiohttp import web

from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.containers import terminal_size
from kernel_engine.api.wire.execs import exec_json, read_exec


async def create(call: Call) -> web.StreamResponse:
    return answer({"Id": call.engine.containers.create_exec(call.id, read_exec(await call.json()))}, 201)


async def inspect(call: Call) -> web.StreamResponse:
    return answer(exec_json(call.engine.containers.get_exec(call.id)))


async def resize(call: Call) -> web.StreamResponse:
    rows, columns = terminal_size(call)
    await call.engine.containers.resize_exec(call.id, rows, columns)
    return empty(200)
