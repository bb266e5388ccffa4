"""/volumes: decode, call, encode. /plugins, of which there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.wire.fields import Fields
from kernel_engine.api.wire.volume import volume_json
from kernel_engine.errors import Conflict, NotFound
from kernel_engine.formats.filters import all_labels, flag, pattern, read_prune, refuse_unknown
from kernel_engine.storage.volumes import Volume

_FILTERS = frozenset({"dangling", "driver", "label", "name"})
_PRUNE_FILTERS = frozenset({"label", "label!", "all"})
#: since this version a prune spares volumes that somebody has named
_SPARING = (1, 42)


async def list_(call: Call) -> web.StreamResponse:
    filters = call.filters()
    refuse_unknown(filters, _FILTERS)
    kept = [item for item in call.engine.volumes.all() if _fits(call, item, filters)]
    return answer({"Volumes": [_json(call, item) for item in kept], "Warnings": None})


async def inspect(call: Call) -> web.StreamResponse:
    return answer(_json(call, call.engine.volumes.get(call.name)))


async def create(call: Call) -> web.StreamResponse:
    fields = Fields(await call.json(optional=True))
    if call.engine.restriction is not None:
        call.engine.restriction.check_volume(fields.mapping("DriverOpts"))
    volume, new = await call.engine.volumes.create(
        fields.text("Name"),
        driver=fields.text("Driver"),
        labels=fields.mapping("Labels"),
        options=fields.mapping("DriverOpts"),
    )
    if new:
        _announce(call, "create", volume.name)
    return answer(_json(call, volume), 201)


async def remove(call: Call) -> web.StreamResponse:
    try:
        call.engine.volumes.get(call.name)
    except NotFound:
        if call.flag("force"):
            return empty()
        raise
    users = call.engine.containers.using_volume(call.name)
    if users:
        raise Conflict(f"remove {call.name}: volume is in use - [{', '.join(users)}]")
    await call.engine.volumes.remove(call.name)
    _announce(call, "destroy", call.name)
    return empty()


async def prune(call: Call) -> web.StreamResponse:
    """Volumes that no container has; from API 1.42 on only those without a name, unless `all` is asked for."""
    filters = call.filters()
    refuse_unknown(filters, _PRUNE_FILTERS)
    wanted, everything = read_prune(filters), flag(filters, "all") or call.version < _SPARING
    removed, freed = [], 0
    for volume in call.engine.volumes.all():
        if call.engine.containers.using_volume(volume.name) or not (everything or volume.anonymous):
            continue
        if not wanted.takes(created=volume.created, labels=volume.labels):
            continue
        freed += await asyncio.to_thread(call.engine.volumes.size, volume.name)
        await call.engine.volumes.remove(volume.name)
        _announce(call, "destroy", volume.name)
        removed.append(volume.name)
    call.engine.events.publish("volume", "prune", "", {"reclaimed": str(freed)})
    return answer({"VolumesDeleted": removed or None, "SpaceReclaimed": freed})


async def used(call: Call) -> list[dict[str, Any]]:
    """For `docker system df`: each with its size and how many containers have it."""
    found = []
    for volume in call.engine.volumes.all():
        size = await asyncio.to_thread(call.engine.volumes.size, volume.name)
        usage = (size, len(call.engine.containers.using_volume(volume.name)))
        found.append(volume_json(volume, str(call.engine.volumes.path(volume.name)), usage))
    return found


def _json(call: Call, volume: Volume) -> dict[str, Any]:
    return volume_json(volume, str(call.engine.volumes.path(volume.name)), None)


def _announce(call: Call, action: str, name: str) -> None:
    call.engine.events.publish("volume", action, name, {"driver": "local"})


def _fits(call: Call, item: Volume, filters: Mapping[str, tuple[str, ...]]) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "name": lambda word: pattern("name", word).search(item.name) is not None,
        "driver": lambda word: word == "local",
    }
    dangling = flag(filters, "dangling")
    if dangling is not None and dangling == bool(call.engine.containers.using_volume(item.name)):
        return False
    if not all_labels(item.labels, filters.get("label", ())):
        return False
    return all(any(test(word) for word in filters[key]) for key, test in tests.items() if filters.get(key))


async def list_plugins(call: Call) -> web.StreamResponse:
    return answer([])


async def inspect_plugin(call: Call) -> web.StreamResponse:
    """`docker inspect` asks this last, for a name that nothing has."""
    raise NotFound(f'plugin "{call.name}" not found')
