"""What is started, waited for, stopped and removed, and after what."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.converge.order import dependencies_first
from kernel_engine.compose.converge.plan import Step
from kernel_engine.compose.converge.plan_running import removal, starting, stopping
from kernel_engine.compose.model import Dependency, Network, Port, Volume
from tests.unit.compose.projects import observed, project, service, there


def words(steps: tuple[Step, ...]) -> list[str]:
    return [f"{step.what} {step.name}" + (f" {step.condition}" if step.condition else "") for step in steps]


def test_a_service_starts_when_its_dependencies_are_as_it_asks() -> None:
    web, db, init = (
        service("web", "db:service_healthy", "init:service_completed_successfully"),
        service("db"),
        service("init"),
    )
    owner = project(web, db, init)
    has = observed(owner, *(there(owner, item, state="created") for item in (web, db, init)))
    steps = starting(owner, has.of)
    assert words(steps) == [
        "start demo-db-1",
        "start demo-init-1",
        "wait db service_healthy",
        "wait init service_completed_successfully",
        "start demo-web-1",
    ]
    assert [step.after for step in steps] == [(), (), (0,), (1,), (2, 3)]


def test_two_that_need_the_same_wait_once() -> None:
    items = service("a", "db:service_healthy"), service("b", "db:service_healthy"), service("db")
    owner = project(*items)
    has = observed(owner, *(there(owner, item, state="created") for item in items))
    assert words(starting(owner, has.of)).count("wait db service_healthy") == 1


def test_independent_services_start_side_by_side() -> None:
    items = [service(f"s{number}") for number in range(5)]
    owner = project(*items)
    has = observed(owner, *(there(owner, item, state="created") for item in items))
    assert all(not step.after for step in starting(owner, has.of))


def test_replicas_with_a_port_start_in_the_order_of_their_numbers() -> None:
    web = service("web", ports=(Port(target=80, published="8080"),), scale=3)
    owner = project(web)
    has = observed(owner, *(there(owner, web, number, state="created") for number in (2, 1, 3)))
    steps = starting(owner, has.of)
    assert words(steps) == ["start demo-web-1", "start demo-web-2", "start demo-web-3"]
    assert [step.after for step in steps] == [(), (0,), (1,)]


def test_what_runs_is_left_alone() -> None:
    web, db = service("web", "db"), service("db")
    owner = project(web, db)
    has = observed(owner, there(owner, web), there(owner, db, state="exited"))
    assert words(starting(owner, has.of)) == ["start demo-db-1"]


def test_wait_asks_for_the_end_of_what_others_wait_to_end() -> None:
    web, init = service("web", "init:service_completed_successfully"), service("init")
    owner = project(web, init)
    has = observed(owner, *(there(owner, item, state="created") for item in (web, init)))
    assert words(starting(owner, has.of, wait=True)) == [
        "start demo-init-1",
        "wait init service_completed_successfully",
        "start demo-web-1",
        "wait web running_or_healthy",
    ]


def test_a_dependency_without_containers() -> None:
    web, db = service("web", "db"), service("db")
    owner = project(web, db)
    has = observed(owner, there(owner, web, state="created"))
    with pytest.raises(Failed, match='service "db" has no container to start'):
        starting(owner, has.of)
    optional = project(replace(web, depends_on={"db": Dependency(required=False)}), replace(db, scale=0))
    assert words(starting(optional, has.of)) == ["start demo-web-1"]


def test_a_service_can_be_left_out() -> None:
    web, db = service("web", "db:service_healthy"), service("db")
    owner = project(web, db)
    has = observed(owner, there(owner, db, state="created"), there(owner, web, state="created"))
    assert words(starting(owner, has.of, before="web")) == ["start demo-db-1", "wait db service_healthy"]


def test_stopping_is_the_other_way_round() -> None:
    web, app, db = service("web", "app"), service("app", "db"), service("db")
    owner = project(db, web, app)
    has = observed(owner, *(there(owner, item) for item in (web, app, db)))
    steps = stopping(owner, has.of)
    assert words(steps) == ["stop demo-web-1", "stop demo-app-1", "stop demo-db-1"]
    assert [step.after for step in steps] == [(), (0,), (1,)]


def test_a_service_without_containers_keeps_the_order_of_the_others() -> None:
    web, app, db = service("web", "app"), service("app", "db"), service("db")
    owner = project(web, app, db)
    has = observed(owner, there(owner, web), there(owner, db))
    assert [step.after for step in stopping(owner, has.of)] == [(), (0,)]


def test_removal_takes_what_only_containers_used_last() -> None:
    web = service("web")
    owner = project(web, volumes=("data",))
    owner = replace(
        owner,
        networks={**owner.networks, "shared": Network(name="shared", external=True)},
        volumes={**owner.volumes, "kept": Volume(name="kept", external=True)},
    )
    has = observed(owner, there(owner, web), there(owner, service("old")))
    assert words(removal(owner, has)) == ["remove demo-web-1", "remove network demo_default"]
    steps = removal(owner, has, orphans=True, volumes=True, images=["demo-web"])
    assert words(steps) == [
        "remove demo-web-1",
        "remove demo-old-1",
        "remove network demo_default",
        "remove image demo-web",
        "remove volume demo_data",
    ]
    assert all(step.after == (0, 1) for step in steps[2:])


def test_nothing_to_remove() -> None:
    owner = project(service("web"))
    assert removal(owner, observed(owner, networks={})) == ()


def test_dependencies_come_first_and_a_cycle_is_told() -> None:
    owner = project(service("a", "b"), service("b", "c"), service("c"))
    order = dependencies_first(owner.services)
    assert order == ["c", "b", "a"]
    assert all(owner.services[later].depends_on for _, later in pairwise(order))
    with pytest.raises(Failed, match="dependency cycle detected: a -> b -> a"):
        dependencies_first(project(service("a", "b"), service("b", "a")).services)
