"""What a learner reads of a graded notebook, and what a teacher sees of a class: pages that stand alone, light and
dark. Pure. All that comes from a submission is text, never markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from labs.catalogue import Lab
from labs.grading.manifest import Learner
from labs.grading.results import Graded, Score, State

SIGNS = {State.PASSED: "✓", State.NOT_YET: "○", State.BROKEN: "?"}
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CODE = re.compile(r"`([^`]+)`")
STYLE = Path(__file__).with_name("pages.css").read_text(encoding="utf-8")


def feedback(of: tuple[Graded, ...], labs: Mapping[str, Lab]) -> str:
    """One learner's page: every exercise with what was found, none of how it was checked."""
    name = of[0].learner
    parts = "".join(_assignment(each, labs) for each in of)
    points, most = sum(each.points for each in of), sum(each.most for each in of)
    head = f'<h1>{escape(name)}</h1><p class="total">{points:g} / {most:g}점</p>'
    return _page(f"{name} · 채점 결과", f"<header>{head}</header>{parts}")


def _assignment(of: Graded, labs: Mapping[str, Lab]) -> str:
    lab = labs.get(of.assignment)
    title = f"{lab.number} {lab.title}" if lab else of.assignment
    tasks = "".join(map(_task, of.scores))
    trouble = f'<p class="note">{escape(of.trouble)} 그때까지 한 것으로 채점했어요.</p>' if of.trouble else ""
    return (
        f"<section><h2>{escape(title)} · {of.points:g}/{of.most:g}점</h2>"
        f'<p class="quiet">낸 때: {escape(of.timestamp)} (UTC)</p>{trouble}{tasks}{_cells(of)}{_findings(of)}</section>'
    )


def _task(score: Score) -> str:
    kind = score.state.name.lower()
    word = f'<span class="word">{SIGNS[score.state]} {score.state.value}</span>'
    title = f"<span>{escape(score.exercise)} {_inline(score.title)}</span>"
    heading = f"<h3>{word}{title}<b>{score.points:g}/{score.most:g}점</b></h3>"
    told = f"<p>{_inline(score.told)}</p>" if score.told else ""
    rows = (
        ("기대한 것", score.expected),
        ("찾은 것", score.found),
        ("확인한 곳", score.read_from),
        ("감점", score.cost),
    )
    facts = "".join(f"<dt>{name}</dt><dd>{_inline(text)}</dd>" for name, text in rows if text)
    return f'<article class="task {kind}">{heading}{told}{f"<dl>{facts}</dl>" if facts else ""}</article>'


def _cells(of: Graded) -> str:
    if not of.cells:
        return ""
    rows = "".join(
        f"<li>{cell.number}번째 코드 셀 <code>{escape(cell.line)}</code>: {escape(_plain(cell.why))}</li>"
        for cell in of.cells
    )
    return (
        "<h3>다시 실행할 때 달랐던 셀</h3>"
        '<p class="quiet">노트북을 처음부터 다시 실행했어요. 따로 적혀 있지 않으면 점수에는 들어가지 않아요.</p>'
        f"<ul>{rows}</ul>"
    )


def _findings(of: Graded) -> str:
    """The same thing of many cells is one line."""
    counted: dict[str, int] = {}
    for each in of.findings:
        counted[each.text] = counted.get(each.text, 0) + 1
    rows = "".join(
        f"<li>{escape(text)}{f' (셀 {count}개)' if count > 1 else ''}</li>" for text, count in counted.items()
    )
    return f"<h3>되돌린 것</h3><ul>{rows}</ul>" if rows else ""


# the class -----------------------------------------------------------------------------------------------------------
def class_page(
    graded: Iterable[Graded],
    learners: Mapping[str, Learner],
    missing: Iterable[tuple[str, str, float]],
    labs: Mapping[str, Lab],
) -> str:
    """Who is where, and which exercise is hard. `missing`: (assignment, learner, most) that nobody handed in."""
    by_lab: dict[str, list[Graded]] = {}
    for each in graded:
        by_lab.setdefault(each.assignment, []).append(each)
    absent: dict[str, list[str]] = {}
    for name, learner, _ in missing:
        absent.setdefault(name, []).append(learner)
    parts = [
        _class_lab(name, by_lab.get(name, []), absent.get(name, []), learners, labs)
        for name in sorted({*by_lab, *absent})
    ]
    people = {each.learner for rows in by_lab.values() for each in rows} | set(learners)
    head = f'<h1>반 전체</h1><p class="quiet">{len(people)}명 · 실습 {len(parts)}개</p>'
    return _page("반 전체 · 채점 결과", f"<header>{head}</header>{''.join(parts)}", wide=True)


