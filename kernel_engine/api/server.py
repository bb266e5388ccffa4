"""The API on a listening unix socket: connections go through `front`, ordinary requests through the route table."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.web_server import Server as HttpServer

from kernel_engine.api import hijack, routes
from kernel_engine.api.call import COMMON_HEADERS, JSON, Call
from kernel_engine.api.connection import Connection, Listener
from kernel_engine.api.errors import body_of, message_of, note_failure, status_of
from kernel_engine.api.front import Front, Ordinary, Taken
from kernel_engine.api.operations import Operations
from kernel_engine.api.tcp import Certificates, TcpAddress, TcpDoor
from kernel_engine.api.versions import split_path

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from kernel_engine.engine import Engine


class Api:
    """`await Api.serve(engine, socket)`; `await api.close()`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._http = HttpServer(self._answer, handler_cancellation=True)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listener: Listener | None = None
        self._door: TcpDoor | None = None
        self._operations = Operations()

    @classmethod
    async def serve(cls, engine: Engine, listener: socket.socket) -> Api:
        """`listener` is bound; the API closes it."""
        api = cls(engine)
        api._listener = Listener(listener, api._front)
        return api

    def _front(self) -> Front:
        return Front(self._http, self._take)

    def open_tcp(self, places: tuple[TcpAddress, ...], certificates: Certificates | None) -> None:
        """Serves on TCP too; nothing to do for no places. EngineError."""
        if not places:
            return
        self._door = TcpDoor(certificates, self._let_in)
        for place in places:
            self._door.open(place)

    def _let_in(self, accepted: socket.socket) -> None:
        Connection(accepted, self._front())

    async def close(self, grace: float = 5.0) -> None:
        """No new connections; what is under way may take `grace` seconds to end, then it is cut off."""
        if self._listener is not None:
            self._listener.close()
        if self._door is not None:
            await self._door.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        await self._http.shutdown(timeout=0.1)

    # ordinary requests ------------------------------------------------------------------------------------------
    async def _answer(self, request: BaseRequest) -> web.StreamResponse:
        call: Call | None = None
        if isinstance(request.protocol, Ordinary):
            request.protocol.expect_no_more(request)
        try:
            version, path = split_path(request.path)
            route, parameters = routes.find(request.method, path)
            call = Call(self._engine, request, version, parameters, self._operations)
            with self._operations.of(request.method, path):
                work = route.handler(call)
                response = await (work if route.watches else asyncio.shield(self._keep(work)))
        except Exception as error:
            if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
                raise  # the client has left
            response = self._error(request, call, error)
        if not response.prepared:
            response.headers.update(COMMON_HEADERS)
            response.force_close()
        return response

    def _error(self, request: BaseRequest, call: Call | None, error: BaseException) -> web.StreamResponse:
        status = status_of(error)
        note_failure(request.method, request.path, error)
        if call is not None and call.stream is not None:
            # the answer has begun as a success: cut, so that nobody takes it for a whole one
            if request.transport is not None:
                request.transport.abort()
            return call.stream
        if status == 304 or request.method == "HEAD":
            return web.Response(status=status)
        return web.Response(status=status, body=body_of(message_of(error), error), content_type=JSON)

    # hijacked ones ----------------------------------------------------------------------------------------------
    def _take(self, taken: Taken) -> None:
        self._keep(self._hijacked(taken))

    async def _hijacked(self, taken: Taken) -> None:
        try:
            with self._operations.of(taken.head.method, taken.head.path):
                await hijack.serve(self._engine, taken)
        except Exception as error:
            note_failure(taken.head.method, taken.head.path, error)
            taken.fail(error)

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """As a task of its own that goes on to its end even where its client leaves: nothing stays half-done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the client that would have read it may be gone
