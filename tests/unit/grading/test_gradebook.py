"""What is kept of graded submissions, and the tables and pages made of it."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest

from labs import catalogue
from labs.grading import gradebook, pages, submissions
from labs.grading.failures import BadInput
from labs.grading.gradebook import Gradebook
from labs.grading.manifest import Learner
from labs.grading.mending import Finding
from labs.grading.results import Cell, Graded, Score, State

LAB = catalogue.lab("05")
NAME = LAB.folder.name
HOSTILE = "<script>alert(1)</script>"
DONE = Graded(
    learner="kim", assignment=NAME, path="/in/kim.ipynb", digest="sha256:1", timestamp="2026-03-01 09:00:00",
    seconds=3.5,
    scores=(
        Score(exercise="05-1", title="태그", points=2.0, most=2.0, state=State.PASSED, told="`lab/echo`가 있어요."),
        Score(exercise="05-2", title="포트", points=0.0, most=1.5, state=State.NOT_YET, expected="`port-fixed`",
              found=HOSTILE, read_from="docker ps"),
    ),
    findings=(Finding(kind="edited", cell="given-1", text="되돌렸어요."),),
    cells=(Cell(number=3, name="work-1", line=f"print({HOSTILE!r})", why=f"\x1b[31m{HOSTILE}"),),
)  # fmt: skip
LEARNERS = {"kim": Learner(id="kim", first_name="하나", last_name="김"), "lee": Learner(id="lee")}


@pytest.fixture
def book(tmp_path: Path) -> Gradebook:
    return Gradebook(tmp_path)


def test_what_was_put_is_what_is_read(book: Gradebook, tmp_path: Path) -> None:
    book.put_learners(LEARNERS.values())
    book.put(DONE)
    again = Gradebook(tmp_path)
    assert again.all() == (DONE,) and again.learners() == LEARNERS
    assert again.digests() == {("kim", NAME): "sha256:1"}


def test_a_second_grade_takes_the_first_one_s_place(book: Gradebook) -> None:
    book.put(DONE)
    other = replace(DONE, digest="sha256:2", scores=DONE.scores[:1], findings=(), cells=())
    book.put(other)
    assert book.all() == (other,)


def test_a_file_that_is_no_gradebook(tmp_path: Path) -> None:
    (tmp_path / gradebook.FILE).write_text("not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(BadInput, match="not a gradebook"):
        Gradebook(tmp_path)


def test_grades_have_nbgrader_s_columns(book: Gradebook) -> None:
    table = gradebook.grades((DONE,), LEARNERS, [(NAME, "lee", 3.5)])
    rows = list(csv.DictReader(io.StringIO(table)))
    assert table.splitlines()[0] == (
        "assignment,duedate,timestamp,student_id,last_name,first_name,email,raw_score,late_submission_penalty,score,max_score"
    )
    assert [(row["student_id"], row["score"], row["max_score"]) for row in rows] == [
        ("lee", "0.0", "3.5"),
        ("kim", "2.0", "3.5"),
    ]
    assert rows[1]["last_name"] == "김"


def test_a_spreadsheet_gets_no_formula_of_a_learner_s() -> None:
    score = replace(DONE.scores[1], found='=HYPERLINK("http://x")')
    table = gradebook.exercises((replace(DONE, scores=(score,)),))
    assert "'=HYPERLINK" in table


def test_a_feedback_page_says_what_was_found_and_nothing_is_markup() -> None:
    page = pages.feedback((DONE,), {NAME: LAB})
    assert "2 / 3.5점" in page and "<code>port-fixed</code>" in page and "3번째 코드 셀" in page
    assert "<script" not in page and "&lt;script&gt;" in page and "\x1b" not in page
    assert "default-src 'none'" in page
    assert all(hint not in page for hint in ("docker container run -d --name port-fixed", "방향"))


def test_the_class_page_shows_who_is_where_and_what_was_hard() -> None:
    other = replace(DONE, learner="lee", scores=(DONE.scores[0], replace(DONE.scores[1], state=State.BROKEN)))
    page = pages.class_page((DONE, other), LEARNERS, [(NAME, "park", 3.5)], {NAME: LAB})
    assert "kim 김하나" in page and "내지 않음" in page and 'href="feedback/kim.html"' in page
    assert page.index("05-2 포트") < page.index("05-1 태그")  # the hardest first
    assert "0/2명 통과" in page and "2/2명 통과" in page
    assert "<script" not in page


# what was handed in --------------------------------------------------------------------------------------------------
LABS = {NAME: LAB, "08_volumes": catalogue.lab("08")}


def _put(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_both_layouts_are_understood(tmp_path: Path) -> None:
    _put(tmp_path / "submitted" / "kim" / NAME / "lab.ipynb")
    _put(tmp_path / "submitted" / "kim" / NAME / "fix" / "run.sh")
    _put(tmp_path / "submitted" / "kim" / NAME / ".ipynb_checkpoints" / "lab.ipynb")
    _put(tmp_path / "lee-05.ipynb")
    _put(tmp_path / f"park_{NAME}.ipynb")
    _put(tmp_path / "choi.ipynb", '{"metadata": {"docker_labs": {"lab": "08"}}}')
    found = submissions.find(tmp_path, LABS)
    assert [each.key for each in found.submissions] == [
        ("choi", "08_volumes"), ("kim", NAME), ("lee", NAME), ("park", NAME)
    ]  # fmt: skip
    assert [name for name, _ in submissions.files(found.submissions[1].folder)] == ["fix/run.sh"]
    assert found.unknown == ()


def test_what_nobody_can_name_is_told(tmp_path: Path) -> None:
    _put(tmp_path / "kim.ipynb", "{}")
    _put(tmp_path / "a b.ipynb")
    _put(tmp_path / "x" / "y.ipynb")
    found = submissions.find(tmp_path, LABS)
    assert found.submissions == () and len(found.unknown) == 3
    assert all(why for _, why in found.unknown)


def test_links_lead_nowhere(tmp_path: Path) -> None:
    secret = _put(tmp_path / "secret", "secret")
    folder = tmp_path / "in" / "kim" / NAME
    _put(folder / "lab.ipynb")
    os.symlink(secret, folder / "access.log")
    os.symlink(secret, tmp_path / "in" / "lee.ipynb")
    found = submissions.find(tmp_path / "in", LABS)
    assert [each.learner for each in found.submissions] == ["kim"]
    assert submissions.files(folder) == []
    with pytest.raises(OSError, match="symbolic"):
        submissions.content(folder / "access.log")


def test_of_two_notebooks_the_newest_is_graded(tmp_path: Path) -> None:
    old, new = _put(tmp_path / "kim-05.ipynb"), _put(tmp_path / f"kim_{NAME}.ipynb")
    os.utime(old, (1, 1))
    [found] = submissions.find(tmp_path, LABS).submissions
    assert found.notebook == new and found.others == (old,)


def test_the_digest_follows_what_was_handed_in(tmp_path: Path) -> None:
    folder = tmp_path / "submitted" / "kim" / NAME
    _put(folder / "lab.ipynb")
    tool = _put(folder / "fix" / "run.sh", "a")
    [found] = submissions.find(tmp_path, LABS).submissions
    before = found.digest("lab")
    assert found.digest("lab") == before != found.digest("another")
    tool.write_text("b")
    assert found.digest("lab") != before


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_nothing_was_handed_in(tmp_path: Path, make: object) -> None:
    make(tmp_path / "in")  # type: ignore[operator]
    with pytest.raises(BadInput):
        submissions.find(tmp_path / "in", LABS)
