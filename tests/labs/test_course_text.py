"""What every lab's text must hold: the parts, the signs, the names, the tone. Reads files, runs nothing."""

from __future__ import annotations

import inspect
import re
import shlex
from collections import Counter
from typing import Any

import nbformat
import pytest

from kernel_engine.cli.commands import GLOBAL_OPTIONS, Command, find
from kernel_engine.cli.grammar import options_of, parse
from kernel_engine.compose import commands as compose
from labs import build
from labs.catalogue import Lab, lab, labs
from labs.checks import HINTS, EngineView, Exercise, NotYet, exercises
from labs.directives import Question, exercise, question

ALL = pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.number)
#: one screen of a notebook, roughly: Korean fills a line with some 50 characters
SCREEN = 1100
CELL = re.compile(r"^```\{code-cell\}\n(?::[^\n]*\n)*(?P<body>[^`]*(?:`(?!``)[^`]*)*?)^```$", re.MULTILINE)
FENCE = re.compile(r"^(?P<fence>`{3,}).*?^(?P=fence)$", re.MULTILINE | re.DOTALL)
TO_MEND = "# 틀린 명령"
NAME = re.compile(r"--name (\S+)")
FORMAL = re.compile(r"[가-힣]*(습니다|ㅂ니다|입니다|하십시오|이다\.|한다\.|된다\.|있다\.|없다\.)")
ENGLISH_TERM = re.compile(r"[가-힣]\*{0,2}\((?P<english>[A-Za-z][a-z]+(?: [a-z]+)*)\)")


def source(lab: Lab) -> str:
    return lab.source.read_text(encoding="utf-8")


def prose(lab: Lab) -> str:
    """The text between cells and directives."""
    return FENCE.sub("\n", build._split(source(lab))[1])


def cells(lab: Lab) -> list[str]:
    return [found["body"].strip() for found in CELL.finditer(source(lab))]


def commands(lab: Lab) -> list[str]:
    """Every line of a cell that is a docker command, but for cells whose commands learners are to mend."""
    lines = [
        line.strip()
        for cell in cells(lab)
        if not cell.startswith(TO_MEND)
        for line in cell.replace("\\\n", " ").splitlines()
    ]
    return [line.removeprefix("%%") for line in lines if line.startswith(("docker ", "%%docker "))]


def every_question(lab: Lab) -> list[Question]:
    return [*(question(found.body) for found in lab.directives("predict")), *lab.quiz()]


# the parts ----------------------------------------------------------------------------------------------------------
@ALL
def test_has_what_every_lab_has(lab: Lab) -> None:
    text = source(lab)
    assert lab.goals
    assert len(list(lab.directives("predict"))) >= 3
    assert any(lab.directives("walls" if lab.track else "live"))
    assert len(list(lab.directives("exercise"))) >= (2 if lab.track else 3)
    assert len(lab.quiz()) == 3
    assert sum(len(group.commands) for group in lab.card()) >= 8
    for note in (":::{why}", ":::{docker}"):
        assert text.count(f"\n{note}\n") == 1, note
    assert "**장면.**" in text
    assert text.rstrip().rpartition("\n## ")[2].startswith("다음 실습\n")


@ALL
def test_exercises_have_checks_and_no_check_is_left_over(lab: Lab) -> None:
    asked = [exercise(found).id for found in lab.directives("exercise")]
    assert asked == list(exercises(lab))


@ALL
def test_ids_follow_one_another(lab: Lab) -> None:
    for kind in ("predict", "exercise"):
        found = [each.argument.split()[0] for each in lab.directives(kind)]
        assert found == [f"{lab.number}-{at}" for at in range(1, len(found) + 1)]


@ALL
def test_every_prediction_is_explained_and_every_wrong_answer_of_it_answered(lab: Lab) -> None:
    for asked in every_question(lab):
        assert asked.explanation, asked.text
        for choice in asked.choices:
            assert choice.right or choice.reply, choice.text


@ALL
def test_every_exercise_has_wrong_solutions_and_three_hints(lab: Lab) -> None:
    class Empty(EngineView):
        """An engine that holds nothing."""

        def _find(self, path: str) -> None:
            return None

        def containers(self, **filters: str) -> list[dict[str, Any]]:
            return []

        def server(self, name: str) -> None:
            return None

        def room(self) -> None:
            return None

    for name, each in exercises(lab).items():
        assert len(each.wrong) + len(each.wrong_answers) >= 3, name
        found = each.check(Empty("unix:///nowhere"))
        assert isinstance(found, NotYet), name
        assert len(found.hints) == len(HINTS), name


def test_the_wiki_of_the_solutions_is_the_lab_s() -> None:
    [written] = [cell.partition("\n")[2] for cell in cells(lab("03")) if cell.startswith("%%dockerfile -t wiki wiki\n")]
    solution = exercises(lab("03"))["03-2"].solve
    assert isinstance(solution, str)
    assert f"\n{written}\nEND\n" in solution


