"""/build: decode, call, encode."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.errors import message_of, note_failure
from kernel_engine.api.images import auth_of, read_header
from kernel_engine.api.streaming import Joined
from kernel_engine.api.wire import build as wire
from kernel_engine.api.wire.progress import line
from kernel_engine.api.wire.trace import step_json
from kernel_engine.build.errors import BuildFailed
from kernel_engine.errors import InvalidRequest

if TYPE_CHECKING:
    from kernel_engine.images.image import Auth


async def build(call: Call) -> web.StreamResponse:
    """Errors before the first line are the answer's status; later ones are its last line."""
    options = wire.read_options(call, _auth(call.request.headers.get("X-Registry-Config", "")))
    said = _Answer(call)
    try:
        await call.engine.build.build(options, _body(call), said.emit)
    except Exception as error:
        if call.stream is None and not isinstance(error, BuildFailed):
            raise
        note_failure(call.request.method, call.request.path, error)
        await said.emit(wire.error_json(error, message_of(error)))
    finally:
        await said.close()
    assert call.stream is not None
    await call.stream.write_eof()
    return call.stream


async def prune(call: Call) -> web.StreamResponse:
    keep = call.number("keep-storage") or call.number("reserved-space") or 0
    done = await call.engine.build.prune(all=call.flag("all"), filters=call.filters(), keep=max(keep, 0))
    call.engine.events.publish("builder", "prune", "", {"reclaimed": str(done.reclaimed)})
    return answer({"CachesDeleted": list(done.removed) or None, "SpaceReclaimed": done.reclaimed})


async def cancel(call: Call) -> web.StreamResponse:
    call.engine.build.register.cancel(call.text("id"))
    return empty(204)


async def builds(call: Call) -> web.StreamResponse:
    """The builds that the engine remembers, the newest first."""
    return answer([wire.entry_json(entry) for entry in reversed(call.engine.build.register.all())])


async def inspect(call: Call) -> web.StreamResponse:
    return answer(wire.entry_json(call.engine.build.register.get(call.id)))


async def trace(call: Call) -> web.StreamResponse:
    """Kernel calls of all its containers and file steps, in the order of time."""
    entry = call.engine.build.register.get(call.id)
    return answer({"Id": entry.id, "Steps": [step_json(step) for step in entry.trace()]})


async def secrets(call: Call) -> web.StreamResponse:
    """Values for RUN --mount=type=secret, in base64 by id: kept in memory for the one build that names the answer."""
    data = await call.json()
    try:
        values = {str(name): b64decode(str(value), validate=True) for name, value in data.items()}
    except ValueError:
        raise InvalidRequest("a secret is not base64") from None
    return answer({"token": call.engine.build.secrets.keep(values)}, status=201)


class _Answer:
    """Begins with the first line; lines that come without a pause are sent together."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._joined: Joined | None = None

    async def emit(self, value: Mapping[str, Any]) -> None:
        if self._joined is None:
            self._joined = Joined(await self._call.begin())
        await self._joined.write(line(dict(value)))

    async def close(self) -> None:
        if self._joined is not None:
            await self._joined.__aexit__()


async def _body(call: Call) -> AsyncIterator[bytes]:
    async for piece in call.request.content.iter_any():
        yield piece


def _auth(word: str) -> dict[str, Auth]:
    """X-Registry-Config: credentials by registry."""
    data = read_header(word)
    found = {name: auth_of(value) for name, value in data.items()} if isinstance(data, dict) else {}
    return {name: auth for name, auth in found.items() if auth is not None}
