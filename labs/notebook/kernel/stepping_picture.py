"""Draws a start that stands: what comes next and why, host and container side by side, and what has been done. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from kernel_engine.cli.explain import explained, shortened, spoken
from kernel_engine.cli.explain_reading import WHY, manual
from kernel_engine.cli.explain_table import meaning
from labs.notebook.kernel import timeline_picture
from labs.notebook.kernel.timeline_picture import COLOURS, PAGES
from labs.notebook.learning.markup import KEYS
from labs.stepping import text
from labs.stepping.sides import Row, changed
from labs.stepping.walk import End, Standing

TITLE = "한 걸음씩"
HOST, INSIDE = "호스트", "컨테이너"
READ_FROM = "GET /kernel-engine/containers/…/steps (멈춘 그 순간의 /proc과 /sys)"
ELSEWHERE = "버튼이 보이지 않는 곳에서는 %step --all docker run …을 쓰면 끝까지 가면서 보여 줘요."
NO_WAITS = "멈춰 있던 시간은 빼고 그렸어요."
#: nanoseconds between two calls that are drawn at most
BREATH = 100_000
PRESS = "다음을 누르면 이 일을 하고, 그다음 단계 앞에서 다시 멈춰요. 멈춰 있는 동안 다른 컨테이너는 평소처럼 돌아가요."


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A stop that lies behind, with what was done there."""

    number: int
    group: str
    done: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that the card shows. `live`: there are buttons to be pressed."""

    command: str
    name: str
    standing: Standing | None = None
    rows: tuple[Row, ...] = ()
    before: tuple[Row, ...] = ()
    passed: tuple[Passed, ...] = ()
    end: End | None = None
    steps: tuple[Mapping[str, Any], ...] = field(default=())
    output: str | None = None  #: of the program, once it has ended
    terminal: bool = False  #: its program wants a terminal, which is opened by `docker attach`
    live: bool = True

    def at(self, standing: Standing, now: tuple[Row, ...]) -> Sight:
        """The next stop."""
        passed = self.passed
        if self.standing is not None:
            passed = (*passed, Passed(number=self.standing.number, group=self.standing.group, done=standing.done))
        return replace(self, standing=standing, rows=now, before=self.rows, passed=passed)


def as_text(sight: Sight) -> str:
    """The first stop in fixed words; for who sees no widget, how to go on."""
    if sight.end is not None:
        return text.end(sight.end)
    assert sight.standing is not None
    return f"{text.standing(sight.standing, sight.rows, (), fixed=True)}\n{ELSEWHERE}"


def as_html(sight: Sight) -> str:
    """The picture without its style."""
    head = f"<h4>{TITLE} <small><code>{escape(sight.command)}</code></small></h4>"
    if sight.end is not None:
        return head + _ended(sight, sight.end)
    if sight.standing is None:
        return f'{head}<p class="dl-empty">시작하는 중이에요.</p>'
    return head + _rail(sight) + _next(sight.standing, live=sight.live) + _sides(sight) + _passed(sight)


# parts ---------------------------------------------------------------------------------------------------------------
def _rail(sight: Sight) -> str:
    """A dot for each stop, the present one with its name."""
    assert sight.standing is not None
    dots = "".join(
        f'<li class="dl-wall-{COLOURS[stop.group]}" title="{stop.number}. {escape(stop.group)}">{stop.number}</li>'
        for stop in sight.passed
    )
    now = sight.standing
    here = f'<li class="dl-wall-{COLOURS[now.group]} dl-here" aria-current="step">{now.number}</li>'
    return f'<ol class="dl-rail-of-stops" aria-label="{now.number}번째로 멈췄어요">{dots}{here}</ol>'


def _next(standing: Standing, *, live: bool) -> str:
    calls = standing.view["Next"]
    listed = "".join(map(_call, calls))
    one_go = f"<p><small>{text.IN_ONE_GO}.</small></p>" if len(calls) > 1 else ""
    return (
        f'<section class="dl-coming dl-wall-{COLOURS[standing.group]}" aria-live="polite">'
        f"<h5>다음에 할 일: {escape(standing.group)}</h5>"
        f'<p class="dl-why">왜 필요할까요? {escape(WHY[standing.group])}</p><ul>{listed}</ul>{one_go}'
        f"{_buttons() if live else f'<p><small>{ELSEWHERE}</small></p>'}</section>"
    )


def _buttons() -> str:
    words = (("next", "다음"), ("end", "끝까지"), ("quit", "그만두기"))
    buttons = "".join(
        f'<button type="button" data-do="{word}" class="dl-{word}" {KEYS}>{label}</button>' for word, label in words
    )
    return f'<p class="dl-buttons">{buttons}</p><p class="dl-from">{PRESS}</p>'


def _call(call: Mapping[str, Any]) -> str:
    words = meaning(call["Name"], call["Arguments"], call["Source"])[1]
    page, section = manual(call["Name"], call["Arguments"])
    address = f"{PAGES}/man{section}/{page}.{section}.html"
    source = escape(call["Source"])
    shown = f"{call['Name']}({shortened(call['Arguments'])})"
    return (
        f"<li><p>{escape(words or shown)}</p><code>{escape(shown)}</code>"
        f"<small>{escape(text.WHO[call['Process']])} · "
        f'<a href="{address}" target="_blank" rel="noreferrer">{page}({section})</a> · '
        f'<button type="button" class="dl-source" data-source="{source}" title="이 줄을 열어요" {KEYS}>{source}'
        "</button></small></li>"
    )


def _sides(sight: Sight) -> str:
    new = changed(sight.rows, sight.before)
    rows = "".join(_row(row, new=row.name in new) for row in sight.rows)
    head = f'<tr><td></td><th scope="col">{HOST}</th><th scope="col">{INSIDE}</th></tr>'
    return (
        f"<h5>지금의 모습</h5><table><thead>{head}</thead><tbody>{rows}</tbody></table>"
        f'<p class="dl-from">읽은 곳: {escape(READ_FROM)}</p>'
    )


def _row(row: Row, *, new: bool) -> str:
    kinds = " ".join(filter(None, ("dl-apart" if row.apart else "dl-same", "dl-fresh" if new else "")))
    fresh = " <b>방금 바뀌었어요</b>" if new else ""
    return (
        f'<tr class="{kinds}" title="{escape(row.source)}"><th scope="row">{escape(row.name)}</th>'
        f"<td>{escape(row.host)}</td><td>{escape(row.inside)}{fresh}</td></tr>"
    )


def _passed(sight: Sight) -> str:
    if not sight.passed:
        return ""
    rows = "".join(map(_behind, reversed(sight.passed)))
    return f"<h5>지나온 걸음</h5><ol>{rows}</ol>"


def _behind(stop: Passed) -> str:
    lines = "".join(f"<li>{_line(line)}</li>" for line in explained(stop.done))
    count, took = len(stop.done), spoken(sum(step["Duration"] for step in stop.done))
    return (
        f'<li class="dl-phase dl-wall-{COLOURS[stop.group]}"><details data-fold="passed-{stop.number}"><summary {KEYS}>'
        f'<b class="dl-number">{stop.number}</b><span><b>{escape(stop.group)}</b>'
        f"<small>커널에 부탁한 일 {count}번 · {took}</small></span></summary><ul>{lines}</ul></details></li>"
    )


def _line(line: Any) -> str:
    more = f" {line.count}번" if line.count > 1 else ""
    refused = "" if line.ok else ' <b class="dl-refusal">커널이 거절했어요</b>'
    return f"{escape(line.text or line.call)}{more} <code>{escape(line.call)}</code>{refused}"


def _ended(sight: Sight, end: End) -> str:
    kind = "dl-gone" if end.error else "dl-done"
    said = f'<p class="{kind}">{escape(text.end(end))}</p>'
    if end.error:
        return said
    output = ""
    if sight.output is not None:
        shown = escape(sight.output) or "(아무것도 출력하지 않았어요)"
        output = f"<h5>프로그램이 출력한 글</h5><pre>{shown}</pre>"
    if sight.terminal:
        command = f"docker attach {sight.name}"
        output = f"<p>터미널이 있는 컨테이너예요. 새 셀에서 <code>{escape(command)}</code>로 붙으세요.</p>"
    return f"{said}{output}{_whole(sight.steps)}"


def _whole(steps: Sequence[Mapping[str, Any]]) -> str:
    """The timeline of the start that has just been walked through."""
    if not steps:
        return ""
    drawn = timeline_picture.as_html(without_waits(steps))
    return f'<div class="dl-timeline">{drawn}</div><p class="dl-from">{NO_WAITS}</p>'


def without_waits(steps: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """As if nobody had stood still: what was waited for is cut to a breath."""
    found, ended, cut = [], 0, 0
    for step in sorted(steps, key=lambda step: step["Started"]):
        gap = step["Started"] - ended if ended else 0
        cut += max(gap - BREATH, 0)
        ended = max(ended, step["Started"] + step["Duration"])
        found.append({**step, "Started": step["Started"] - cut})
    return tuple(found)
