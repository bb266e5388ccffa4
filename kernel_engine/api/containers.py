"""/containers: decode, call, encode. Attach is in `hijack.py`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from kernel_engine.api import networks
from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.wire import container as wire
from kernel_engine.api.wire.create import read_create, read_update
from kernel_engine.api.wire.network import endpoints_json
from kernel_engine.containers.record import Container
from kernel_engine.errors import InvalidRequest, NotFound
from kernel_engine.formats.filters import read_prune, refuse_unknown

if TYPE_CHECKING:
    from kernel_engine.containers.roster import Condition

PRUNE_FILTERS = frozenset({"label", "label!", "until"})
_CONDITIONS = ("not-running", "next-exit", "removed")


async def create(call: Call) -> web.StreamResponse:
    options = read_create(await call.json())
    if not options.image:
        raise InvalidRequest("no image specified")
    container_id, warnings = await call.engine.containers.create(
        options, call.text("name").removeprefix("/") or None, platform=call.text("platform")
    )
    return answer({"Id": container_id, "Warnings": list(warnings)}, 201)


async def list_(call: Call) -> web.StreamResponse:
    limit = call.number("limit") or 0
    found = call.engine.containers.list(all=call.flag("all"), limit=max(limit, 0), filters=call.filters())
    return answer(await rows(call, found, sized=call.flag("size")))


async def rows(call: Call, items: tuple[Container, ...], *, sized: bool) -> list[dict[str, Any]]:
    """As `docker ps` shows them; `sized` looks at each writable layer."""
    return [
        wire.summary_json(
            item,
            image=_image_words(call, item),
            networks=_networks(call, item),
            other_names=call.engine.containers.other_names(item),
            sizes=await _sizes(call, item) if sized else None,
        )
        for item in items
    ]


def _image_words(call: Call, item: Container) -> str:
    """The image's name as the user wrote it; its id once the name means another image."""
    try:
        still = call.engine.images.get(item.image_name).id == item.image_id
    except (NotFound, InvalidRequest):
        still = False
    return item.image_name if still else item.image_id


def _networks(call: Call, item: Container) -> dict[str, Any]:
    return endpoints_json(item, partial(networks.id_of, call.engine))


async def _sizes(call: Call, item: Container) -> tuple[int, int] | None:
    try:
        return await call.engine.containers.sizes(item.id)
    except NotFound:
        return None  # removed while the list was made


async def inspect(call: Call) -> web.StreamResponse:
    item = call.engine.containers.get(call.id)
    return answer(
        wire.inspect_json(
            item,
            call.version,
            exec_ids=call.engine.containers.execs_of(item.id),
            networks=_networks(call, item),
            links=call.engine.containers.links(item),
            directories=call.engine.containers.directories(item.id),
            sizes=await call.engine.containers.sizes(item.id) if call.flag("size") else None,
        )
    )


async def start(call: Call) -> web.StreamResponse:
    await call.engine.containers.start(call.id)
    return empty()


async def stop(call: Call) -> web.StreamResponse:
    await call.engine.containers.stop(call.id, call.number("t"), call.text("signal"))
    return empty()


async def restart(call: Call) -> web.StreamResponse:
    await call.engine.containers.restart(call.id, call.number("t"), call.text("signal"))
    return empty()


async def kill(call: Call) -> web.StreamResponse:
    await call.engine.containers.kill(call.id, call.text("signal"))
    return empty()


async def pause(call: Call) -> web.StreamResponse:
    await call.engine.containers.pause(call.id)
    return empty()


async def unpause(call: Call) -> web.StreamResponse:
    await call.engine.containers.unpause(call.id)
    return empty()


async def rename(call: Call) -> web.StreamResponse:
    await call.engine.containers.rename(call.id, call.text("name").removeprefix("/"))
    return empty()


async def update(call: Call) -> web.StreamResponse:
    warnings = await call.engine.containers.update(call.id, read_update(await call.json()))
    return answer({"Warnings": list(warnings) or None})


async def remove(call: Call) -> web.StreamResponse:
    if call.flag("link"):
        await call.engine.containers.remove_link(call.id)
        return empty()
    await call.engine.containers.remove(call.id, force=call.flag("force"), volumes=call.flag("v"))
    return empty()


async def wait(call: Call) -> web.StreamResponse:
    """The header is sent as soon as the wait stands, so that a client may start the container after it."""
    condition = call.text("condition") or "not-running"
    if condition not in _CONDITIONS:
        raise InvalidRequest(f'invalid condition: "{condition}"')
    ended = call.engine.containers.begin_wait(call.id, cast("Condition", condition))
    try:
        response = await call.begin()
        result = await ended
    finally:
        ended.cancel()  # the client has left
    body: dict[str, Any] = {"StatusCode": result.exit_code}
    if result.error:
        body["Error"] = {"Message": result.error}
    await response.write_eof(cast("bytes", answer(body).body))  # and the end of it, in one packet
    return response


async def resize(call: Call) -> web.StreamResponse:
    rows, columns = terminal_size(call)
    await call.engine.containers.resize(call.id, rows, columns)
    return empty(200)


def terminal_size(call: Call) -> tuple[int, int]:
    rows, columns = call.number("h"), call.number("w")
    if rows is None or columns is None or not (0 <= rows <= 65535 and 0 <= columns <= 65535):
        raise InvalidRequest("invalid resize height or width: numbers from 0 to 65535 are expected")
    return rows, columns


async def changes(call: Call) -> web.StreamResponse:
    found = await call.engine.containers.changes(call.id)
    return answer([{"Path": item.path, "Kind": item.kind} for item in found] or None)


async def top(call: Call) -> web.StreamResponse:
    titles, rows = await call.engine.containers.top(call.id, call.text("ps_args"))
    return answer({"Titles": list(titles), "Processes": [list(row) for row in rows]})


async def prune(call: Call) -> web.StreamResponse:
    """Removes what is stopped: by label and age, as `docker container prune` asks."""
    filters = call.filters()
    refuse_unknown(filters, PRUNE_FILTERS)
    removed, freed = await call.engine.containers.prune(read_prune(filters))
    return answer({"ContainersDeleted": list(removed) or None, "SpaceReclaimed": freed})
