"""What is kept of a learner: whole or not at all, several writers, damaged files put aside with a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labs import overview, practice, progress
from labs.catalogue import lab, labs
from labs.checks import NotYet
from labs.progress import Progress, Record, State

HINTS = ("하나", "둘", "셋")
MISSING = NotYet(expected="있음", found="없음", read_from="docker ps", hints=HINTS)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def kept(tmp_path: Path, said: list[str]) -> Progress:
    return Progress(folder=tmp_path / ".docker-labs", say=said.append)


def test_what_was_noted_is_read_by_another(kept: Progress, said: list[str]) -> None:
    assert kept.records() == {}
    assert not kept.folder.exists(), "looking writes nothing"
    kept.note("01-3", progress.not_yet)
    kept.note("01-2", progress.passed)
    again = Progress(folder=kept.folder, say=said.append)
    assert {name: record.state for name, record in again.records().items()} == {
        "01-2": State.PASSED,
        "01-3": State.TRIED,
    }
    assert again.of("01-1").state is State.NEW
    assert said == []


def test_the_solution_s_pass_is_not_the_learner_s() -> None:
    done = progress.passed(progress.solved(Record()))
    assert done.state is State.TRIED
    assert progress.passed(progress.begun_again(done)).state is State.PASSED
    assert progress.passed(progress.not_yet(done)).state is State.PASSED
    assert progress.solved(Record(passed=True)).state is State.PASSED


def test_hints_are_counted_for_what_is_missing(kept: Progress) -> None:
    assert practice.hints_read("01-3", MISSING, kept) == 0
    practice.note_hints("01-3", MISSING, 2, kept)
    practice.note_hints("01-3", MISSING, 1, kept)
    assert practice.hints_read("01-3", MISSING, kept) == 2
    other = NotYet(expected="다름", found="없음", read_from="docker ps", hints=("가", "나", "다"))
    assert practice.hints_read("01-3", other, kept) == 0
    assert not kept.of("01-3").tried
    practice.note_hints("01-3", MISSING, 3, kept)
    assert kept.of("01-3").tried


def test_the_solution_waits_for_a_try(kept: Progress) -> None:
    told = practice.why_not_yet("00-1", kept, "%")
    assert "%check 00-1" in told and "%hint 00-1" in told
    kept.note("00-1", progress.not_yet)
    assert practice.why_not_yet("00-1", kept, "%") == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"version": 1}',
        b'{"version": 2, "exercises": {}}',
        b'{"version": 1, "exercises": []}',
        b'{"version": 1, "exercises": {"01-3": true}}',
        b'{"version": 1, "exercises": {"01-3": {"passed": "yes"}}}',
        b'{"version": 1, "exercises": {"01-3": {"hints": {"a": true}}}}',
        b'{"version": 1, "exercises": {"01-3": {"hints": []}}}',
        b'{"version": 1, "exercises": {"01-3": {"other": 1}}}',
        b"[" * 100_000,
    ],
    ids=lambda content: content[:60].decode("latin-1"),
)
def test_a_damaged_file_is_put_aside_with_a_sentence(kept: Progress, said: list[str], content: bytes) -> None:
    kept.folder.mkdir()
    (kept.folder / progress.FILE).write_bytes(content)
    assert kept.records() == {}
    [sentence] = said
    assert "progress.damaged-1.json" in sentence
    assert (kept.folder / "progress.damaged-1.json").read_bytes() == content
    kept.note("01-3", progress.passed)
    assert kept.of("01-3").passed
    (kept.folder / progress.FILE).write_bytes(content)
    kept.note("01-4", progress.passed)
    assert (kept.folder / "progress.damaged-2.json").exists()
    assert list(kept.records()) == ["01-4"]


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("")
    kept = Progress(folder=tmp_path / "file" / ".docker-labs", say=said.append)
    kept.note("01-3", progress.passed)
    assert said and all("진도를" in sentence for sentence in said)


def test_half_a_write_leaves_what_was_there(kept: Progress, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kept.note("01-3", progress.passed)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    kept.note("01-4", progress.passed)
    assert "No space left" in said[0]
    assert list(kept.records()) == ["01-3"]
    assert sorted(path.name for path in kept.folder.iterdir()) == [progress.FILE, progress.LOCK]


def test_several_notebooks_write_at_once(kept: Progress) -> None:
    source = (
        "import sys\nfrom pathlib import Path\nfrom labs import progress\n"
        "kept = progress.Progress(folder=Path(sys.argv[1]), say=print)\n"
        "for at in range(20):\n    kept.note(f'{sys.argv[2]}-{at}', progress.passed)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", source, str(kept.folder), f"0{at}"], stdout=subprocess.PIPE)
        for at in range(4)
    ]
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        assert (writer.returncode, output) == (0, b"")
    assert len(kept.records()) == 80
    assert json.loads((kept.folder / progress.FILE).read_text())["version"] == progress.VERSION


def test_a_terminal_in_the_workspace_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_LABS_WORKSPACE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    inside = tmp_path / "workspace" / "01_lab"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert progress.folder() == tmp_path / "home" / ".docker-labs"
    (tmp_path / "workspace" / ".docker-labs").mkdir()
    assert progress.folder() == tmp_path / "workspace" / ".docker-labs"
    monkeypatch.setenv("DOCKER_LABS_WORKSPACE", str(tmp_path / "named"))
    assert progress.folder() == tmp_path / "named" / ".docker-labs"


def test_the_whole_course_as_text() -> None:
    records = {"00-1": Record(passed=True), "00-2": Record(tried=True, solved=True)}
    lines = overview.as_text(overview.overview(labs(), records)).splitlines()
    assert lines[0].endswith("1개 통과")
    assert lines[1] == "00 도커란? (1/3)"
    assert [line.rpartition(" · ")[2] for line in lines[2:5]] == ["통과", "해 봤어요 (풀이를 봤어요)", "아직"]
    assert sum(line.startswith("  ") for line in lines) == sum(len(list(of.directives("exercise"))) for of in labs())


def test_the_lab_s_folder_is_the_learner_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = lab("03")
    monkeypatch.setenv("DOCKER_LABS_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert practice.lab_folder(of) == tmp_path, "nothing of it in the workspace"
    (tmp_path / of.folder.name).mkdir()
    assert practice.lab_folder(of) == tmp_path / of.folder.name
    (tmp_path / "copy" / of.folder.name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "copy" / of.folder.name)
    assert practice.lab_folder(of) == Path.cwd()
