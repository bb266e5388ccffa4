"""The `labs` command in a terminal: the same hints, solutions, ways back and progress as in a notebook."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from labs.stepping.command import GAVE_UP_CODE, PROMPT
from tests.daemon import Daemon

PATIENCE = 120

Labs = Callable[..., tuple[int, str]]


@pytest.fixture
def labs(clean: Daemon, tmp_path: Path) -> Labs:
    """Runs it: exit code, output and error."""
    environment = {**os.environ, "DOCKER_HOST": clean.host, "DOCKER_LABS_WORKSPACE": str(tmp_path)}

    def run(*words: str, course: Path | None = None) -> tuple[int, str]:
        other = {"DOCKER_LABS_COURSE": str(course)} if course else {}
        command = [sys.executable, "-m", "labs.cli", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment | other, check=False
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    return run


def test_hints_then_the_solution_then_one_s_own(labs: Labs, clean: Daemon) -> None:
    code, told = labs("solve", "00-2")
    assert (code, clean.out("ps", "-aq")) == (1, "")
    assert "labs check 00-2" in told and "labs hint 00-2" in told
    code, told = labs("hint", "00-2")
    assert code == 0 and told.startswith("힌트 1/3 · 방향\n")
    assert "힌트 2/3 · 방법\n" in labs("hint", "00-2")[1]
    assert "labs solve 00-2" in labs("hint", "00-2")[1]
    code, told = labs("solve", "00-2")
    assert code == 0 and "$ docker run" in told and "✓ 00-2 통과" in told
    assert "◐ 00-2" in labs("progress")[1]
    assert labs("reset", "00-2")[0] == 0
    assert clean.out("ps", "-aq") == ""
    assert labs("check", "00-2")[0] == 1
    clean.docker("run", "-dit", "--name", "stay", "busybox", "sh")
    clean.docker("run", "--name", "leave", "busybox", "sh")
    assert labs("check", "00-2")[0] == 0
    assert "✓ 00-2" in labs("progress")[1]


def test_a_start_is_stepped_through_at_a_terminal(clean: Daemon, tmp_path: Path) -> None:
    words = ["step", "docker", "run", "--rm", "-it", "--name", "stepped", "busybox", "sh", "-c", "read x; exit $x"]
    environment = {**os.environ, "DOCKER_HOST": clean.host, "DOCKER_LABS_WORKSPACE": str(tmp_path)}
    command = [sys.executable, "-m", "labs.cli", *words]

    given_up = pexpect.spawn(command[0], command[1:], env=environment, timeout=PATIENCE, encoding="utf-8")
    for answer in ("", "", "q"):
        given_up.expect_exact(PROMPT)
        given_up.sendline(answer)
    given_up.expect_exact("그만뒀어요.")
    given_up.wait()
    assert given_up.exitstatus == GAVE_UP_CODE
    assert clean.out("ps", "-aq") == ""

    run = pexpect.spawn(command[0], command[1:], env=environment, timeout=PATIENCE, encoding="utf-8")
    run.expect_exact(PROMPT)
    assert clean.inspect("stepped")["State"]["Status"] == "created"
    run.sendline("e")
    run.expect_exact("컨테이너가 실행됐어요.")
    run.sendline("7")
    run.expect(pexpect.EOF)
    run.wait()
    assert run.exitstatus == 7


LAB = "---\ndocker_labs: {lab: '90', title: 시험, minutes: 1, goals: [볼 수]}\n---\n# 시험\n"
CHECK = """from labs.checks import Exercise, NotYet
missing = NotYet(expected="a", found="b", read_from="c")
checks = {"90-1": Exercise(check=lambda engine: missing, solve="docker rm nosuch", wrong={})}
"""


def test_a_solution_that_fails_shows_why_once(labs: Labs, tmp_path: Path) -> None:
    folder = tmp_path / "course" / "90_test"
    folder.mkdir(parents=True)
    (folder / "lab.md").write_text(LAB)
    (folder / "check.py").write_text(CHECK)
    code, told = labs("solve", "90-1", "--untried", course=folder.parent)
    assert code == 2
    assert told.count("$ docker rm nosuch") == told.count("No such container: nosuch") == 1
    assert "풀이의 명령이 실패했어요" in told
    code, told = labs("hint", "90-1", course=folder.parent)
    assert code == 2 and "힌트가 없어요" in told


def test_a_lab_s_reset_leaves_everything_else(labs: Labs, clean: Daemon) -> None:
    for name in ("mine", "stay", "worker"):
        clean.docker("create", "--name", name, "busybox")
    assert labs("reset", "00")[0] == 0
    assert clean.out("ps", "-a", "--format", "{{.Names}}") == "mine"


@pytest.mark.parametrize("words", [("hint", "99-1"), ("solve", "00-9"), ("reset", "99"), ("check", "nonsense")])
def test_what_is_not_there_is_a_sentence(labs: Labs, words: tuple[str, ...]) -> None:
    code, told = labs(*words)
    assert code == 2
    assert "없어요" in told
