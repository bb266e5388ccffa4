"""/networks, /volumes and /plugins, as far as they are served: three networks, no volume, no plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from kernel_engine.api.call import Call, answer
from kernel_engine.api.wire.network import Network, fixed_network, network_json, network_name
from kernel_engine.errors import NotFound
from kernel_engine.formats.filters import refuse_unknown

if TYPE_CHECKING:
    from kernel_engine.engine import Engine

_FILTERS = frozenset({"id", "name", "driver", "type", "scope", "label", "dangling"})


def all_networks(engine: Engine) -> tuple[Network, ...]:
    bridge = engine.bridge
    default = Network(
        id=bridge.network_id,
        name="bridge",
        driver="bridge",
        subnet=str(bridge.subnet),
        gateway=str(bridge.gateway),
        interface=engine.instance.bridge,
    )
    return default, fixed_network(engine.instance.id, "host"), fixed_network(engine.instance.id, "none")


def id_of(engine: Engine, name: str) -> str:
    return next((item.id for item in all_networks(engine) if item.name == name), "")


async def list_(call: Call) -> web.StreamResponse:
    filters = call.filters()
    refuse_unknown(filters, _FILTERS)
    kept = [item for item in all_networks(call.engine) if _fits(item, filters)]
    return answer([network_json(item, _created(call), None) for item in kept])


async def inspect(call: Call) -> web.StreamResponse:
    found = _find(call)
    members = [
        item
        for item in call.engine.containers.list()
        if network_name(item) == found.name and item.state.status != "restarting"
    ]
    return answer(network_json(found, _created(call), members))


def _find(call: Call) -> Network:
    networks = all_networks(call.engine)
    exact = [item for item in networks if call.id in (item.name, item.id)]
    found = exact or [item for item in networks if call.id and item.id.startswith(call.id)]
    if len(found) != 1:
        raise NotFound(f"network {call.id} not found")
    return found[0]


def _fits(item: Network, filters: dict[str, tuple[str, ...]]) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "id": item.id.startswith,
        "name": lambda word: word in item.name,
        "driver": lambda word: word == item.driver,
        "type": lambda word: word == "builtin",
        "scope": lambda word: word == "local",
        "label": lambda word: False,
        "dangling": lambda word: False,
    }
    return all(any(tests[key](word) for word in words) for key, words in filters.items() if words)


def _created(call: Call) -> float:
    """The networks are as old as the instance's database."""
    return call.engine.instance.database.stat().st_ctime


async def list_volumes(call: Call) -> web.StreamResponse:
    return answer({"Volumes": [], "Warnings": None})


async def inspect_volume(call: Call) -> web.StreamResponse:
    raise NotFound(f"get {call.name}: no such volume")


async def list_plugins(call: Call) -> web.StreamResponse:
    return answer([])


async def inspect_plugin(call: Call) -> web.StreamResponse:
    """`docker inspect` asks this last, for a name that nothing has."""
    raise NotFound(f'plugin "{call.name}" not found')
