"""The route table: one line a route. Attach and exec start never come here: `front.py` takes them before."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from kernel_engine.api import (
    archives,
    build,
    containers,
    execs,
    images,
    logs,
    networks,
    own,
    servers,
    stats,
    steps,
    system,
    volumes,
    walls,
    websocket,
)
from kernel_engine.api.call import Call
from kernel_engine.errors import EngineError, NoSwarm, NotFound, NotSupported

Handler = Callable[[Call], Coroutine[Any, Any, web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: str
    handler: Handler
    watches: bool = False  #: only looks on: ends when its client leaves. Everything else goes on to its end


def _later(sentence: str, kind: type[EngineError] = NotSupported) -> Handler:
    """An endpoint of Docker's that this engine does not serve."""

    async def refuse(_: Call) -> web.StreamResponse:
        raise kind(sentence)

    return refuse


_BUILDKIT = _later("BuildKit sessions are not served by this engine; set DOCKER_BUILDKIT=0 for the classic builder")
_PLUGIN = _later("plugins are not served by this engine")
_SWARM = _later("swarm mode is not served by this engine yet")
# as an engine of Docker's that is in no swarm: clients make sure of that by leaving
_NO_NODE = _later("This node is not part of a swarm", NoSwarm)
_NO_MANAGER = _later(
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm '
    "and try again.",
    NoSwarm,
)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/_ping", system.ping),
    Route("HEAD", "/_ping", system.ping),
    Route("GET", "/version", system.version),
    Route("GET", "/info", system.info),
    Route("GET", "/events", system.events, watches=True),
    Route("GET", "/system/df", system.disk_usage),
    Route("POST", "/auth", system.auth),
    # containers
    Route("POST", "/containers/create", containers.create),
    Route("POST", "/containers/prune", containers.prune),
    Route("GET", "/containers/json", containers.list_),
    Route("GET", "/containers/{id}/json", containers.inspect),
    Route("GET", "/containers/{id}/top", containers.top),
    Route("GET", "/containers/{id}/logs", logs.logs, watches=True),
    Route("GET", "/containers/{id}/changes", containers.changes),
    Route("GET", "/containers/{id}/export", archives.export, watches=True),
    Route("GET", "/containers/{id}/stats", stats.stats, watches=True),
    Route("GET", "/containers/{id}/attach/ws", websocket.attach, watches=True),
    Route("GET", "/containers/{id}/archive", archives.read, watches=True),
    Route("HEAD", "/containers/{id}/archive", archives.stat),
    Route("PUT", "/containers/{id}/archive", archives.write),
    Route("POST", "/containers/{id}/start", containers.start),
    Route("POST", "/containers/{id}/stop", containers.stop),
    Route("POST", "/containers/{id}/restart", containers.restart),
    Route("POST", "/containers/{id}/kill", containers.kill),
    Route("POST", "/containers/{id}/pause", containers.pause),
    Route("POST", "/containers/{id}/unpause", containers.unpause),
    Route("POST", "/containers/{id}/rename", containers.rename),
    Route("POST", "/containers/{id}/resize", containers.resize),
    Route("POST", "/containers/{id}/wait", containers.wait, watches=True),
    Route("POST", "/containers/{id}/update", containers.update),
    Route("POST", "/containers/{id}/exec", execs.create),
    Route("DELETE", "/containers/{id}", containers.remove),
    Route("GET", "/exec/{id}/json", execs.inspect),
    Route("POST", "/exec/{id}/resize", execs.resize),
    # images
    Route("POST", "/images/create", images.create, watches=True),
    Route("POST", "/images/load", archives.load, watches=True),
    Route("POST", "/images/prune", images.prune),
    Route("GET", "/images/json", images.list_),
    Route("GET", "/images/search", images.search),
    Route("GET", "/images/get", archives.save, watches=True),
    Route("GET", "/images/{name}/get", archives.save, watches=True),
    Route("GET", "/images/{name}/json", images.inspect),
    Route("GET", "/images/{name}/history", images.history),
    Route("POST", "/images/{name}/push", images.push, watches=True),
    Route("POST", "/images/{name}/tag", images.tag),
    Route("DELETE", "/images/{name}", images.remove),
    Route("GET", "/distribution/{name}/json", images.distribution),
    Route("POST", "/commit", images.commit),
    Route("POST", "/build", build.build, watches=True),
    Route("POST", "/build/prune", build.prune),
    Route("POST", "/build/cancel", build.cancel),
    Route("POST", "/kernel-engine/builds/secrets", build.secrets),
    Route("POST", "/session", _BUILDKIT),
    Route("POST", "/grpc", _BUILDKIT),
    # networks and volumes
    Route("GET", "/networks", networks.list_),
    Route("POST", "/networks/create", networks.create),
    Route("POST", "/networks/prune", networks.prune),
    Route("GET", "/networks/{id}", networks.inspect),
    Route("DELETE", "/networks/{id}", networks.remove),
    Route("POST", "/networks/{id}/connect", networks.connect),
    Route("POST", "/networks/{id}/disconnect", networks.disconnect),
    Route("GET", "/volumes", volumes.list_),
    Route("POST", "/volumes/create", volumes.create),
    Route("POST", "/volumes/prune", volumes.prune),
    Route("GET", "/volumes/{name}", volumes.inspect),
    Route("PUT", "/volumes/{name}", _later("cluster volumes are not served by this engine")),
    Route("DELETE", "/volumes/{name}", volumes.remove),
    # our own
    Route("GET", "/kernel-engine/info", own.info),
    Route("GET", "/kernel-engine/images/{name}/layers", own.layers),
    Route("GET", "/kernel-engine/images/{name}/layers/{id}", own.layer_files),
    Route("GET", "/kernel-engine/builds", build.builds),
    Route("GET", "/kernel-engine/builds/{id}", build.inspect),
    Route("GET", "/kernel-engine/builds/{id}/trace", build.trace),
    Route("GET", "/kernel-engine/containers/{id}/trace", own.trace),
    Route("GET", "/kernel-engine/containers/{id}/kernel", own.kernel),
    Route("POST", "/kernel-engine/containers/{id}/steps", steps.begin, watches=True),
    Route("GET", "/kernel-engine/containers/{id}/steps", steps.look),
    Route("POST", "/kernel-engine/containers/{id}/steps/next", steps.go_on),
    Route("DELETE", "/kernel-engine/containers/{id}/steps", steps.give_up),
    Route("GET", "/kernel-engine/containers/{id}/files", own.files),
    Route("GET", "/kernel-engine/containers/{id}/listening", own.listening),
    Route("GET", "/kernel-engine/containers/{id}/terminal", own.terminal, watches=True),
    Route("POST", "/kernel-engine/without/{id}", walls.without, watches=True),
    Route("GET", "/kernel-engine/operations", own.operations),
    Route("GET", "/kernel-engine/operations/{id}/trace", own.operation_trace),
    Route("GET", "/kernel-engine/servers", servers.list_),
    Route("POST", "/kernel-engine/servers", servers.create),
    Route("GET", "/kernel-engine/servers/{id}", servers.inspect),
    Route("DELETE", "/kernel-engine/servers/{id}", servers.remove),
    # what is left of Docker's
    Route("GET", "/plugins", volumes.list_plugins),
    Route("GET", "/plugins/{name}/json", volumes.inspect_plugin),
    *(
        Route(method, pattern, refusal)
        for refusal, pattern in (
            (_PLUGIN, "/plugins/{rest}"),
            (_SWARM, "/swarm/init"),
            (_SWARM, "/swarm/join"),
            (_NO_NODE, "/swarm/leave"),
            (_NO_MANAGER, "/swarm"),
            (_NO_MANAGER, "/swarm/update"),
            (_NO_MANAGER, "/swarm/unlock"),
            (_NO_MANAGER, "/swarm/unlockkey"),
            (_NO_MANAGER, "/nodes"),
            (_NO_MANAGER, "/nodes/{rest}"),
            (_NO_MANAGER, "/services"),
            (_NO_MANAGER, "/services/{rest}"),
            (_NO_MANAGER, "/tasks"),
            (_NO_MANAGER, "/tasks/{rest}"),
            (_NO_MANAGER, "/secrets"),
            (_NO_MANAGER, "/secrets/{rest}"),
            (_NO_MANAGER, "/configs"),
            (_NO_MANAGER, "/configs/{rest}"),
        )
        for method in ("GET", "POST", "DELETE")
    ),
)

#: image names and what follows /swarm/ hold slashes; ids do not
_PARAMETERS = {"id": r"(?P<id>[^/]+)", "name": r"(?P<name>.+)", "rest": r"(?P<rest>.+)"}


#: "web/database", a name of `--link`, where it can be nothing else
_LINKED = r"(?P<id>[^/]+(?:/[^/]+)?)"


def _expression(pattern: str) -> re.Pattern[str]:
    if pattern.startswith("/containers/{id}"):
        pattern = pattern.replace("{id}", _LINKED, 1)
    if pattern.startswith("/networks/{id}"):  # Docker takes any name for a network
        pattern = pattern.replace("{id}", "(?P<id>.+)", 1)
    return re.compile(re.sub(r"\{(\w+)\}", lambda match: _PARAMETERS[match[1]], pattern))


_TABLE: tuple[tuple[str, re.Pattern[str], Route], ...] = tuple(
    (route.method, _expression(route.pattern), route) for route in ROUTES
)


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The first route that fits. Raises NotFound("page not found")."""
    for wanted, expression, route in _TABLE:
        if wanted == method and (match := expression.fullmatch(path)) is not None:
            return route, match.groupdict()
    raise NotFound("page not found")
