"""/_ping, /version, /info, /events, /auth: the engine as a whole."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from kernel_engine.api import containers, host, images, volumes
from kernel_engine.api.call import Call, answer
from kernel_engine.api.wire.build import build_step_json
from kernel_engine.api.wire.events import event_json
from kernel_engine.api.wire.fields import Fields
from kernel_engine.api.wire.system import info_json, version_json
from kernel_engine.errors import InvalidRequest
from kernel_engine.images.image import Auth

_KINDS = {"container", "image", "volume", "build-cache"}


async def ping(call: Call) -> web.StreamResponse:
    """The words that every client asks first. No Builder-Version header: only the classic builder is offered."""
    response = web.Response(text="" if call.request.method == "HEAD" else "OK")
    response.headers.update({"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"})
    response.headers["Swarm"] = "inactive"
    return response


async def version(call: Call) -> web.StreamResponse:
    return answer(version_json(host.facts()))


async def info(call: Call) -> web.StreamResponse:
    engine = call.engine
    states: dict[str, int] = {}
    for item in engine.containers.list(all=True):
        status = "running" if item.state.status in ("running", "restarting") else item.state.status
        states[status] = states.get(status, 0) + 1
    return answer(
        info_json(
            host.facts(),
            call.version,
            instance_id=engine.instance.id,
            root=str(engine.instance.root),
            states=states,
            images=len(engine.images.list(all=True)),
            mirrors=engine.images.mirrors,
            insecure=engine.images.insecure,
            pool=engine.networks.default.subnet,
            remapped=engine.containers.remapped,
            rootless=engine.containers.rootless,
            no_way_out=engine.networks.no_way_out,
        )
    )


async def disk_usage(call: Call) -> web.StreamResponse:
    """`docker system df`. `type` chooses what is looked at: container, image, volume, build-cache."""
    wanted = set(call.texts("type")) or _KINDS
    if not wanted <= _KINDS:
        raise InvalidRequest(f"unknown object type: {sorted(wanted - _KINDS)[0]}")
    body: dict[str, Any] = {"LayersSize": 0, "Images": None, "Containers": None, "Volumes": None, "BuildCache": None}
    if "image" in wanted:
        body["LayersSize"] = call.engine.images.disk_usage().layers
        body["Images"] = images.rows(call, call.engine.images.list(), counted=True)
    if "container" in wanted:
        body["Containers"] = await containers.rows(call, call.engine.containers.list(all=True), sized=True)
    if "volume" in wanted:
        body["Volumes"] = await volumes.used(call)
    if "build-cache" in wanted:
        body["BuildCache"] = [build_step_json(image, size) for image, size in call.engine.build.spare_steps()]
    return answer(body)


async def auth(call: Call) -> web.StreamResponse:
    """`docker login`: whether a registry takes these credentials. They are not kept here."""
    fields = Fields(await call.json())
    wanted = Auth(
        username=fields.text("username"),
        password=fields.text("password"),
        identity_token=fields.text("identitytoken"),
    )
    await call.engine.images.log_in(fields.text("serveraddress"), wanted)
    return answer({"Status": "Login Succeeded", "IdentityToken": ""})


async def events(call: Call) -> web.StreamResponse:
    since, until = call.moment("since"), call.moment("until")
    if since is not None and until is not None and until < since:
        raise InvalidRequest(f"`since` time ({call.text('since')}) cannot be after `until` time ({call.text('until')})")
    filters = call.filters()
    response = await call.begin()
    async for event in call.engine.events.subscribe(since, until, filters):
        await response.write(json.dumps(event_json(event), ensure_ascii=False).encode() + b"\n")
    await response.write_eof()
    return response
