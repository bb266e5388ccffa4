"""Networks and who is on them; who answered at an address."""

from __future__ import annotations

from typing import Any

import pytest

from labs.notebook.learning.asking import FAILED, UNKNOWN, Answers, who_said, words_of
from labs.notebook.learning.asking import as_html as answers_html
from labs.notebook.learning.asking import as_text as answers_text
from labs.notebook.learning.topology import segments
from labs.notebook.learning.topology_picture import NOTHING, as_html, as_text


def network(name: str, **more: Any) -> dict[str, Any]:
    config = {"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}
    return {"Id": name * 8, "Name": name, "Driver": "bridge", "IPAM": {"Config": [config]}, "Options": {}, **more}


def container(name: str, *networks: str, ports: dict[str, Any] | None = None, health: str = "") -> dict[str, Any]:
    places = {at: {"IPAddress": f"10.9.0.{len(name)}", "Aliases": [name, "web", "c" * 12]} for at in networks}
    state = {"Health": {"Status": health}} if health else {}
    return {
        "Id": "c" * 64,
        "Name": f"/{name}",
        "Config": {"Hostname": name},
        "State": state,
        "NetworkSettings": {"Networks": places, "Ports": ports or {}},
    }


BOTH = [{"HostIp": "0.0.0.0", "HostPort": "9000"}, {"HostIp": "::", "HostPort": "9000"}]
CHOSEN = [{"HostIp": "0.0.0.0", "HostPort": "32769"}]
FOUND = segments(
    [network("bridge"), network("shop", Internal=True), network("none", Driver="null"), network("back")],
    [
        container("web-10", "shop", health="healthy"),
        container("web-2", "shop", ports={"8080/tcp": CHOSEN}),
        container("lb", "shop", "back", ports={"80/tcp": BOTH, "53/udp": None}),
    ],
)


def test_networks_by_name_and_members_as_people_count() -> None:
    assert [segment.name for segment in FOUND] == ["back", "shop"]
    assert [member.name for member in FOUND[1].members] == ["lb", "web-2", "web-10"]
    lb = FOUND[1].members[0]
    assert [(port.outside, port.inside) for port in lb.ports] == [(9000, 80)]
    assert lb.others == ("back",)
    assert lb.names == ("web",)


def test_the_text_holds_nothing_that_differs_from_run_to_run() -> None:
    text = as_text(FOUND)
    assert "shop · 이름으로 찾을 수 있음 · 바깥과 막힘 · 컨테이너 3개" in text
    assert "lb · 이름: web · 호스트 9000번 포트 → 80" in text
    assert "web-2 · 이름: web · 호스트 빈 포트 → 8080" in text
    for changing in ("10.9", "32769", "건강"):
        assert changing not in text


def test_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_CURRENT_TEST", "DOCKER_LABS_STILL", "NBGRADER_EXECUTION"):
        monkeypatch.delenv(name, raising=False)
    drawn = as_html(FOUND, "지금")
    assert "호스트 32769번 포트 → 8080" in drawn
    assert "건강함" in drawn
    assert "다른 네트워크에도 있어요: back" in drawn
    assert NOTHING in as_html(())


def test_the_default_network_resolves_no_names() -> None:
    [segment] = segments([network("bridge")], [container("solo", "bridge")])
    assert "이름으로 찾을 수 없음" in as_text((segment,))
    assert "이름: web" not in as_text((segment,))


# %ask ----------------------------------------------------------------------------------------------------------------
def test_a_page_names_its_container() -> None:
    known = {"abc123": "shop-web-1", "shop-web-2": "shop-web-2"}
    assert who_said("v1 abc123\n", known) == "shop-web-1"
    assert who_said("hello from shop-web-2.", known) == "shop-web-2"
    assert who_said("nobody", known) == UNKNOWN


def test_counts_stand_by_name_and_failures_last() -> None:
    answers = Answers(url="http://x/", who=("w-10", FAILED, "w-2", "w-10"), seconds=1.0)
    assert answers_text(answers).splitlines()[1:] == ["  w-2: 1번", "  w-10: 2번", f"  {FAILED}: 1번"]
    drawn = answers_html(answers)
    assert "dl-by-failed" in drawn
    assert "1.0" not in drawn


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("http://127.0.0.1:9000/ 30", ("http://127.0.0.1:9000/", 30)),
        ("http://127.0.0.1:9000/", ("http://127.0.0.1:9000/", 12)),
        ("http://x/ 0", None),
        ("http://x/ 501", None),
        ("ftp://x/ 3", None),
        ("", None),
        ("http://x/ three", None),
    ],
)
def test_what_ask_understands(line: str, found: object) -> None:
    assert words_of(line) == found
