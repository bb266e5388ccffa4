"""What `up` decides to make, to make anew, to keep and to remove."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.compose import labels
from kernel_engine.compose.converge.observed import Observed
from kernel_engine.compose.converge.plan import Step, Wishes
from kernel_engine.compose.converge.plan_creation import creation, doubts
from kernel_engine.compose.hashes import made_hash
from kernel_engine.compose.model import Dependency, FileObject, Grant, Mount, Network, Port, Project, Volume
from tests.unit.compose.projects import observed, project, service, there


def plan(owner: Project, has: Observed, **wishes: Any) -> tuple[Step, ...]:
    return creation(owner, has, Wishes(**wishes))


def words(steps: tuple[Step, ...]) -> list[str]:
    return [f"{step.what} {step.name}" for step in steps]


def test_everything_is_made_where_nothing_is() -> None:
    owner = project(service("web", "db"), service("db", volumes=(Mount(type="volume", source="data", target="/d"),)),
                    volumes=("data",))  # fmt: skip
    steps = plan(owner, Observed())
    assert words(steps) == [
        "create network demo_default",
        "create volume demo_data",
        "create demo-db-1",
        "create demo-web-1",
    ]
    assert steps[2].after == (0, 1)
    # only its network: containers are made side by side, whatever starts first
    assert steps[3].after == (0,)


def test_what_is_as_it_should_be_stays() -> None:
    web = service("web")
    owner = project(web)
    assert words(plan(owner, observed(owner, there(owner, web)))) == ["keep demo-web-1"]


def test_only_what_has_changed_is_made_anew() -> None:
    web, db = service("web"), service("db")
    before = project(web, db)
    after = project(replace(web, environment={"A": "2"}), db)
    has = observed(after, there(before, web), there(before, db))
    steps = plan(after, has)
    assert {f"{step.what} {step.name}": step.cause for step in steps} == {
        "recreate demo-web-1": "configuration changed",
        "keep demo-db-1": "",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 1, "profiles": ("x",)},
        {"depends_on": {"db": Dependency(condition="service_healthy")}},
        {"pull_policy": "always"},
        {"attach": False},
    ],
)
def test_what_says_nothing_of_a_container_changes_none(change: dict[str, Any]) -> None:
    web, db = service("web"), service("db")
    before = project(web, db)
    after = project(replace(web, **change), db)
    has = observed(after, there(before, web), there(before, db))
    assert all(step.what == "keep" for step in plan(after, has))


def test_a_new_image_makes_a_container_anew() -> None:
    web = service("web")
    owner = project(web)
    has = observed(owner, there(owner, web))
    assert words(plan(owner, has, images={"web": "sha256:busybox"})) == ["keep demo-web-1"]
    assert words(plan(owner, has, images={"web": "sha256:other"})) == ["recreate demo-web-1"]


def test_a_changed_inline_config_makes_a_container_anew() -> None:
    web = service("web", configs=(Grant(source="site", target="/site"),))
    before = project(web, configs={"site": FileObject(name="demo_site", content="old")})
    after = project(web, configs={"site": FileObject(name="demo_site", content="new")})
    assert words(plan(after, observed(after, there(before, web)))) == ["recreate demo-web-1"]


@pytest.mark.parametrize(("policy", "what"), [("force", "recreate"), ("never", "keep")])
def test_recreate_policies(policy: str, what: str) -> None:
    web = service("web")
    owner = project(web)
    has = observed(owner, there(owner, web, hash="0" if policy == "never" else there(owner, web).config_hash))
    assert words(plan(owner, has, recreate=policy)) == [f"{what} demo-web-1"]


def test_force_recreate_is_for_the_services_named() -> None:
    web, db = service("web", "db"), service("db")
    owner = project(web, db)
    has = observed(owner, there(owner, web), there(owner, db))
    steps = plan(owner, has, recreate="force", targets=frozenset(("web",)))
    assert words(steps) == ["keep demo-db-1", "recreate demo-web-1"]


def test_scaling_up_goes_on_after_the_highest_number() -> None:
    web = service("web", scale=3)
    owner = project(web)
    has = observed(owner, there(owner, web, 1), there(owner, web, 4))
    assert words(plan(owner, has)) == ["keep demo-web-1", "keep demo-web-4", "create demo-web-5"]


def test_scaling_down_takes_what_is_outdated_first_and_then_the_highest_numbers() -> None:
    web = service("web", scale=2)
    owner = project(web)
    has = observed(owner, there(owner, web, 1, hash="old"), *(there(owner, web, number) for number in (2, 3, 4)))
    assert sorted(words(plan(owner, has))) == [
        "keep demo-web-2",
        "keep demo-web-3",
        "remove demo-web-1",
        "remove demo-web-4",
    ]


def test_one_name_is_not_for_several() -> None:
    owner = project(service("web", scale=2, container_name="site"))
    with pytest.raises(Failed, match="requires each container to have a unique name"):
        plan(owner, Observed())


def test_orphans_go_when_asked_for() -> None:
    web, old = service("web"), service("old")
    owner = project(web)
    has = observed(owner, there(owner, web), there(project(old), old))
    assert words(plan(owner, has)) == ["keep demo-web-1"]
    assert words(plan(owner, has, remove_orphans=True)) == ["remove demo-old-1", "keep demo-web-1"]


def test_a_service_of_another_profile_is_no_orphan() -> None:
    web, tool = service("web"), service("tool", profiles=("tools",))
    owner = project(web, disabled={"tool": tool})
    has = observed(owner, there(owner, web), there(owner, tool))
    assert has.orphans(owner) == []


def test_one_offs_count_for_nothing_while_they_run() -> None:
    web = service("web")
    owner = project(web)
    runs = there(owner, web, 7, one_off=True, name="demo-web-run-1")
    has = observed(owner, there(owner, web), runs)
    assert words(plan(owner, has)) == ["keep demo-web-1"]
    assert has.orphans(owner) == []


def test_who_shares_a_network_namespace_goes_with_its_owner() -> None:
    app, side = service("app"), service("side", network_mode="service:app", networks={})
    before = project(app, side)
    old = there(before, app)
    has = observed(before, old, there(before, side, peers={"app": [old]}))
    assert words(plan(before, has)) == ["keep demo-app-1", "keep demo-side-1"]
    after = project(replace(app, environment={"A": "2"}), side)
    steps = plan(after, replace(has, networks=observed(after).networks))
    assert words(steps) == ["recreate demo-app-1", "recreate demo-side-1"]
    assert steps[1].after == (0,)


def test_a_sharer_of_a_container_that_has_gone_is_made_anew() -> None:
    """An earlier `up` was killed between the two."""
    app, side = service("app"), service("side", network_mode="service:app", networks={})
    owner = project(app, side)
    gone = replace(there(owner, app), id="f" * 64)
    has = observed(owner, there(owner, app), there(owner, side, peers={"app": [gone]}))
    assert words(plan(owner, has)) == ["keep demo-app-1", "recreate demo-side-1"]


def test_dependents_that_restart_stop_before() -> None:
    db = service("db")
    web = replace(service("web"), depends_on={"db": Dependency(restart=True)})
    before = project(web, db)
    after = project(web, replace(db, environment={"A": "2"}))
    has = observed(after, there(before, web), there(before, db))
    steps = plan(after, has)
    assert words(steps) == ["stop demo-web-1", "recreate demo-db-1", "keep demo-web-1"]
    assert steps[1].after == (0,)


def test_external_networks_and_volumes_must_be_there() -> None:
    network = project(service("web"), networks={"default": Network(name="shared", external=True)})
    with pytest.raises(Failed, match="network shared declared as external, but could not be found"):
        plan(network, Observed())
    volume = project(service("web"), volumes=())
    volume = replace(volume, volumes={"data": Volume(name="data", external=True)})
    with pytest.raises(Failed, match='external volume "data" not found'):
        plan(volume, observed(volume, volumes={}))


def test_a_changed_network_is_made_anew_with_what_is_on_it() -> None:
    web, db = service("web"), service("db")
    before = project(web, db)
    after = project(web, db, networks={"default": Network(name="demo_default", internal=True)})
    has = observed(before, there(before, web), there(before, db))
    steps = plan(after, has)
    assert words(steps) == [
        "remove demo-web-1",
        "remove demo-db-1",
        "remove network demo_default",
        "create network demo_default",
        "create demo-web-1",
        "create demo-db-1",
    ]
    assert steps[2].after == (0, 1)
    assert steps[4].after == (0, 3)
    assert steps[4].container is not None  # whose anonymous volumes go on


def test_a_network_of_another_compose_without_a_hash_stays() -> None:
    web = service("web")
    owner = project(web)
    has = observed(owner, there(owner, web))
    marks = labels.of_network("demo", "default")
    assert words(
        plan(owner, replace(has, networks={"default": {"Id": "net", "Name": "demo_default", "Labels": marks}}))
    ) == ["keep demo-web-1"]


def test_a_container_that_left_its_network_is_made_anew() -> None:
    web = service("web")
    owner = project(web)
    assert words(plan(owner, observed(owner, there(owner, web, network="other")))) == ["recreate demo-web-1"]


def test_links_wait_for_the_containers_that_they_name() -> None:
    owner = project(service("web", "db", links=("db:database",)), service("db"))
    steps = plan(owner, observed(owner))
    assert words(steps) == ["create demo-db-1", "create demo-web-1"]
    assert steps[1].after == (0,)


def test_a_step_tells_what_it_is() -> None:
    owner = project(service("web", ports=(Port(target=80),)))
    assert plan(owner, observed(owner))[0].describe() == "create demo-web-1 (missing)"


def test_what_an_up_left_behind_that_was_ended_in_the_middle() -> None:
    web = service("web")
    owner = project(web)
    new = there(owner, web, name="0123456789ab_demo-web-1")
    new = replace(new, id="e" * 64, labels={**new.labels, labels.REPLACES: "demo-web-1"})
    # the old one is still there: what was to replace it goes, and is made anew where it is needed
    beside = plan(owner, observed(owner, there(owner, web, hash="old"), new))
    assert words(beside) == ["remove 0123456789ab_demo-web-1", "recreate demo-web-1"]
    assert beside[1].after == (0,)
    # the old one has gone: the new one only lacks its name
    assert words(plan(owner, observed(owner, new))) == ["rename demo-web-1", "keep demo-web-1"]


def test_what_is_taken_as_it_is_although_another_made_it() -> None:
    owner = project(service("web"), volumes=("data",))
    volume = owner.volumes["data"]
    mine = {**labels.of_volume("demo", "data"), labels.HASH: made_hash(volume)}

    def said(marks: dict[str, str]) -> list[str]:
        return doubts(owner, observed(owner, volumes={"data": {"Name": volume.name, "Labels": marks}}))

    assert said(mine) == []
    assert "was not created by Docker Compose" in said({})[0]
    assert 'was created for project "other" (expected "demo")' in said(mine | {labels.PROJECT: "other"})[0]
    assert "doesn't match configuration in compose file" in said(mine | {labels.HASH: "old"})[0]
    network = observed(owner, volumes={}, networks={"default": {"Id": "net", "Name": "demo_default"}})
    assert "a network with name demo_default exists but was not created by compose" in doubts(owner, network)[0]
