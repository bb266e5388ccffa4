from __future__ import annotations

import asyncio

import pytest

from kernel_engine.api import containers, images, routes
from kernel_engine.api.errors import message_of, status_of
from kernel_engine.errors import (
    Conflict,
    CorruptData,
    EngineError,
    Forbidden,
    InvalidRequest,
    KernelRefused,
    NoSpace,
    NoSwarm,
    NotFound,
    NotModified,
    NotSupported,
    StartFailed,
    Unauthorized,
    Unavailable,
)


def test_names_of_images_hold_slashes_and_colons() -> None:
    route, parameters = routes.find("GET", "/images/localhost:5000/team/app:1.0/json")
    assert route.handler is images.inspect
    assert parameters == {"name": "localhost:5000/team/app:1.0"}
    assert routes.find("GET", "/images/json")[0].handler is images.list_
    assert routes.find("POST", "/images/a/b/push")[1] == {"name": "a/b"}
    assert routes.find("DELETE", "/images/sha256:abc")[1] == {"name": "sha256:abc"}


def test_ids_do_not() -> None:
    assert routes.find("POST", "/containers/c1/start")[0].handler is containers.start
    assert routes.find("POST", "/networks/a/b/connect")[1] == {"id": "a/b"}  # a network's name does
    with pytest.raises(NotFound, match="page not found"):
        routes.find("GET", "/containers/c1/start")


def test_names_of_links() -> None:
    for method, path, handler in (
        ("GET", "/containers/web/database/json", containers.inspect),
        ("DELETE", "/containers/web/database", containers.remove),
        ("POST", "/containers/web/database/stop", containers.stop),
    ):
        route, parameters = routes.find(method, path)
        assert (route.handler, parameters) == (handler, {"id": "web/database"})


def test_no_route_hides_another() -> None:
    for route in routes.ROUTES:
        path = route.pattern.replace("{id}", "x1").replace("{name}", "x1").replace("{rest}", "x1")
        assert routes.find(route.method, path)[0] is route


#: docker-api-v1.47.yaml: what is not served says so
@pytest.mark.parametrize(
    "request_line",
    """
    POST /session;POST /swarm/init;POST /swarm/join;POST /plugins/x/enable
    """.replace("\n", ";").split(";"),
)
def test_what_is_not_served_says_so(request_line: str) -> None:
    if not request_line.strip():
        return
    method, path = request_line.split()
    route, _ = routes.find(method, path)
    with pytest.raises(NotSupported, match="not served"):
        asyncio.run(route.handler(None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "request_line",
    """
    GET /swarm;POST /swarm/leave;GET /nodes;GET /services;POST /services/create;GET /services/x/logs
    GET /tasks;GET /secrets;GET /configs;DELETE /configs/x;POST /swarm/update;GET /swarm/unlockkey
    """.replace("\n", ";").split(";"),
)
def test_this_is_no_node_of_a_swarm(request_line: str) -> None:
    if not request_line.strip():
        return
    method, path = request_line.split()
    route, _ = routes.find(method, path)
    with pytest.raises(NoSwarm, match="This node is not"):
        asyncio.run(route.handler(None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotModified("x"), 304),
        (InvalidRequest("x"), 400),
        (StartFailed("x", exit_code=127), 400),
        (Unauthorized("x"), 401),
        (Forbidden("x"), 403),
        (NotFound("x"), 404),
        (Conflict("x"), 409),
        (NotSupported("x"), 501),
        (Unavailable("x"), 500),
        (CorruptData("x"), 500),
        (NoSpace("x"), 500),
        (KernelRefused("mount", 1, "x"), 500),
        (EngineError("x"), 500),
        (ValueError("x"), 500),
        (OSError(28, "x"), 500),
    ],
)
def test_every_kind_has_a_status(error: Exception, status: int) -> None:
    assert status_of(error) == status


def test_every_kind_is_in_the_table() -> None:
    kinds = {kind for kind in EngineError.__subclasses__() if kind.__module__ == "kernel_engine.errors"}
    from kernel_engine.api.errors import _STATUS

    assert kinds == {kind for kind, _ in _STATUS}


def test_messages() -> None:
    assert message_of(Conflict("in use")) == "in use"
    assert message_of(OSError(28, "No space left on device", "/x")) == "/x: no space left on device"
    assert message_of(ValueError("odd")) == "ValueError: odd"
