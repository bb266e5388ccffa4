"""Stand-ins for images that the offline hub does not hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernel_engine.cli.substitutes import find, held, substitutes
from labs.hub.dockerfiles import BUILT
from labs.hub.recipes import RECIPES

HELD = {"busybox"} | {
    f"{image.repository.removeprefix('library/')}:{tag}" for image in (*RECIPES, *BUILT) for tag in image.tags
}


@pytest.mark.parametrize("name", [item.original for item in substitutes()])
def test_a_stand_in_is_held_by_the_hub(name: str) -> None:
    item = next(item for item in substitutes() if item.original == name)
    assert item.use in HELD or not item.use
    assert item.why.endswith("요.")


@pytest.mark.parametrize(
    ("image", "original"),
    [
        ("centos", "centos"),
        ("centos:latest", "centos"),
        ("docker.io/library/centos:7", "centos"),
        ("library/centos", "centos"),
        ("ubuntu:bionic", "ubuntu:bionic"),
        ("ubuntu:22.04", "ubuntu"),
        ("alpine:3.7", "alpine"),
        ("mysql@sha256:00", "mysql"),
        ("jenkins", "jenkins"),
        ("jenkinsci/ssh-slave", "jenkinsci/*"),
        ("gihyodocker/echo:latest", "gihyodocker/echo"),
        ("gihyodocker/todo", "gihyodocker/*"),
        ("debian:buster", "debian"),
        ("golang:1.9", "golang"),
        ("registry:2.6", "registry"),
        ("httpd:2.2", "httpd"),
        ("nginx:1.9", "nginx"),
    ],
)
def test_every_form_of_a_name_is_found(image: str, original: str) -> None:
    found = find(image)
    assert found is not None
    assert found.original == original


@pytest.mark.parametrize(
    "image", ["nosuch", "localhost:5000/centos", "me/centos", "debian:bookworm", "busybox", "redis"]
)
def test_names_that_nothing_stands_for(image: str) -> None:
    assert find(image) is None


def test_the_set_up_may_name_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"x": {"substitute": None, "why": "없어요."}}))
    monkeypatch.setenv("DOCKER_LABS_SUBSTITUTES", str(file))
    found = find("x:1")
    assert found is not None
    assert (found.use, found.why) == ("", "없어요.")


def test_the_data_names_all_that_the_hub_holds() -> None:
    assert {name if ":" in name else f"{name}:latest" for name in HELD} == held(substitutes())
