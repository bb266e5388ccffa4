"""A class before its first process: who is in it, what is kept of passwords, what is started and allowed for whom."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from labs.classroom import engines, limits, network, serve
from labs.classroom.engines import Limits
from labs.classroom.learners import BadClass, Learner, free_network, new_password, opens, read, sealed
from labs.classroom.plan import Plan

KIM, PARK = Learner(name="kim", number=1), Learner(name="park", number=2)


def test_a_learner_a_line() -> None:
    assert read("# 3반\n\nkim\n park , long password \n") == (KIM, replace(PARK, password="long password"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "한 명도 없어요"),
        ("kim\nkim\n", "2번째 줄: kim이(가) 두 번"),
        ("Kim\n", "1번째 줄: 이름은"),
        ("../etc\n", "1번째 줄: 이름은"),
        ("a b\n", "1번째 줄: 이름은"),
        ("-rf\n", "1번째 줄: 이름은"),
        (f"{'a' * 21}\n", "1번째 줄: 이름은"),
        ("kim,short\n", "8자 이상"),
    ],
)
def test_a_file_that_makes_no_sense(text: str, said: str) -> None:
    with pytest.raises(BadClass, match=said.replace("(", r"\(").replace(")", r"\)")):
        read(text)


def test_of_a_password_only_the_seal_is_kept() -> None:
    password = new_password()
    seal = sealed(password)
    assert password not in seal
    assert sealed(password) != seal
    assert opens(seal, password)
    assert not opens(seal, password + "x")
    assert not opens(seal, "")


def test_passwords_stay_from_lesson_to_lesson(tmp_path: Path) -> None:
    learners = (KIM, replace(PARK, password="long password"))
    first = serve.passwords(learners, tmp_path / "kept")
    assert first["park"] == "long password"
    (tmp_path / "kept").write_text("".join(f"{name} {password}\n" for name, password in first.items()))
    later = serve.passwords((*learners, Learner(name="lee", number=3)), tmp_path / "kept")
    assert {name: later[name] for name in first} == first
    assert len(later["lee"]) > 10


def test_a_network_that_touches_no_route() -> None:
    assert free_network(["default", "192.168.0.0/16", "172.17.0.0/16"]) == IPv4Network("10.213.0.0/16")
    assert free_network(["10.213.7.0/24", "10.214.0.1", "0.0.0.0/0"]) == IPv4Network("10.215.0.0/16")
    with pytest.raises(BadClass):
        free_network(["10.0.0.0/8"])


def test_everybody_has_an_address_and_names_that_fit() -> None:
    place = IPv4Network("10.213.0.0/16")
    assert [who.address(place) for who in (KIM, PARK)] == ["10.213.0.2", "10.213.0.3"]
    last = Learner(name="a" * 20, number=9999)
    assert len(f"{last.cable}i") <= 15  # IFNAMSIZ
    assert {KIM.root, KIM.run, KIM.namespace, KIM.cable}.isdisjoint({PARK.root, PARK.run, PARK.namespace, PARK.cable})


def test_the_engine_is_restricted_limited_and_the_learners() -> None:
    chosen = Limits(memory="1g", cpus=1.5, processes=100, containers=7)
    words = engines.command(KIM, "/home/kim/docker-labs", ["http://10.213.0.1:5555"], ["10.0.0.53"], chosen)
    assert words[:2] == ["nsenter", "--net=/run/netns/dl-kim"]
    assert "--restrict" in words
    pairs = dict(zip(words[words.index("serve") + 1 :], words[words.index("serve") + 2 :], strict=False))
    assert pairs["--group"] == "kim"
    assert pairs["--restrict-binds"] == "/home/kim/docker-labs"
    assert (pairs["--limit-memory"], pairs["--limit-cpus"], pairs["--limit-pids"], pairs["--limit-containers"]) == (
        "1g", "1.5", "100", "7",
    )  # fmt: skip
    assert (pairs["--registry-mirror"], pairs["--dns"]) == ("http://10.213.0.1:5555", "10.0.0.53")
    assert pairs["--root"].endswith("/kim") and pairs["--run"].endswith("/kim")


def test_what_a_learner_may_reach() -> None:
    text = network.rules(IPv4Network("10.213.0.0/16"))
    wanted = text.split("chain input {")[1].split("\n    }")[0]
    assert wanted.strip().endswith("reject")
    assert 'iifname "dl-class" oifname "dl-class" drop' in text
    assert 'iifname "dl-class" ip daddr 127.0.0.0/8 drop' in text


@pytest.mark.parametrize("unified", [True, False])
def test_the_limits_of_jupyterlab(tmp_path: Path, unified: bool) -> None:
    chosen = Limits(memory="512m", cpus=0.5, processes=64)
    if unified:
        (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
        (tmp_path / "docker-labs-kim").mkdir()
        places = limits.make(KIM, chosen, tmp_path)
        assert places == (tmp_path / "docker-labs-kim",)
        assert (places[0] / "memory.max").read_text() == str(512 * 1024**2)
        assert (places[0] / "cpu.max").read_text() == "50000 100000"
    else:
        for name in ("memory", "cpu", "pids"):
            (tmp_path / name).mkdir()
        places = limits.make(KIM, chosen, tmp_path)
        assert len(places) == 3
        assert (tmp_path / "cpu/docker-labs-kim/cpu.cfs_quota_us").read_text() == "50000"
    assert {file.read_text() for place in places for file in place.glob("pids.max")} == {"64"}


def test_resolvers_are_those_that_a_namespace_reaches(tmp_path: Path) -> None:
    found = network.resolvers(tmp_path / "offline")
    assert all(not address.startswith("127.") and ":" not in address for address in found)
    (tmp_path / "offline").touch()
    assert network.resolvers(tmp_path / "offline") == ("192.0.2.80",)


def test_what_the_hub_is_told_comes_back(tmp_path: Path) -> None:
    plan = Plan(
        listen="127.0.0.1", port=8000, network="10.213.0.0/16", seals={"kim": "a$b", "park": "c$d"},
        mirrors=("http://10.213.0.1:5555",), dns=(), limits=Limits(memory="1g"),
    )  # fmt: skip
    plan.write(tmp_path / "run/plan")
    assert (tmp_path / "run/plan").stat().st_mode & 0o777 == 0o600
    assert Plan.load(tmp_path / "run/plan") == plan
    assert plan.learners() == {"kim": KIM, "park": PARK}
