"""Every exercise: nothing done is not yet, its solution passes, each wrong solution does not, nothing is left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs import catalogue, checks, practice
from labs.build import fixed_ports
from labs.checks import EngineView, Exercise, NotYet, Passed
from labs.progress import FOLDER, Progress
from labs.workspace import WITHHELD
from tests.daemon import REPOSITORY, Daemon

EVERY = {name: exercise for lab in catalogue.labs() for name, exercise in checks.exercises(lab).items()}
#: those that share a ground are in `test_orchestration`
ALL = {name: exercise for name, exercise in EVERY.items() if exercise.ground is None}
#: one wrong solution for each lab in every run, the others with --full: they take minutes
WRONG = [
    pytest.param(name, title, marks=[pytest.mark.full] if at or not name.endswith("-1") else [])
    for name, exercise in ALL.items()
    for at, title in enumerate({**exercise.wrong, **exercise.wrong_answers})
]


@pytest.fixture
def view(shared_engine: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineView:
    monkeypatch.chdir(tmp_path)
    return EngineView(shared_engine.host, workspace=tmp_path)


@pytest.fixture
def exercise(request: pytest.FixtureRequest, view: EngineView, tmp_path: Path) -> Iterator[Exercise]:
    """Begun beside the lab's materials, and ended whatever happened."""
    found = ALL[request.param]
    materials = shutil.ignore_patterns(*WITHHELD, catalogue.NOTEBOOK)
    shutil.copytree(catalogue.lab(request.param).folder, tmp_path, ignore=materials, dirs_exist_ok=True)
    with fixed_ports():
        found.begin(view)
        yield found
        found.end(view)
    assert view.containers() == []
    assert not {row["Name"] for row in view.volumes()} & set(found.volumes)


def answered(view: EngineView, answer: str) -> EngineView:
    return EngineView(view.host, answer=answer, workspace=view.workspace)


def right_answer(exercise: Exercise, view: EngineView) -> str:
    return exercise.answer(view) if callable(exercise.answer) else exercise.answer


@pytest.mark.parametrize("exercise", ALL, indirect=True)
def test_nothing_done_is_not_yet(exercise: Exercise, view: EngineView) -> None:
    assert isinstance(exercise.check(view), NotYet)


@pytest.mark.parametrize("name", ALL)
def test_the_solution_passes_and_shows_what_it_does(
    name: str, view: EngineView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `%solve` runs it: in a folder of its own, nothing of the lesson before it."""
    monkeypatch.setenv("DOCKER_LABS_WORKSPACE", str(tmp_path))
    told: list[str] = []
    try:
        result = practice.solve(name, view.host, Progress(folder=tmp_path / FOLDER, say=told.append), told.append)
    finally:
        ALL[name].end(view)
    assert isinstance(result, Passed), result
    assert any(line.startswith(("$ ", "%%wall\n")) for line in told)
    assert view.containers() == []
    assert [path.name for path in tmp_path.iterdir() if path.name != FOLDER] == [f"solution-{name.rpartition('/')[2]}"]


@pytest.mark.parametrize(("exercise", "title"), WRONG, indirect=["exercise"])
def test_a_wrong_solution_does_not_pass(exercise: Exercise, title: str, view: EngineView) -> None:
    if title in exercise.wrong:
        checks.work(exercise.wrong[title], view)
        answer = right_answer(exercise, view)
    else:
        checks.work(exercise.solve, view)
        answer = exercise.wrong_answers[title]
    result = exercise.check(answered(view, answer))
    assert isinstance(result, NotYet), result
    assert result.expected and result.found and result.read_from


def test_checks_are_typed() -> None:
    """One run for each: they are files of the same name, not modules of one package."""
    for lab in catalogue.labs():
        command = [sys.executable, "-m", "mypy", "--strict", str(lab.check_file)]
        result = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


def test_every_exercise_of_a_source_has_a_check() -> None:
    written = {directive.argument.split()[0] for lab in catalogue.labs() for directive in lab.directives("exercise")}
    assert written == set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_every_exercise_has_a_wrong_solution_and_hints_for_it(name: str) -> None:
    assert EVERY[name].wrong or EVERY[name].wrong_answers
