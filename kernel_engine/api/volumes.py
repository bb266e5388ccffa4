"""/volumes and /plugins, as far as they are served: no volume, no plugin."""

from __future__ import annotations

from aiohttp import web

from kernel_engine.api.call import Call, answer
from kernel_engine.errors import NotFound


async def list_(call: Call) -> web.StreamResponse:
    return answer({"Volumes": [], "Warnings": None})


async def inspect(call: Call) -> web.StreamResponse:
    raise NotFound(f"get {call.name}: no such volume")


async def list_plugins(call: Call) -> web.StreamResponse:
    return answer([])


async def inspect_plugin(call: Call) -> web.StreamResponse:
    """`docker inspect` asks this last, for a name that nothing has."""
    raise NotFound(f'plugin "{call.name}" not found')
