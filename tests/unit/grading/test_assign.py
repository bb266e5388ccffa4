"""Notebooks to hand out: marked as nbgrader wants it, without solutions, each learner's own where a seed says so."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from labs import catalogue, checks, cli, directives, practice
from labs.checks import EngineView, Exercise, NotYet, Passed, Varied
from labs.directives import BadSource
from labs.grading import manifest, marks, sheet
from labs.grading.assign import assign
from labs.grading.failures import BadInput
from labs.grading.manifest import Learner
from labs.grading.marks import Kind

LAB = catalogue.lab("05")
GRADED = [lab for lab in catalogue.labs() if not lab.track]
ALLOWED = {"schema_version", "grade", "solution", "locked", "task", "grade_id", "points", "checksum", "cell_type"}


def test_every_cell_is_marked_as_schema_3_has_it() -> None:
    for lab in GRADED:
        made = sheet.sheet(lab).notebook
        told = [cell.metadata["nbgrader"] for cell in made.cells]
        assert len({each["grade_id"] for each in told}) == len(told)
        for cell, each in zip(made.cells, told, strict=True):
            assert set(each) <= ALLOWED and each["schema_version"] == 3
            assert re.fullmatch(r"[a-zA-Z0-9_-]+", each["grade_id"])
            assert ("points" in each) == each["grade"]
            assert each["cell_type"] == cell.cell_type and each["checksum"] == marks.checksum(cell)
        graded = [cell for cell in made.cells if marks.kind(cell) is Kind.CHECK]
        assert [marks.grade_id(cell) for cell in graded] == [f"check-{name}" for name in checks.exercises(lab)]


def test_an_exercise_with_an_answer_has_a_line_of_its_own_for_it() -> None:
    made = sheet.sheet(LAB).notebook
    [answer] = [cell for cell in made.cells if marks.grade_id(cell) == "answer-05-7"]
    assert marks.kind(answer) is Kind.WORK and answer.source.startswith("%check 05-7 ")
    [check] = [cell for cell in made.cells if marks.grade_id(cell) == "check-05-7"]
    assert check.source == "%check 05-7"


def test_an_answer_that_differs_each_time_is_said_to_be_asked_anew() -> None:
    made = sheet.sheet(catalogue.lab("00")).notebook
    [text] = [cell.source for cell in made.cells if cell.source.startswith("### 과제 00-3.")]
    assert "%check 00-3 $(명령)" in text


SOURCE = """# 시험
x = 1
### BEGIN SOLUTION
x = 42
### END SOLUTION
y = x
"""


def test_solutions_are_in_the_teacher_s_notebook_alone(tmp_path: Path) -> None:
    folder = tmp_path / LAB.folder.name
    shutil.copytree(LAB.folder, folder)
    built = nbformat.read(folder / "lab.ipynb", 4)
    next(cell for cell in built.cells if cell.source.startswith("docker")).source = SOURCE
    nbformat.write(built, folder / "lab.ipynb")
    made = sheet.sheet(replace(LAB, folder=folder))
    assert "x = 42" in nbformat.writes(made.source)
    [stripped] = [cell for cell in made.notebook.cells if "x = 1" in cell.source]
    assert stripped.source == "# 시험\nx = 1\n# 여기에 명령을 쓰고 실행하세요.\ny = x\n"
    assert marks.kind(stripped) is Kind.WORK and not stripped.outputs
    assert all(cell.metadata["nbgrader"]["checksum"] == marks.checksum(cell) for cell in made.notebook.cells)


def test_each_learner_has_values_of_their_own_and_the_published_course_its_own(tmp_path: Path) -> None:
    learners = tuple(Learner(id=f"learner{number}") for number in range(8))
    made = assign((LAB,), tmp_path, learners, seed="비밀")
    ports = set()
    for learner in learners:
        folder = tmp_path / "learners" / learner.id / LAB.folder.name
        port = practice.own_values(folder)["05-2"]["port"]
        text = (folder / "lab.ipynb").read_text(encoding="utf-8")
        assert f"호스트의 {port}번으로" in text and (folder / "fix" / "run.sh").is_file()
        assert made.values(LAB, learner.id) == {"05-2": {"port": port}}
        ports.add(port)
    assert len(ports) > 1
    assert "호스트의 9000번으로" in (tmp_path / "release" / LAB.folder.name / "lab.ipynb").read_text(encoding="utf-8")
    assert manifest.read(tmp_path) == made
    withheld = {"lab.md", "check.py"}
    assert not [path for path in tmp_path.rglob("*") if path.name in withheld]


def test_another_seed_does_not_go_into_the_same_folder(tmp_path: Path) -> None:
    learners = (Learner(id="kim"),)
    assign((LAB,), tmp_path, learners, seed="a")
    assign((catalogue.lab("08"),), tmp_path, learners, seed="a")
    assert set(manifest.read(tmp_path).labs) == {"05_container_commands", "08_volumes"}
    with pytest.raises(BadInput, match="another seed"):
        assign((LAB,), tmp_path, learners, seed="b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kim\n../etc\n", "cannot name a folder"),
        ("kim\nlee\nkim\n", "twice"),
        ("\n# nobody\n", "nobody"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_sentence_and_its_korean(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "learners").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=why) as caught:
        manifest.learners(tmp_path / "learners")
    assert len(str(caught.value).splitlines()) == 2


def test_a_list_may_be_nbgrader_s(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,last_name,first_name,email\nkim,김,하나,a@b\n이둘,,,\n", encoding="utf-8")
    assert manifest.learners(tmp_path / "l.csv") == (
        Learner(id="kim", last_name="김", first_name="하나", email="a@b"),
        Learner(id="이둘"),
    )


# a neighbour's answer ------------------------------------------------------------------------------------------------
NAME = Varied("name", ("one", "two"))


def _named(engine: EngineView) -> checks.Result:
    if engine.answer == engine.value(NAME):
        return Passed("맞아요.")
    return NotYet(expected=f"`{engine.value(NAME)}`", found="없어요.", read_from="답")


EXERCISE = Exercise(check=_named, solve="", wrong={}, varied=(NAME,))


def test_a_neighbour_s_answer_does_not_pass_and_is_told_so() -> None:
    mine = {"name": "two"}
    assert isinstance(checks.check(EXERCISE, EngineView("unix:///x", answer="two", values=mine)), Passed)
    copied = checks.check(EXERCISE, EngineView("unix:///x", answer="one", values=mine))
    assert isinstance(copied, NotYet) and "다른 사람의 문제에 맞는 답이에요: `one`" in copied.found
    other = checks.check(EXERCISE, EngineView("unix:///x", answer="three", values=mine))
    assert isinstance(other, NotYet) and other.found == "없어요."
    everybody = checks.check(EXERCISE, EngineView("unix:///x", answer="two"))
    assert isinstance(everybody, NotYet) and everybody.found == "없어요."


# what a source may say -----------------------------------------------------------------------------------------------
def _exercise(body: str, values: dict[str, str] | None = None) -> directives.ExerciseText:
    [found] = directives.directives(f"```{{exercise}} 90-1 시험\n{body}\n```\n")
    return directives.exercise(found, values)


def test_options_of_an_exercise() -> None:
    told = _exercise(":points: 2.5\n:replay: required\n:answer: 여기에\n포트 {=port}번", {"port": "9000"})
    assert (told.points, told.replay, told.answer, told.text) == (2.5, True, "여기에", "포트 9000번")
    assert _exercise("글 {{end}}", {}).text == "글 {{end}}"


@pytest.mark.parametrize("body", [":points: many\n글", ":replay: maybe\n글", ":colour: red\n글", "{=nobody}"])
def test_an_option_that_is_none(body: str) -> None:
    with pytest.raises(BadSource, match=r"90-1|nobody"):
        _exercise(body, {})


def test_a_lab_that_was_not_built_is_not_handed_out(tmp_path: Path) -> None:
    folder = tmp_path / LAB.folder.name
    shutil.copytree(LAB.folder, folder)
    source = folder / "lab.md"
    source.write_text(source.read_text(encoding="utf-8").replace("세 가지 끝", "네 가지 끝"), encoding="utf-8")
    with pytest.raises(BadSource, match="run labs build 05 again"):
        sheet.sheet(replace(LAB, folder=folder))
    (folder / "lab.ipynb").unlink()
    with pytest.raises(BadSource, match="run labs build 05 first"):
        sheet.sheet(replace(LAB, folder=folder))


def test_the_digest_follows_the_lab(tmp_path: Path) -> None:
    lab = replace(LAB, folder=tmp_path)
    (tmp_path / "lab.md").write_text("a", encoding="utf-8")
    before = sheet.digest(lab)
    (tmp_path / "check.py").write_text("b", encoding="utf-8")
    assert sheet.digest(lab) != before


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", json.dumps({"version": 9}), json.dumps({"version": 1, "seed": ""})):
        (tmp_path / manifest.FILE).write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match="not a manifest"):
            manifest.read(tmp_path)


def test_nbgrader_takes_it() -> None:
    """Its own validator, where it is installed."""
    reader: Any = pytest.importorskip("nbgrader.nbgraderformat", reason="needs nbgrader")
    for lab in GRADED:
        reader.reads(nbformat.writes(sheet.sheet(lab).notebook), as_version=4)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("99", "-o", "out"), "99번 실습은 없어요"),
        (("engine/00", "-o", "out"), "커널을 직접 다루는 실습이라서 채점할 수 없어요"),
        (("05", "10", "-o", "out"), "권한 있는 컨테이너(--privileged)가 필요해서"),
        (("05", "-o", "file/out"), "Not a directory"),
        (("05", "-o", "out", "--seed", "x"), "--seed needs --learners"),
        (("05", "-o", "out", "--learners", "nosuch"), "No such file"),
    ],
)
def test_what_cannot_be_handed_out_is_told_without_a_traceback(
    words: tuple[str, ...],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert cli.main(["assign", *words]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
