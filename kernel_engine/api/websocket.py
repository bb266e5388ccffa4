"""GET /containers/{id}/attach/ws: attach for browsers (RFC 6455). What comes is sent as it is, without frames of ours,
both streams in one; what is sent is standard input."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import WSMsgType, web

from kernel_engine.api.call import Call
from kernel_engine.containers.options import AttachOptions
from kernel_engine.errors import InvalidRequest

_PIECE = 64 * 1024


async def attach(call: Call) -> web.StreamResponse:
    """The log writer gets one end of a pair of sockets, as it gets a client's connection elsewhere."""
    container = call.engine.containers.check_attach(call.id)
    response = web.WebSocketResponse()
    if not response.can_prepare(call.request):
        raise InvalidRequest("not websocket protocol: this path is for a WebSocket handshake (RFC 6455)")
    options = AttachOptions(
        stream=call.flag("stream"),
        logs=call.flag("logs"),
        stdin=call.flag("stdin"),
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        detach_keys=call.text("detachKeys"),
    )
    call.stream = response
    await response.prepare(call.request)
    ours, theirs = socket.socketpair()
    with ours:
        for end in (ours, theirs):
            end.setblocking(False)
        outward = asyncio.create_task(_send(ours, response))
        try:
            await call.engine.containers.attach(container.id, options, theirs, multiplexed=False, leftover=b"")
            await _receive(ours, response)
            if not response.closed:
                await outward
        finally:
            outward.cancel()
            await asyncio.gather(outward, return_exceptions=True)
    return response


async def _send(ours: socket.socket, response: web.WebSocketResponse) -> None:
    """What the container says, until it has ended; then the end of the conversation."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(ours, _PIECE):
        await response.send_bytes(data)
    await response.close()


async def _receive(ours: socket.socket, response: web.WebSocketResponse) -> None:
    """What the client says, until one of both ends it. A container that reads no more is no reason to stop."""
    loop = asyncio.get_running_loop()
    async for message in response:
        if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
            data = message.data if isinstance(message.data, bytes) else message.data.encode()
            try:
                await loop.sock_sendall(ours, data)
            except OSError:
                pass
