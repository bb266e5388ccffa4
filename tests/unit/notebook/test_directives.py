"""What a lab's source says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs import build, catalogue
from labs.directives import BadSource, CardGroup, Choice, card, directives, exercise, question, questions

QUESTION = """무엇이 나올까요?

- [ ] 하나
  하나가 아니에요.
  정말로요.
- [x] `둘`

그래서 둘이에요.

끝.
"""


def test_a_question() -> None:
    found = question(QUESTION)
    assert found.text == "무엇이 나올까요?"
    assert found.choices == (
        Choice(text="하나", right=False, reply="하나가 아니에요. 정말로요."),
        Choice(text="`둘`", right=True, reply=""),
    )
    assert found.explanation == "그래서 둘이에요.\n\n끝."


@pytest.mark.parametrize(
    "text",
    ["", "질문만", "질문\n- [x] 하나뿐", "질문\n- [ ] 가\n- [ ] 나", "질문\n- [x] 가\n- [x] 나", "- [x] 가\n- [ ] 나"],
)
def test_a_bad_question_is_refused(text: str) -> None:
    with pytest.raises(BadSource):
        question(text)


def test_a_quiz_is_questions_between_lines() -> None:
    assert len(questions("하나?\n- [x] 가\n- [ ] 나\n---\n둘?\n- [x] 가\n- [ ] 나\n")) == 2


def test_a_card() -> None:
    assert card("## 이미지\ndocker ps | head :: 목록\n") == (
        CardGroup(title="이미지", commands=(("docker ps | head", "목록"),)),
    )
    with pytest.raises(BadSource):
        card("docker ps")


def test_directives_are_found_where_they_stand() -> None:
    source = "앞\n```{predict} 00-1\n몸\n```\n중간\n````{card} 00\n```sh\nx\n```\n````\n뒤\n```python\n{predict}\n```\n"
    first, second = directives(source)
    assert (first.kind, first.argument, first.body) == ("predict", "00-1", "몸")
    assert (second.kind, second.body) == ("card", "```sh\nx\n```")
    assert source[first.start : first.end] == "```{predict} 00-1\n몸\n```"


def test_an_exercise_may_ask_for_an_answer() -> None:
    [found] = directives("```{exercise} 00-3 번호 찾기\n:answer: 여기에 숫자\n글\n```\n")
    said = exercise(found)
    assert (said.id, said.title, said.answer, said.text) == ("00-3", "번호 찾기", "여기에 숫자", "글")
    with pytest.raises(BadSource):
        exercise(next(directives("```{exercise} 첫째\n글\n```\n")))


def test_a_picture_of_layers_becomes_a_folded_cell(tmp_path: Path) -> None:
    folder = tmp_path / "00_name"
    folder.mkdir()
    (folder / "lab.md").write_text(
        "---\ndocker_labs: {lab: '00', title: 제목, minutes: 5, goals: [볼 수]}\n---\n```{layers} web:1 web:2\n```\n",
        encoding="utf-8",
    )
    assert "```{code-cell}\n:tags: [hide-input]\n\n%layers web:1 web:2\n```" in build.as_myst(catalogue.read(folder))


def test_a_line_leads_to_the_lab_of_the_other_track(tmp_path: Path) -> None:
    for number, place, line in (
        ("07", "07_design", "{hand}`engine/02`"),
        ("engine/02", "engine/02_roots", "{docker}`07`"),
    ):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        facts = f"{{lab: '{number}', title: 제목 {number}, minutes: 5, goals: [볼 수]}}"
        (folder / "lab.md").write_text(f"---\ndocker_labs: {facts}\n---\n앞\n\n{line}\n", encoding="utf-8")
    docker, engine = catalogue.labs(tmp_path)
    assert "<small>이 단계를 손으로: [engine/02 제목 engine/02](../engine/02_roots/lab.ipynb)</small>" in build.as_myst(
        docker
    )
    assert "<small>도커로 할 때: [07 제목 07](../../07_design/lab.ipynb)</small>" in build.as_myst(engine)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    list(directives(text))
    for read in (question, questions, card):
        try:
            read(text)
        except BadSource:
            pass


def test_labs_come_from_folders(tmp_path: Path) -> None:
    for number in ("01", "00"):
        folder = tmp_path / f"{number}_name"
        folder.mkdir()
        (folder / "lab.md").write_text(
            f"---\ndocker_labs: {{lab: '{number}', title: 제목, minutes: 5, goals: [볼 수]}}\n---\n글\n",
            encoding="utf-8",
        )
    assert [lab.number for lab in catalogue.labs(tmp_path)] == ["00", "01"]
    assert catalogue.lab("01-3", tmp_path).folder.name == "01_name"
    with pytest.raises(catalogue.NoSuchLab, match="07번 실습은 없어요"):
        catalogue.lab("07", tmp_path)


def test_a_lab_of_the_engine_track(tmp_path: Path) -> None:
    for place, number in (("00_name", "00"), ("engine/00_process", "engine/00"), ("engine/01_wall", "engine/01")):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "lab.md").write_text(
            f"---\ndocker_labs: {{lab: '{number}', title: 제목, minutes: 5, goals: [볼 수]}}\n---\n글\n",
            encoding="utf-8",
        )
    assert [lab.number for lab in catalogue.labs(tmp_path)] == ["00", "engine/00", "engine/01"]
    found = catalogue.lab("engine/01-2", tmp_path)
    assert (found.place, found.track, found.course) == ("engine/01_wall", "engine", tmp_path)
    assert catalogue.lab("00-1", tmp_path).course == tmp_path
    (tmp_path / "02_name").mkdir()
    (tmp_path / "02_name/lab.md").write_text(
        "---\ndocker_labs: {lab: 'engine/02', title: 제목, minutes: 5, goals: [볼 수]}\n---\n글\n", encoding="utf-8"
    )
    with pytest.raises(BadSource, match="does not fit"):
        catalogue.read(tmp_path / "02_name")


def test_front_matter_must_say_what_every_lab_has(tmp_path: Path) -> None:
    folder = tmp_path / "00_name"
    folder.mkdir()
    (folder / "lab.md").write_text("---\ndocker_labs: {lab: '00'}\n---\n", encoding="utf-8")
    with pytest.raises(BadSource, match="title"):
        catalogue.read(folder)
