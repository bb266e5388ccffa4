"""docker save, load, import, export and cp: archives through the door, as streams both ways."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kernel_engine.api.call import Call
from kernel_engine.api.streaming import Report, stream_progress
from kernel_engine.api.wire.container import path_stat_json
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats import reference as references
from kernel_engine.formats.dockerfile.changes import apply_changes
from kernel_engine.images import sites

if TYPE_CHECKING:
    from kernel_engine.containers.archive import PathStat
    from kernel_engine.images.image import Progress

TAR = "application/x-tar"


async def save(call: Call) -> web.StreamResponse:
    """GET /images/get?names=…&names=… and GET /images/{name}/get."""
    words = (call.name,) if "name" in call.parameters else call.texts("names")
    words = tuple(word for text in words for word in text.split(",") if word)
    pieces = call.engine.images.save(words)
    return await _stream(call, await anext(pieces), pieces, {})


async def export(call: Call) -> web.StreamResponse:
    """GET /containers/{id}/export."""
    pieces = call.engine.containers.export(call.id)
    return await _stream(call, await anext(pieces), pieces, {})


async def stat(call: Call) -> web.StreamResponse:
    """HEAD /containers/{id}/archive?path=…"""
    found = await call.engine.containers.stat_path(call.id, _path(call))
    return web.Response(headers=_stat_header(found))


async def read(call: Call) -> web.StreamResponse:
    """GET /containers/{id}/archive?path=…"""
    found, pieces = await call.engine.containers.read_archive(call.id, _path(call))
    return await _stream(call, await anext(pieces), pieces, _stat_header(found))


async def write(call: Call) -> web.StreamResponse:
    """PUT /containers/{id}/archive?path=…: the body is unpacked there."""
    await call.engine.containers.write_archive(
        call.id,
        _path(call),
        call.request.content.iter_any(),
        keep_kinds=call.flag("noOverwriteDirNonDir"),
        as_user=call.flag("copyUIDGID"),
    )
    return web.Response(status=200)


def _path(call: Call) -> str:
    path = call.text("path")
    if not path:
        raise InvalidRequest("missing parameter: path")
    return path


def _stat_header(found: PathStat) -> dict[str, str]:
    words = json.dumps(path_stat_json(found), separators=(",", ":")).encode()
    return {"X-Docker-Container-Path-Stat": base64.b64encode(words).decode()}


async def _stream(call: Call, first: bytes, rest: AsyncIterator[bytes], headers: dict[str, str]) -> web.StreamResponse:
    """`first` has come already: what can go wrong has gone wrong before it."""
    response = await call.begin(TAR, headers)
    await response.write(first)
    async for piece in rest:
        await response.write(piece)
    await response.write_eof()
    return response


async def load(call: Call) -> web.StreamResponse:
    """POST /images/load: the archive is the body. Docker answers 200 in any case: what is wrong is a line."""

    async def work(report: Report) -> list[dict[str, Any]]:
        heard: Callable[[Progress], None] = _nobody if call.flag("quiet") else report
        async for item in call.engine.images.load(call.request.content.iter_any(), progress=heard):
            for name, owner in item.losers:
                text = f"The image {name.familiar} already exists, renaming the old one with ID {owner} to empty string"
                report({"stream": f"{text}\n"})
            for name in item.names:
                report({"stream": f"Loaded image: {name.familiar}\n"})
                call.engine.events.publish("image", "load", item.image.id, {"name": name.familiar})
            if not item.names:
                report({"stream": f"Loaded image ID: {item.image.id}\n"})
                call.engine.events.publish("image", "load", item.image.id, {"name": item.image.id})
        return []

    await call.begin()
    return await stream_progress(call, work)


def _nobody(progress: Progress) -> None:
    """--quiet."""


async def import_(call: Call) -> web.StreamResponse:
    """POST /images/create?fromSrc=-|URL: a tar of a root file system."""
    source, repository, tag = call.text("fromSrc"), call.text("repo"), call.text("tag")
    name = f"{repository}:{tag}" if repository and tag else repository
    if name:
        references.parse(name)  # before anything is read
    config = apply_changes(
        {}, tuple(line for text in call.texts("changes") for line in text.split("\n") if line.strip())
    )
    comment = call.text("message") or f"Imported from {source}"

    async def work(report: Report) -> list[dict[str, Any]]:
        pieces = call.request.content.iter_any() if source == "-" else _download(source, report)
        image = await call.engine.images.import_(
            pieces, config=config, comment=comment, platform=call.text("platform"), name=name
        )
        call.engine.events.publish("image", "import", image.id, {"name": name or image.id})
        return [{"status": image.id}]

    return await stream_progress(call, work)


async def _download(url: str, report: Report) -> AsyncIterator[bytes]:
    url = url if "://" in url else f"http://{url}"
    report({"status": f"Downloading from {url}"})
    async with sites.get(url) as response:
        async for piece in response.content.iter_any():
            yield piece
