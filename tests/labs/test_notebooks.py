"""Built notebooks: in step with their source, and the same again on a fresh engine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from labs import build, catalogue
from labs.catalogue import COURSE, Lab
from labs.notebook.learning import pages
from tests.daemon import SLOWNESS, Daemon

SANITIZE = COURSE / "sanitize.cfg"
LABS = pytest.mark.parametrize("lab", catalogue.labs(), ids=lambda lab: lab.number)


@LABS
def test_the_notebook_follows_its_source(lab: Lab) -> None:
    assert build.difference(lab) == ""


@LABS
def test_its_map_shows_the_course_of_today(lab: Lab) -> None:
    """`labs build --refresh` draws it again where a lab has come."""
    [told] = [
        output.data["text/plain"]
        for cell in nbformat.read(lab.notebook, 4).cells
        if cell.source == f"%map {lab.number}"
        for output in cell.outputs
    ]
    assert told == pages.map_text(lab, catalogue.labs())


@LABS
def test_the_same_source_gives_the_same_ids(lab: Lab) -> None:
    ids = [[cell.id for cell in build.notebook(lab).cells] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0])


@LABS
def test_everything_that_the_source_promises_is_there(lab: Lab) -> None:
    for kind in ("predict", "quiz", "card", "exercise"):
        assert list(lab.directives(kind)), kind
    for directive in lab.directives("predict"):
        lab.prediction(directive.argument)
    assert len(lab.quiz()) == 3
    assert lab.card()
    text = lab.source.read_text(encoding="utf-8")
    assert ":::{docker}" in text
    assert ":::{why}" in text


@LABS
def test_nothing_was_written_to_stderr(lab: Lab) -> None:
    outputs = [output for cell in nbformat.read(lab.notebook, 4).cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.get("name") == "stderr" or output.output_type == "error"]


def test_the_playground_is_what_the_builder_makes() -> None:
    assert nbformat.read(COURSE / "놀이터.ipynb", 4) == build.playground()


@pytest.mark.timeout(900)
@LABS
def test_nbval_replays_it_on_a_fresh_engine(lab: Lab, engine: Daemon, tmp_path: Path) -> None:
    began = time.monotonic()
    with build.learners_folder(lab) as folder:
        result = replay(folder / lab.notebook.name, engine, tmp_path, build.workspace_of(lab, folder))
    assert result.returncode == 0, result.stdout
    assert time.monotonic() - began < lab.minutes * 60 * SLOWNESS


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_what_lab_10_leaves_does_not_disturb_its_second_run(engine: Daemon, tmp_path: Path) -> None:
    lab = catalogue.lab("10")
    for _ in range(2):
        with build.learners_folder(lab) as folder:
            result = replay(folder / lab.notebook.name, engine, tmp_path, build.workspace_of(lab, folder))
        assert result.returncode == 0, result.stdout
        assert engine.out("ps", "-aq") == ""
        assert engine.out("volume", "ls", "-q") == ""
        assert engine.out("network", "ls", "-q", "--filter", "type=custom") == ""


def replay(
    notebook: Path, engine: Daemon, empty: Path, workspace: Path | None = None, *, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """`pytest --nbval`, strictly, in a process of its own; its kernels load our extension by IPython's settings."""
    with build.kernel_environment(engine.host, workspace or notebook.parent.parent):
        environment = {name: value for name, value in os.environ.items() if name != "DOCKER_LABS_STILL"}
        return subprocess.run(
            nbval(notebook, empty, python=python),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
        )


def nbval(notebook: Path, empty: Path, *, python: str = sys.executable) -> list[str]:
    """The words of a strict replay. `empty` is where pytest finds no settings."""
    return [
        *(python, "-P", "-m", "pytest", "--nbval", "--nbval-sanitize-with", str(SANITIZE)),
        *("--nbval-cell-timeout", "300", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:asyncio"),
        *("-c", os.devnull, "--rootdir", str(empty), "--color", "no", "-q", str(notebook)),
    ]
