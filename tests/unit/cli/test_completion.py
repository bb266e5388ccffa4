"""Words completed at Tab: pure for every place of a line, and in a real interactive bash."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pexpect
import pytest

from kernel_engine.cli.commands import COMMANDS, GLOBAL_OPTIONS, GROUPS
from kernel_engine.cli.completion import ARGUMENTS, SCRIPT, VALUES, complete
from kernel_engine.cli.grammar import options_of
from kernel_engine.client import Client
from kernel_engine.compose import commands as compose
from kernel_engine.compose.completion import candidates

NAMES = {
    "container": ["web", "db", "old"],
    "running": ["web", "db"],
    "stopped": ["old"],
    "image": ["busybox:latest", "busybox", "wiki:1.0"],
    "network": ["bridge", "inner"],
    "context": ["default", "second"],
}


def completed(line: str) -> tuple[list[str], bool]:
    def room(name: str, rest: Sequence[str]) -> tuple[list[str], bool]:
        return [f"{name}({' '.join(rest)})"], False

    return complete(line.split(" "), lambda kind: NAMES.get(kind, []), room)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ru", ["run"]),
        ("--con", ["--config", "--context"]),
        ("--context ", ["default", "second"]),
        ("--host tcp://x ex", ["exec", "export"]),
        ("network ", sorted(GROUPS["network"])),
        ("network rm in", ["inner"]),
        ("exec ", ["db", "web"]),
        ("container exec -it w", ["web"]),
        ("exec web ", []),
        ("exec web --u", []),
        ("exec -u 0 --tt", ["--tty"]),
        ("start ", ["old"]),
        ("rm web ", ["db", "old", "web"]),
        ("run -it wi", ["wiki:1.0"]),
        ("run --name run bus", ["busybox", "busybox:latest"]),
        ("run --network ", ["bridge", "inner"]),
        ("run --network=in", ["--network=inner"]),
        ("run --restart un", ["unless-stopped"]),
        ("run --name w", []),
        ("run busybox l", []),
        ("nosuch ", []),
        ("network nosuch ", []),
        ("compose -f x up w", ["compose(-f x up w)"]),
    ],
)
def test_what_fits(line: str, words: list[str]) -> None:
    assert completed(line) == (words, False)


@pytest.mark.parametrize("line", ["build ", "run --env-file ", "run --env-file=", "cp ", "load -i "])
def test_where_files_fit(line: str) -> None:
    assert completed(line) == ([], True)


def test_the_tables_name_what_there_is() -> None:
    assert set(ARGUMENTS) <= set(COMMANDS)
    tables = [GLOBAL_OPTIONS, compose.GLOBAL_OPTIONS, *(command.options for command in COMMANDS.values())]
    assert set(VALUES) <= {option.name for table in tables for option in options_of(table)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: x}, db: {image: x}}")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("project")
def test_services_of_a_compose_file() -> None:
    nobody = Client("unix:///nonexistent")
    assert candidates(nobody, ["up", "-d", ""]) == (["db", "web"], False)
    assert candidates(nobody, ["exec", "web", ""]) == ([], False)
    assert candidates(nobody, ["-f", "compose.yaml", "logs", "w"]) == (["web"], False)
    assert candidates(nobody, ["-f", "nosuch.yaml", "logs", ""]) == ([], False)
    assert candidates(nobody, ["conf"]) == (["config"], False)
    assert candidates(nobody, ["-f", ""]) == ([], True)
    assert "--no-ansi" not in candidates(nobody, ["--"])[0]


@pytest.mark.usefixtures("project")
def test_in_a_real_bash(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(SCRIPT)
    (tmp_path / "variables.env").write_text("")
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nexec {sys.executable} -m kernel_engine.cli.main "$@"\n')
    docker.chmod(0o755)
    environment = {**os.environ, "PATH": f"{docker.parent}:{os.environ['PATH']}", "PS1": "ready> ", "TERM": "dumb"}
    environment |= {"DOCKER_HOST": "unix:///nonexistent", "PYTHONPATH": str(Path(__file__).parents[3])}
    bash = pexpect.spawn("bash", ["--norc", "--noprofile", "-i"], env=environment, encoding="utf-8", timeout=60)
    try:
        bash.sendline(". ./script; bind 'set enable-bracketed-paste off'")
        for typed, becomes in {
            "docker netw\tinspe\t": "docker network inspect ",
            "docker run --restart=unl\t": "docker run --restart=unless-stopped ",
            "docker run --env-file var\t": "docker run --env-file variables.env ",
            "docker compose up --force-r\tw\t": "docker compose up --force-recreate web ",
            "docker-compose logs d\t": "docker-compose logs db ",
        }.items():
            bash.expect_exact("ready> ")
            bash.send(typed)
            bash.expect_exact(becomes)
            bash.send("\x15\r")  # the line away, another prompt; a bash that is busy may lose a Ctrl+C
    finally:
        bash.close(force=True)