@ALL
def test_what_an_exercise_sets_up_stands_in_the_lab(lab: Lab) -> None:
    for each in exercises(lab).values():
        if each.setup:
            assert each.setup in cells(lab)


# the commands -------------------------------------------------------------------------------------------------------
@ALL
def test_every_command_is_one_of_ours(lab: Lab) -> None:
    shown = [command for group in lab.card() for command, _ in group.commands if command.startswith("docker ")]
    for line in [*commands(lab), *shown]:
        words = parse(options_of(GLOBAL_OPTIONS), before_the_shell_s_signs(line)[1:], interspersed=False).arguments
        command, rest = compose_command(words[1:]) if words[0] == "compose" else find(words)[1:]
        assert command is not None, line
        parse(options_of(command.options), rest, interspersed=command.interspersed)


def compose_command(words: list[str]) -> tuple[Command | None, list[str]]:
    """What `docker compose` makes of its words."""
    given = parse(options_of(compose.GLOBAL_OPTIONS), words, interspersed=False)
    name, *rest = given.arguments
    return compose.COMMANDS.get(name), rest


def before_the_shell_s_signs(line: str) -> list[str]:
    """The words of the first command of a line of bash; a substitution counts as one word."""
    reader = shlex.shlex(re.sub(r"\$\([^)]*\)", "WORD", line), posix=True, punctuation_chars="|>&;")
    reader.whitespace_split = True
    words = list(reader)
    return words[: next((at for at, word in enumerate(words) if set(word) <= set("|>&;")), len(words))]


def lesson_names(lab: Lab) -> set[str]:
    """Names of containers in the lesson, not those that an exercise sets up."""
    ready = {each.setup for each in exercises(lab).values()}
    return {name for cell in cells(lab) if cell not in ready for name in NAME.findall(cell)}


def exercise_names(each: Exercise) -> set[str]:
    return {name for work in (each.solve, each.setup) if isinstance(work, str) for name in NAME.findall(work)}


@ALL
def test_lesson_and_exercises_use_different_names(lab: Lab) -> None:
    taken = [name for each in exercises(lab).values() for name in each.containers]
    assert not set(taken) & lesson_names(lab)
    assert max(Counter(taken).values(), default=1) == 1
    for name, each in exercises(lab).items():
        assert exercise_names(each) <= set(each.containers), name


def test_no_two_labs_use_one_name() -> None:
    names = [
        {*lesson_names(lab), *(name for each in exercises(lab).values() for name in each.containers)} for lab in labs()
    ]
    assert sum(map(len, names)) == len(set().union(*names))


@ALL
def test_the_first_cell_removes_what_an_earlier_run_left(lab: Lab) -> None:
    first = cells(lab)[0]
    assert lesson_names(lab) <= set(shlex.split(first))
    assert not lab.track or "%wall reset" in first


@ALL
def test_every_container_has_a_name_or_goes_away(lab: Lab) -> None:
    for line in commands(lab):
        if line.split()[1] == "run":
            assert "--name" in line or "--rm" in line, line


# the tone -----------------------------------------------------------------------------------------------------------
@ALL
def test_speaks_to_one_person_in_plain_sentences(lab: Lab) -> None:
    text = re.sub(r"(?<!`)`[^`\n]+`(?!`)", "", CELL.sub("", source(lab)))
    assert not (found := FORMAL.search(text)), found
    assert not re.search(r"!!|[\U0001F300-\U0001FAFF]", text)
    assert not re.search(r"\b우리(는|가|의)?\b", text)


@ALL
def test_brings_each_english_term_once(lab: Lab) -> None:
    twice = [term for term, count in Counter(ENGLISH_TERM.findall(source(lab))).items() if count > 1]
    assert not twice


@ALL
def test_no_more_than_a_screen_of_prose_between_two_cells(lab: Lab) -> None:
    body = build._split(source(lab))[1]
    pieces, at = [], 0
    for found in FENCE.finditer(body):
        pieces.append(body[at : found.start()])
        at = found.end()
    assert max(map(len, pieces)) <= SCREEN, max(pieces, key=len)[:80]


@pytest.mark.parametrize("lab", [lab for lab in labs() if lab.track], ids=lambda lab: lab.number)
def test_a_source_of_the_engine_that_a_lab_shows_is_todays(lab: Lab) -> None:
    """Who changes a function that a lab shows builds the lab again: labs build NN."""
    cells = [cell for cell in nbformat.read(lab.notebook, 4).cells if cell.cell_type == "code"]
    names: dict[str, Any] = {}
    for line in re.findall(r"^from kernel_engine\.syscalls.*$", "\n".join(cell.source for cell in cells), re.MULTILINE):
        exec(line, names)
    for cell in cells:
        shown = "".join(output.get("text", "") for output in cell.outputs)
        for name in re.findall(r"^show_source\(([\w.]+)\)$", cell.source, re.MULTILINE):
            assert inspect.getsource(inspect.unwrap(eval(name, names))).rstrip() in shown, name
