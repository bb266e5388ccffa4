"""What a manager's answers mean, and how `%swarm` draws them."""

from __future__ import annotations

from typing import Any

import pytest

from labs import swarm_view
from labs.notebook.learning import swarm_picture
from labs.swarm_view import Swarm

DIGEST = "@sha256:" + "0" * 64


def node(name: str, role: str = "worker", **status: Any) -> dict[str, Any]:
    return {
        "ID": f"id-{name}",
        "Spec": {"Role": role, "Availability": status.pop("availability", "active")},
        "Description": {"Hostname": name},
        "Status": {"State": status.pop("state", "ready"), "Addr": "10.0.0.2"},
        **({"ManagerStatus": {"Leader": True}} if role == "manager" else {}),
    }


def service(name: str, replicas: int | None, **more: Any) -> dict[str, Any]:
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    image = {"ContainerSpec": {"Image": f"registry:5000/example/{name}:v1{DIGEST}"}}
    return {"ID": f"id-{name}", "Spec": {"Name": name, "Mode": mode, "TaskTemplate": image}, **more}


def task(
    of: str, slot: int, at: str, state: str = "running", desired: str = "running", error: str = ""
) -> dict[str, Any]:
    return {
        "ID": f"{of}-{slot}-{at}-{state}",
        "ServiceID": f"id-{of}",
        "Slot": slot,
        "NodeID": f"id-{at}" if at else "",
        "DesiredState": desired,
        "Status": {"State": state, "Err": error, "Timestamp": f"2026-01-01T00:00:0{slot}Z"},
        "Spec": {"ContainerSpec": {"Image": f"registry:5000/example/{of}:v1{DIGEST}"}},
    }


@pytest.fixture
def swarm() -> Swarm:
    return swarm_view.understood(
        [node("worker02", state="down"), node("worker01"), node("manager", "manager", availability="drain")],
        [service("web", 1), service("api", 3, UpdateStatus={"State": "updating"})],
        [
            task("api", 1, "worker01"),
            task("api", 2, "worker02"),
            task("api", 3, "", "pending", error="no suitable node (scheduling constraints not satisfied on 3 nodes)"),
            task("api", 1, "worker01", "failed", "shutdown", "task: non-zero exit (137)"),
            task("web", 1, "worker01"),
        ],
    )


def test_only_what_runs_on_a_node_that_answers_counts(swarm: Swarm) -> None:
    api = swarm.service("api")
    assert api is not None
    assert (api.image, api.wanted, api.update) == ("registry:5000/example/api:v1", 3, "updating")
    assert [task.title for task in api.running] == ["api.1"]
    assert [(task.title, task.state, task.on_lost_node) for task in api.history] == [
        ("api.2", "running", True),
        ("api.1", "failed", False),
    ]
    assert api.history[1].exit_code == 137


def test_of_two_nodes_with_one_name_the_one_that_answers_is_meant() -> None:
    lost = node("worker01", state="down") | {"ID": "older"}
    swarm = swarm_view.understood([lost, node("worker01")], [], [])
    found = swarm.node("worker01")
    assert found is not None and found.id == "id-worker01"


def test_a_node_that_is_just_joining_and_a_container_on_an_attachable_network_are_no_fault() -> None:
    joining = node("worker01") | {"ID": "0123456789abcdefghijklmno", "Description": {}}
    attachment = {name: value for name, value in task("api", 1, "worker01").items() if name != "ServiceID"}
    swarm = swarm_view.understood([joining], [service("api", 1)], [attachment | {"Spec": {}}])
    assert swarm.nodes[0].name == "0123456789ab"
    assert swarm.tasks == ()


def test_tasks_are_drawn_on_the_node_that_has_them_not_on_all_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    twins = [node("worker01", state="down") | {"ID": "older"}, node("worker01")]
    html = swarm_picture.as_html(swarm_view.understood(twins, [service("api", 1)], [task("api", 1, "worker01")]), "m")
    assert html.count("<b>api.1</b>") == 1


def test_the_text_says_what_should_be_and_what_is(swarm: Swarm) -> None:
    assert swarm_picture.as_text(swarm).splitlines() == [
        "스웜의 모습",
        "  노드 3개",
        "    manager · 매니저(리더) · 준비됨 · 태스크를 비움",
        "    worker01 · 워커 · 준비됨",
        "    worker02 · 워커 · 연락 없음",
        "  서비스 2개",
        "    api · example/api:v1 · 바라는 모습 3개 · 지금 1개 · 업데이트하는 중",
        "    web · example/web:v1 · 바라는 모습 1개 · 지금 1개",
    ]


def test_the_picture_shows_tasks_where_they_are_and_what_is_over(swarm: Swarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    html = swarm_picture.as_html(swarm, "manager", "지금")
    assert "바라는 모습 <b>3</b> · 지금 <b>1</b>" in html
    assert "■□□" in html
    waiting = html[html.index("dl-waiting") : html.index("dl-nodes")]
    assert "api.3" in waiting and "scheduling constraints" in waiting
    lost = html[html.index('aria-label="노드 worker02"') : html.index("dl-history")]
    assert "api.2" in lost and "연락 없음" in lost
    history = html[html.index("dl-history") :]
    assert "task: non-zero exit (137)" in history
    assert 'data-show="swarm:manager:tasks/api-1-worker01-running"' in html


def test_a_task_that_is_just_ending_is_drawn_on_its_node_and_is_not_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    ending = swarm_view.understood(
        [node("worker01")], [service("api", 1)], [task("api", 1, "worker01", "running", "shutdown")]
    )
    html = swarm_picture.as_html(ending, "manager")
    assert "내리는 중" in html and "지난 태스크" not in html


def test_names_are_no_markup() -> None:
    evil = swarm_view.understood([node("<b>x", "manager")], [service("<i>", 1)], [task("<i>", 1, "<b>x")])
    text = swarm_picture.as_html(evil, '"><script>', "지금")
    assert "<script>" not in text and "<b>x" not in text and "<i>" not in text


def test_nothing_yet() -> None:
    assert swarm_picture.as_text(swarm_view.understood([node("manager", "manager")], [], [])).endswith("서비스 0개")