def _class_lab(
    name: str, rows: list[Graded], absent: list[str], learners: Mapping[str, Learner], labs: Mapping[str, Lab]
) -> str:
    lab = labs.get(name)
    title = f"{lab.number} {lab.title}" if lab else name
    average = sum(each.points for each in rows) / len(rows) if rows else 0.0
    most = max((each.most for each in rows), default=0.0)
    summary = f"낸 사람 {len(rows)}명" + (f", 아직 {len(absent)}명" if absent else "")
    summary += f" · 평균 {average:.1f}/{most:g}점" if rows else ""
    body = f"{_hard(rows)}{_table(rows, absent, learners)}"
    return f'<section><h2>{escape(title)}</h2><p class="quiet">{summary}</p>{body}</section>'


def _hard(rows: list[Graded]) -> str:
    """A bar for each exercise: how many passed it, the hardest first."""
    counts: dict[str, tuple[str, int, int]] = {}
    for each in rows:
        for score in each.scores:
            title, passed, of = counts.get(score.exercise, (score.title, 0, 0))
            counts[score.exercise] = (title, passed + (score.state is State.PASSED), of + 1)
    ordered = sorted(counts.items(), key=lambda item: (item[1][1] / item[1][2], item[0]))
    bars = "".join(_bar(name, *told) for name, told in ordered)
    return f'<h3>어려웠던 과제부터</h3><div class="hard">{bars}</div>' if bars else ""


def _bar(name: str, title: str, passed: int, of: int) -> str:
    width = 100 * passed / of
    picture = (
        f'<svg viewBox="0 0 100 16" preserveAspectRatio="none" role="img" aria-label="{of}명 가운데 {passed}명 통과">'
        f'<rect class="whole" width="100" height="16" vector-effect="non-scaling-stroke"/>'
        f'<rect class="part" width="{width:.1f}" height="16"/></svg>'
    )
    return f'<span>{escape(name)} {_inline(title)}</span>{picture}<span class="count">{passed}/{of}명 통과</span>'


def _table(rows: list[Graded], absent: list[str], learners: Mapping[str, Learner]) -> str:
    names = [score.exercise for score in rows[0].scores] if rows else []
    heading = "".join(f"<th>{escape(name)}</th>" for name in names)
    ordered = sorted(rows, key=lambda each: each.learner)
    body = "".join(_class_row(each, learners) for each in ordered)
    gone = "".join(
        f'<tr><td class="who">{_who(name, learners)}</td>'
        f'<td class="none" colspan="{len(names) + 2}">내지 않음</td></tr>'
        for name in sorted(absent)
    )
    head = f'<tr><th class="who">사람</th>{heading}<th>점수</th><th>덧붙임</th></tr>'
    return f'<h3>사람마다</h3><div class="scroll"><table>{head}{body}{gone}</table></div>'


def _class_row(of: Graded, learners: Mapping[str, Learner]) -> str:
    cells = "".join(
        f'<td class="{score.state.name.lower()}" title="{escape(score.found or score.told)}">'
        f"{SIGNS[score.state]} {score.points:g}</td>"
        for score in of.scores
    )
    notes = [of.trouble] if of.trouble else []
    notes += [f"실패한 셀 {len(of.cells)}"] if of.cells else []
    notes += [f"되돌린 것 {len(of.findings)}"] if of.findings else []
    link = f'<a href="feedback/{escape(of.learner)}.html">{_who(of.learner, learners)}</a>'
    return (
        f'<tr><td class="who">{link}</td>{cells}<td class="sum">{of.points:g}/{of.most:g}</td>'
        f"<td>{escape(' · '.join(notes))}</td></tr>"
    )


def _who(name: str, learners: Mapping[str, Learner]) -> str:
    learner = learners.get(name)
    full = f"{learner.last_name}{learner.first_name}" if learner else ""
    return escape(f"{name} {full}".strip())


# both ----------------------------------------------------------------------------------------------------------------
def _page(title: str, body: str, *, wide: bool = False) -> str:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="ko"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body class="{"wide" if wide else ""}">{body}</body></html>\n'
    )


def _plain(text: str) -> str:
    return _ANSI.sub("", text)


def _inline(text: str) -> str:
    """`code` is code, everything else is text."""
    return _CODE.sub(r"<code>\1</code>", escape(_plain(text)))
