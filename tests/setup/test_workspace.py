"""The learner's folder: the course arrives, edits survive, new versions arrive beside them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from labs import catalogue
from labs.hub.userland import for_this_machine
from labs.workspace import COURSE, Act, beside, decide, prepare

LAB = "00_what_is_docker/lab.ipynb"
SOURCE = '---\ndocker_labs: {lab: "00", title: 하나, minutes: 1, goals: []}\n---\nthe source\n'


@pytest.fixture
def course(tmp_path: Path) -> Path:
    folder = tmp_path / "course"
    (folder / "00_what_is_docker/files").mkdir(parents=True)
    (folder / LAB).write_text("one")
    (folder / "00_what_is_docker/lab.md").write_text(SOURCE, encoding="utf-8")
    (folder / "00_what_is_docker/check.py").write_text("the answers")
    (folder / "00_what_is_docker/files/run.sh").write_text("#!/bin/sh\n")
    (folder / "00_what_is_docker/files/run.sh").chmod(0o755)
    (folder / "놀이터.ipynb").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("offered", "shipped", "found", "act"),
    [
        ("new", None, None, Act.WRITE),
        ("new", "old", None, Act.WRITE),  # the learner threw it away
        ("new", "old", "old", Act.WRITE),  # untouched
        ("new", "old", "edited", Act.BESIDE),
        ("same", "same", "edited", Act.KEEP),
        ("same", "old", "same", Act.KEEP),
        ("new", None, "theirs", Act.BESIDE),  # a file of that name was there before the course
    ],
)
def test_what_becomes_of_a_file(offered: str, shipped: str | None, found: str | None, act: Act) -> None:
    [placement] = decide({"f": offered}, {"f": shipped} if shipped else {}, {"f": found} if found else {})
    assert placement.act is act


def test_the_new_version_keeps_the_kind_of_file() -> None:
    assert beside(LAB) == "00_what_is_docker/lab (새 버전).ipynb"


def test_it_puts_notebooks_and_materials_but_no_answers(course: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "home/docker-labs"
    prepare(workspace, course)
    there = {
        str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file() and not path.is_symlink()
    }
    assert there >= {LAB, "놀이터.ipynb", "00_what_is_docker/files/run.sh"}
    assert not any(name.endswith(("lab.md", "check.py")) for name in there)
    assert (workspace / "00_what_is_docker/files/run.sh").stat().st_mode & 0o111


def test_edits_survive_and_a_new_version_comes_beside(course: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "docker-labs"
    prepare(workspace, course)
    (workspace / LAB).write_text("my answer")
    prepare(workspace, course)
    assert not (workspace / beside(LAB)).exists()
    (course / LAB).write_text("two")
    prepare(workspace, course)
    assert (workspace / LAB).read_text() == "my answer"
    assert (workspace / beside(LAB)).read_text() == "two"
    (workspace / beside(LAB)).unlink()
    prepare(workspace, course)
    assert not (workspace / beside(LAB)).exists(), "a new version is put there once"


def test_an_untouched_file_follows_the_course(course: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "docker-labs"
    prepare(workspace, course)
    (course / LAB).write_text("two")
    prepare(workspace, course)
    assert (workspace / LAB).read_text() == "two"


def test_a_debian_13_is_compared_with_another_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lab 00 is written with debian:trixie: there its notebook, its questions and its card name what differs."""
    release = tmp_path / "os-release"
    release.write_text("ID=debian\nVERSION_CODENAME=trixie\n")
    monkeypatch.setattr(catalogue, "for_this_machine", partial(for_this_machine, path=release))
    prepare(tmp_path / "workspace")
    notebook = (tmp_path / "workspace" / LAB).read_text(encoding="utf-8")
    assert "debian:bookworm" in notebook
    assert "trixie" not in notebook and "데비안 13" not in notebook
    lab = catalogue.lab("00")
    shown = [*(str(lab.prediction(f"00-{at}")) for at in range(1, 6)), str(lab.quiz()), str(lab.card())]
    assert not [text for text in shown if "trixie" in text or "데비안 13" in text]
    other = catalogue.lab("01").notebook
    assert (tmp_path / "workspace" / other.relative_to(COURSE)).read_bytes() == other.read_bytes()


def test_the_installed_sources_are_linked(course: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "docker-labs"
    prepare(workspace, course)
    prepare(workspace, course)
    assert (workspace / "sources/kernel_engine/paths.py").read_text().startswith('"""Where one engine instance')


def test_the_courses_own_notebooks_are_trusted_and_changed_ones_are_not(tmp_path: Path) -> None:
    from nbformat import read
    from nbformat.sign import NotebookNotary

    from labs.workspace import prepare, trust

    workspace, data = tmp_path / "workspace", tmp_path / "data"
    data.mkdir()
    placements = prepare(workspace)
    mine, *others = [item.path for item in placements if item.path.endswith(".ipynb")]
    (workspace / mine).write_text((workspace / mine).read_text().replace("docker", "docker docker", 1))
    trust(workspace, prepare(workspace), data)
    notary = NotebookNotary(data_dir=str(data))
    assert others
    assert all(notary.check_signature(read(workspace / path, as_version=4)) for path in others)
    assert not notary.check_signature(read(workspace / mine, as_version=4))
    notary.store.close()
