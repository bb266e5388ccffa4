"""/kernel-engine/servers…: other servers beside this one, each an engine with an address of its own."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.wire.fields import Fields
from kernel_engine.containers.restriction import refused
from kernel_engine.formats.times import rfc3339
from kernel_engine.servers.server import Server
from kernel_engine.servers.servers import Servers


def _servers(call: Call) -> Servers:
    """Forbidden on a restricted engine: another server would not be restricted."""
    if call.engine.restriction is not None:
        raise refused("making other servers")
    return call.engine.servers


async def list_(call: Call) -> web.StreamResponse:
    """`Address`: this machine's own in the servers' network, "" where there is none."""
    servers = _servers(call).all()
    return answer(
        {
            "Address": servers[0].gateway.partition("/")[0] if servers else "",
            "Servers": [_server_json(call, server) for server in servers],
        }
    )


async def create(call: Call) -> web.StreamResponse:
    fields = Fields(await call.json())
    server = await _servers(call).create(fields.text("Name"), plain_http=fields.flag("PlainHTTP"))
    return answer(_server_json(call, server), 201)


async def inspect(call: Call) -> web.StreamResponse:
    return answer(_server_json(call, _servers(call).find(call.id)))


async def remove(call: Call) -> web.StreamResponse:
    await _servers(call).remove(call.id)
    return empty()


def _server_json(call: Call, server: Server) -> dict[str, Any]:
    place = _servers(call).place(server)
    return {
        "Name": server.name,
        "Address": server.address,
        "Gateway": server.gateway.partition("/")[0],
        "Host": f"unix://{place.socket}",
        "State": _servers(call).state(server),
        "Created": rfc3339(int(server.created * 1e9)),
        "PlainHTTP": server.plain_http,
    }
