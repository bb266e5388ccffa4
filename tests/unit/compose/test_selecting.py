"""Which services a command is about, and the number that tells whether one has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.hashes import config_hash
from kernel_engine.compose.loading import load
from kernel_engine.compose.model import Dependency, Port, Project, Service
from kernel_engine.compose.selecting import selected, with_profiles, with_services
from tests.unit.compose.cases import wanted

TEXT = """
services:
  web: {image: w, depends_on: [api]}
  api: {image: a, depends_on: [db], volumes: ["data:/d"]}
  db: {image: d, networks: [back]}
  tool: {image: t, profiles: [tools], env_file: missing.env}
networks: {back: }
volumes: {data: , unused: }
"""


def _project(directory: Path, *words: str) -> Project:
    (directory / "compose.yaml").write_text(TEXT)
    return load(wanted(directory, ["-p", "p", *words]))


def test_all(tmp_path: Path) -> None:
    project = _project(tmp_path)
    assert list(project.services) == ["web", "api", "db"]
    assert list(project.disabled) == ["tool"]
    assert set(project.networks) == {"back", "default"}
    assert set(project.volumes) == {"data"}


def test_some_with_what_they_need(tmp_path: Path) -> None:
    project = _project(tmp_path, "api")
    assert list(project.services) == ["api", "db"]
    assert list(project.disabled) == ["tool", "web"]
    alone = selected(_project(tmp_path), ["web"], dependencies=False)
    assert list(alone.services) == ["web"]
    assert alone.services["web"].depends_on == {}


def test_a_pattern_names_several(tmp_path: Path) -> None:
    assert list(selected(_project(tmp_path), ["*b"]).services) == ["web", "api", "db"]


def test_naming_a_service_activates_its_profile(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"env file .*/missing\.env not found"):
        _project(tmp_path, "tool")
    assert "tool" in with_services(_project(tmp_path), ["tool"]).services
    assert "tool" in with_profiles(_project(tmp_path), ["*"]).services


def test_an_unknown_service(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^no such service: nobody$"):
        _project(tmp_path, "nobody")


WEB = Service(name="web", image="nginx", environment={"A": "1", "B": None}, ports=(Port(target=80),))


def test_the_hash_of_a_service_stays_what_it_is() -> None:
    # written down: a new version must not make everybody's containers anew
    assert config_hash(WEB) == "be6d014e8affd17122e114acebeee56366e875260f8197cd26120d4658899dbc"


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 3},
        {"depends_on": {"db": Dependency()}},
        {"profiles": ("p",)},
        {"pull_policy": "always"},
        {"environment": {"B": None, "A": "1"}},
    ],
)
def test_the_hash_is_not_about_how_many_and_when(change: dict[str, object]) -> None:
    assert config_hash(replace(WEB, **change)) == config_hash(WEB)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"image": "nginx:2"},
        {"environment": {"A": "1"}},
        {"ports": (Port(target=80, published="80"),)},
        {"command": ()},
        {"init": False},
        {"labels": {"a": ""}},
    ],
)
def test_the_hash_is_about_everything_else(change: dict[str, object]) -> None:
    assert config_hash(replace(WEB, **change)) != config_hash(WEB)  # type: ignore[arg-type]


def test_the_hash_knows_what_a_config_holds(tmp_path: Path) -> None:
    def hashed(content: str) -> str:
        text = f"services: {{a: {{image: x, configs: [c]}}}}\nconfigs: {{c: {{content: {content}}}}}\n"
        (tmp_path / "compose.yaml").write_text(text)
        project = load(wanted(tmp_path, ["-p", "p"]))
        return config_hash(project.services["a"], project)

    assert hashed("one") != hashed("two")
    assert hashed("one") == hashed("one")
