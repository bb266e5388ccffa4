"""/networks: decode, call, encode."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.versions import LISTS_WITHOUT_MEMBERS
from kernel_engine.api.wire.fields import Fields
from kernel_engine.api.wire.network import network_json, read_endpoint, read_network
from kernel_engine.errors import InvalidRequest, NotFound
from kernel_engine.formats.filters import Filters, all_labels, flag, pattern, read_prune, refuse_unknown

if TYPE_CHECKING:
    from kernel_engine.containers.record import Container
    from kernel_engine.engine import Engine
    from kernel_engine.network.network import Network

_FILTERS = frozenset({"id", "name", "driver", "type", "scope", "label", "dangling"})
_PRUNE_FILTERS = frozenset({"label", "label!", "until"})


def id_of(engine: Engine, name: str) -> str:
    """ "" for a network that is gone."""
    try:
        return engine.networks.find(name).id
    except (NotFound, InvalidRequest):
        return ""


async def list_(call: Call) -> web.StreamResponse:
    filters = call.filters()
    refuse_unknown(filters, _FILTERS)
    for word in filters.get("type", ()):
        if word not in ("builtin", "custom"):
            raise InvalidRequest(f"invalid filter: 'type'='{word}'")
    kept = [item for item in call.engine.networks.all() if _fits(call, item, filters)]
    whole = call.version < LISTS_WITHOUT_MEMBERS
    return answer([network_json(item, _members(call, item) if whole else None) for item in kept])


async def inspect(call: Call) -> web.StreamResponse:
    network = call.engine.networks.find(call.id)
    if call.text("scope") not in ("", "local"):  # of another one there are none
        raise NotFound(f"network {call.id} not found")
    return answer(network_json(network, _members(call, network)))


async def create(call: Call) -> web.StreamResponse:
    options = read_network(await call.json())
    if call.engine.restriction is not None:
        call.engine.restriction.check_network(options.options)
    network = await call.engine.networks.create(options)
    _announce(call, "create", network)
    return answer({"Id": network.id, "Warning": ""}, 201)


async def remove(call: Call) -> web.StreamResponse:
    network = call.engine.networks.find(call.id)
    await call.engine.containers.remove_network(network)
    _announce(call, "destroy", network)
    return empty()


async def connect(call: Call) -> web.StreamResponse:
    fields = Fields(await call.json())
    options = read_endpoint(fields.inner("EndpointConfig"))
    await call.engine.containers.connect(fields.text("Container"), call.engine.networks.find(call.id), options)
    return empty(200)


async def disconnect(call: Call) -> web.StreamResponse:
    fields = Fields(await call.json())
    network = call.engine.networks.find(call.id)
    await call.engine.containers.disconnect(fields.text("Container"), network, force=fields.flag("Force"))
    return empty(200)


async def prune(call: Call) -> web.StreamResponse:
    """User-defined networks that no container is on, running or not."""
    filters = call.filters()
    refuse_unknown(filters, _PRUNE_FILTERS)
    wanted = read_prune(filters)
    removed = []
    for network in call.engine.networks.all():
        if network.predefined or _used(call, network):
            continue
        if wanted.takes(created=network.created, labels=network.labels):
            await call.engine.containers.remove_network(network)
            _announce(call, "destroy", network)
            removed.append(network.name)
    call.engine.events.publish("network", "prune", "", {"reclaimed": "0"})
    return answer({"NetworksDeleted": removed or None})


def _announce(call: Call, action: str, network: Network) -> None:
    call.engine.events.publish("network", action, network.id, {"name": network.name, "type": network.driver})


def _members(call: Call, network: Network) -> list[Container]:
    """Who is on it now."""

    def belongs(item: Container) -> bool:
        if network.driver == "bridge":
            return any(place.network_id == network.id for place in item.endpoints)
        return item.config.host.network_mode == network.name

    return [item for item in call.engine.containers.list() if belongs(item) and item.state.status != "restarting"]


def _used(call: Call, network: Network) -> bool:
    words = {network.name, network.id}
    return any(words & set(item.config.networks) for item in call.engine.containers.list(all=True))


def _fits(call: Call, item: Network, filters: Filters) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "id": item.id.startswith,
        "name": lambda word: pattern("name", word).search(item.name) is not None,
        "driver": lambda word: word == item.driver,
        "type": lambda word: word == ("builtin" if item.predefined else "custom"),
        "scope": lambda word: word == "local",
        "label": lambda word: all_labels(item.labels, (word,)),
    }
    dangling = flag(filters, "dangling")
    if dangling is not None and dangling != (not item.predefined and not _used(call, item)):
        return False
    return all(
        any(test(word) for word in filters[key]) if key != "label" else all(test(word) for word in filters[key])
        for key, test in tests.items()
        if filters.get(key)
    )
