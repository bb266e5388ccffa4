"""A page's half of an exercise: the result with its button for hints, `%hint`, `%solve`, `%reset 01-3`, `%progress`."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from labs import catalogue, overview, practice, progress
from labs.checks import EngineView, Passed, Result
from labs.notebook.learning import markup, results
from labs.overview import LabRows, Row
from labs.practice import Hints
from labs.progress import Progress
from labs.replayed import ANSWER_MIME, REPLAYED

#: what stands before the verbs in a notebook
WAY = "%"


def kept() -> Progress:
    return Progress(folder=progress.folder(), say=print)


class HintButton(anywidget.AnyWidget):
    """What a check found, and a button for the next hint. `hints`: name and HTML of each; `read`: so many are
    shown."""

    _esm = markup.STATIC / "hints.js"
    _css = markup.style("notyet")
    facts = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    after = traitlets.Unicode("").tag(sync=True)
    hints: traitlets.List[Any] = traitlets.List([]).tag(sync=True)
    read = traitlets.Int(0).tag(sync=True)

    def __repr__(self) -> str:
        return "HintButton()"


#: the last answer to each exercise in this kernel: an assigned notebook's second `%check` has none of its own
_answers: dict[str, str] = {}


#: how an answer that differs each time is asked for
COMMAND = "$("


def answered(answer: str, host: str) -> str:
    """The answer, or what the command in `$(…)` prints."""
    if not (answer.startswith(COMMAND) and answer.endswith(")")):
        return answer
    return EngineView(host).shell(answer.removeprefix(COMMAND).removesuffix(")"))[1].strip()


class NotPassed(Exception):
    """An exercise that is not done, for nbgrader, which counts what raises."""


def show_check(name: str, host: str, answer: str) -> None:
    """Where somebody looks on, the button goes on where `%hint` was, and the other way round."""
    answer = _answers[name] = answer or _answers.get(name, "")
    if os.environ.get(REPLAYED):
        return _note_answer(name, answer)
    of = kept()
    result = practice.check(name, practice.view(name, host, answer), of)
    results.show_result(name, result, None if markup.still() else _button(name, result, of))
    if os.environ.get("NBGRADER_EXECUTION") and not isinstance(result, Passed):
        raise NotPassed(name)
    return None


def _note_answer(name: str, answer: str) -> None:
    from IPython.display import display

    said = f"과제 {name}: 노트북이 끝난 다음에 확인해요." + (f" 답: {answer}" if answer else "")
    display({"text/plain": said, ANSWER_MIME: {"exercise": name, "answer": answer}}, raw=True)  # type: ignore[no-untyped-call]


def _button(name: str, result: Result, of: Progress) -> HintButton | None:
    if isinstance(result, Passed) or not result.hints:
        return None
    missing = result
    whole = Hints(name=name, seen=result.hints, total=len(result.hints), new=True)
    made = HintButton(
        facts=results.facts_html(name, result),
        label=results.label(name),
        after=markup.inline(practice.what_next(whole, WAY)),
        hints=[[_heading(at), results.lines(text)] for at, text in enumerate(result.hints)],
        read=practice.hints_read(name, result, of),
    )

    def keep(change: dict[str, int]) -> None:
        practice.note_hints(name, missing, min(max(change["new"], 0), len(missing.hints)), of)

    made.observe(keep, names="read")
    return made


def _heading(at: int) -> str:
    return f"힌트 {at + 1}: {practice.hint_name(at)}"


def show_hint(name: str, host: str, answer: str) -> None:
    found = practice.hint(name, practice.view(name, host, answer), kept())
    if isinstance(found, Passed):
        print(f"과제 {name}: 이미 됐어요. 힌트가 필요 없어요. {markup.plain(found.text)}")
        return
    told = "".join(
        f"<p><b>{escape(_heading(at))}</b><br>{results.lines(text)}</p>" for at, text in enumerate(found.seen)
    )
    body = f'{told}<p class="dl-from">{markup.inline(practice.what_next(found, WAY))}</p>'
    markup.show(text=practice.hints_as_text(found, WAY), html=markup.section("notyet", body, label=f"{name} 힌트"))


def solve(name: str, host: str) -> None:
    of = kept()
    if told := practice.why_not_yet(name, of, WAY):
        print(told)
        return
    try:
        result = practice.solve(name, host, of, lambda text: print(text, flush=True))
    except KeyboardInterrupt:
        print(f"풀이를 멈췄어요. 처음으로 되돌리려면: {WAY}reset {name}")
        return
    results.show_result(name, result)
    print(practice.after_solution(name, WAY))


# the whole course ----------------------------------------------------------------------------------------------------
def show_progress() -> None:
    course = overview.overview(catalogue.labs(), kept().records())
    markup.show(text=overview.as_text(course), html=progress_html(course, progress.folder().parent, Path.cwd()))


def progress_html(course: tuple[LabRows, ...], workspace: Path, here: Path) -> str:
    """`here` is the notebook's folder: links begin there."""
    places = "".join(_lab(each, workspace, here) for each in course)
    body = f"<h4>{overview.TITLE}</h4><p>{overview.summary(course)}</p><ol>{places}</ol>"
    return markup.section("progress", body, label=overview.TITLE)


def _lab(each: LabRows, workspace: Path, here: Path) -> str:
    place = workspace / each.lab.place / catalogue.NOTEBOOK
    link = os.path.relpath(place, here) if here.is_relative_to(workspace) else f"../{each.lab.place}/lab.ipynb"
    name = f"{each.lab.number} {escape(each.lab.title)}"
    rows = "".join(map(_row, each.rows))
    return (
        f'<li><a href="{escape(link)}">{name}</a> <span class="dl-count">{each.passed}/{len(each.rows)}</span>'
        f"<ul>{rows}</ul></li>"
    )


def _row(row: Row) -> str:
    kind = row.state.name.lower()
    sign = f'<span aria-hidden="true">{overview.SIGNS[row.state]}</span>'
    return (
        f'<li class="dl-{kind}">{sign}<span>{escape(row.name)} {markup.inline(row.title)}</span>'
        f"<span>{escape(row.word)}</span></li>"
    )
