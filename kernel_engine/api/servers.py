"""/kernel-engine/servers…: other servers beside this one, each an engine with an address of its own."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.wire.fields import Fields
from kernel_engine.formats.times import rfc3339
from kernel_engine.servers.server import Server


async def list_(call: Call) -> web.StreamResponse:
    """`Address`: this machine's own in the servers' network, "" where there is none."""
    servers = call.engine.servers.all()
    return answer(
        {
            "Address": servers[0].gateway.partition("/")[0] if servers else "",
            "Servers": [_server_json(call, server) for server in servers],
        }
    )


async def create(call: Call) -> web.StreamResponse:
    fields = Fields(await call.json())
    server = await call.engine.servers.create(fields.text("Name"), plain_http=fields.flag("PlainHTTP"))
    return answer(_server_json(call, server), 201)


async def inspect(call: Call) -> web.StreamResponse:
    return answer(_server_json(call, call.engine.servers.find(call.id)))


async def remove(call: Call) -> web.StreamResponse:
    await call.engine.servers.remove(call.id)
    return empty()


def _server_json(call: Call, server: Server) -> dict[str, Any]:
    place = call.engine.servers.place(server)
    return {
        "Name": server.name,
        "Address": server.address,
        "Gateway": server.gateway.partition("/")[0],
        "Host": f"unix://{place.socket}",
        "State": call.engine.servers.state(server),
        "Created": rfc3339(int(server.created * 1e9)),
        "PlainHTTP": server.plain_http,
    }
