"""`docker compose config` and its options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.grammar import options_of, parse
from kernel_engine.compose.commands import COMMANDS
from kernel_engine.compose.verbs.config import show
from tests.unit.compose.cases import wanted

TEXT = """
name: shop
services:
  web:
    image: "nginx:${TAG:-1}"
    command: ["echo", "$$HOME"]
    depends_on: [db]
    env_file: {ENV_FILE}
  db: {build: ./db, volumes: ["data:/d"]}
  tool: {image: "t:${NEEDED?}", profiles: [b, a]}
volumes: {data: }
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "web.env").write_text("FROM_FILE=1\n")
    (tmp_path / "compose.yaml").write_text(TEXT.replace("{ENV_FILE}", "web.env"))
    (tmp_path / ".env").write_text("NEEDED=n\n")
    return tmp_path


def _shown(place: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert (
        show(
            wanted(place, []), parse(options_of(COMMANDS["config"].options), words), lambda name: f"sha256:{len(name)}"
        )
        == 0
    )
    return capsys.readouterr().out


def test_the_whole(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _shown(place, capsys) == (
        "name: shop\n"
        "services:\n"
        "  db:\n"
        f"    build:\n      context: {place}/db\n      dockerfile: Dockerfile\n"
        "    networks:\n      default: null\n"
        "    volumes:\n      - type: volume\n        source: data\n        target: /d\n        volume: {}\n"
        "  web:\n"
        "    command:\n      - echo\n      - $$HOME\n"
        "    depends_on:\n      db:\n        condition: service_started\n        required: true\n"
        '    environment:\n      FROM_FILE: "1"\n'
        "    image: nginx:1\n"
        "    networks:\n      default: null\n"
        "networks:\n  default:\n    name: shop_default\n"
        "volumes:\n  data:\n    name: shop_data\n"
    )


def test_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = json.loads(_shown(place, capsys, "--format", "json", "db"))
    assert list(values) == ["name", "networks", "services", "volumes"]
    assert list(values["services"]) == ["db"]
    assert values["services"]["db"]["command"] is None
    assert values["networks"]["default"] == {"ipam": {}, "name": "shop_default"}


@pytest.mark.parametrize(
    ("option", "lines"),
    [
        ("--services", ["db", "web"]),
        ("--volumes", ["data"]),
        ("--networks", ["default"]),
        ("--profiles", ["a", "b"]),
        ("--images", ["shop-db", "nginx:1"]),
        ("--models", []),
    ],
)
def test_one_aspect(place: Path, capsys: pytest.CaptureFixture[str], option: str, lines: list[str]) -> None:
    assert _shown(place, capsys, option).splitlines() == lines


def test_hashes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everyone = dict(line.split() for line in _shown(place, capsys, "--hash", "*").splitlines())
    assert list(everyone) == ["db", "web"]
    assert _shown(place, capsys, "--hash", "web") == f"web {everyone['web']}\n"
    (place / "web.env").write_text("FROM_FILE=2\n")
    again = dict(line.split() for line in _shown(place, capsys, "--hash", "*").splitlines())
    assert again["db"] == everyone["db"]
    assert again["web"] != everyone["web"]


def test_without_variables_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = _shown(place, capsys, "--no-interpolate")
    assert "image: nginx:${TAG:-1}" in text
    assert "- $$HOME" in text
    assert "image: t:${NEEDED?}" in text


def test_variables(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split() for line in _shown(place, capsys, "--variables").splitlines()]
    assert lines[0] == ["NAME", "REQUIRED", "DEFAULT", "VALUE", "ALTERNATE", "VALUE"]
    assert sorted(lines[1:]) == [["NEEDED", "true"], ["TAG", "false", "1"]]


def test_environment(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(place, capsys, "--environment").splitlines()
    assert "NEEDED=n" in lines
    assert "COMPOSE_PROJECT_NAME=shop" in lines
    assert lines == sorted(lines)


def test_quiet_says_only_what_is_wrong(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _shown(place, capsys, "--quiet") == ""
    (place / "web.env").unlink()
    with pytest.raises(Failed, match=r"env file .*/web\.env not found"):
        _shown(place, capsys, "-q")
    assert _shown(place, capsys, "-q", "--no-env-resolution") == ""


def test_into_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _shown(place, capsys, "--images", "-o", str(place / "out")) == ""
    assert (place / "out").read_text() == "shop-db\nnginx:1\n"
    with pytest.raises(Failed, match=r"^open /nowhere/out: no such file or directory$"):
        _shown(place, capsys, "-o", "/nowhere/out")


def test_digests(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "image: nginx:1@sha256:7\n" in _shown(place, capsys, "--resolve-image-digests")
    assert _shown(place, capsys, "--lock-image-digests") == "services:\n  web:\n    image: nginx:1@sha256:7\n"


def test_paths_as_they_are(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "context: ./db\n" in _shown(place, capsys, "--no-path-resolution", "--no-env-resolution")


def test_a_format_that_there_is_not(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failed, match=r'^unsupported format "toml"$'):
        _shown(place, capsys, "--format", "toml")


def test_no_secret_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services: {a: {image: x, secrets: [s], configs: [c]}}\n"
        "secrets: {s: {environment: FOO}}\nconfigs: {c: {environment: FOO}}\n"
    )
    for words in ([], ["--no-interpolate"], ["--format", "json"]):
        assert "from around" not in _shown(tmp_path, capsys, *words)
