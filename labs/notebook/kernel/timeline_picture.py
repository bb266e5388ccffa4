"""Draws a start's kernel calls: one lane for each process that made them, and under it the phases in their order. Pure.

A phase is what one process did in a row for one wall (file system, namespaces, limits …). Steps are those of
GET /kernel-engine/containers/{id}/trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from kernel_engine.cli.explain import Line, explained, spoken, stopping
from kernel_engine.cli.explain_reading import WHY
from kernel_engine.cli.explain_table import ERRORS, FILES, IMAGE, LIMITS, NAMESPACES, NETWORK, RUN, SECURITY
from labs.notebook.learning.markup import KEYS

TITLE = "커널 타임라인"
READ_FROM = "GET /kernel-engine/containers/…/trace (엔진이 부탁한 그 순간에 적은 기록)"
NOTHING = "이 컨테이너는 아직 시작한 적이 없어서 보여 줄 과정이 없어요."
#: process of a step → its lane: who it is, in the learner's words
LANES = {
    "daemon": "엔진(daemon)",
    "launcher": "낳는 프로세스(launcher)",
    "child": "컨테이너의 첫 프로세스",
}
#: wall → the palette's name of its colour
COLOURS = {
    IMAGE: "layer",
    FILES: "layer",
    NAMESPACES: "container",
    LIMITS: "limit",
    NETWORK: "network",
    SECURITY: "security",
    RUN: "image",
}
PAGES = "https://man7.org/linux/man-pages"
#: a pause of this part of the whole is waiting
WAITED = 10
#: calls that a phase is about, whatever else it holds
GISTS = ("execve", "pivot_root", "mount(overlay", "seccomp", "unshare")
WIDTH, LANE, LEFT, RIGHT = 960, 40, 176, 16
RADIUS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Lines of one process in a row that belong to one wall."""

    group: str
    process: str
    lines: tuple[Line, ...]

    @property
    def count(self) -> int:
        return sum(line.count for line in self.lines)

    @property
    def took(self) -> int:
        """Nanoseconds inside the calls."""
        return sum(line.duration for line in self.lines)


def phases(lines: Sequence[Line]) -> tuple[Phase, ...]:
    """In the order in which they began. Processes work at the same time: each one's steps are parted by themselves,
    and where it waited for another."""
    found: list[list[Line]] = []
    open_by: dict[str, list[Line]] = {}
    patience = _whole(lines) // WAITED
    for line in sorted(lines, key=lambda line: line.number):
        now = open_by.get(line.process)
        if now is None or now[-1].group != line.group or line.started - now[-1].started > patience:
            now = open_by[line.process] = []
            found.append(now)
        now.append(line)
    return tuple(Phase(group=rows[0].group, process=rows[0].process, lines=tuple(rows)) for rows in found)


def as_html(steps: Sequence[Mapping[str, Any]]) -> str:
    """The picture without its style."""
    if not steps:
        return f'<h4>{TITLE}</h4><p class="dl-empty">{NOTHING}</p>'
    lines = explained(steps)
    found = phases(lines)
    took = sum(step["Duration"] for step in steps)
    head = f"<h4>{TITLE} <small>커널에 부탁한 일 {len(steps)}번 · 커널 안에서 {spoken(took)}</small></h4>"
    listed = "".join(_phase(number, phase) for number, phase in enumerate(found, 1))
    return (
        f"{head}{_lanes(lines)}{_legend(found)}{_stop(steps)}<ol>{listed}</ol>"
        f'<p class="dl-from">읽은 곳: {escape(READ_FROM)}</p>'
    )


# lanes ---------------------------------------------------------------------------------------------------------------
def _lanes(lines: Sequence[Line]) -> str:
    """Time goes to the right; each line of the list is a dot at its moment."""
    shown = [name for name in LANES if any(line.process == name for line in lines)]
    first = min(line.started for line in lines)
    whole = _whole(lines)
    height = len(shown) * LANE + 24
    rows = []
    for at, name in enumerate(shown):
        y = at * LANE + 20
        rows.append(f'<text x="0" y="{y + 5}" class="dl-lane">{escape(LANES[name])}</text>')
        rows.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="dl-rail"/>')
        rows += [_dot(line, y, (line.started - first) / whole) for line in lines if line.process == name]
    ends = (
        f'<text x="{LEFT}" y="{height - 2}" class="dl-clock">0</text>'
        f'<text x="{WIDTH - RIGHT}" y="{height - 2}" class="dl-clock" text-anchor="end">{spoken(whole)}</text>'
    )
    said = ", ".join(f"{LANES[name]} {sum(line.count for line in lines if line.process == name)}번" for name in shown)
    return (
        f'<div class="dl-strip"><svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(f"{spoken(whole)} 동안: {said}")}">{"".join(rows)}{ends}</svg></div>'
    )


def _whole(lines: Sequence[Line]) -> int:
    """Nanoseconds from the first call to the last one's end; 1 at least."""
    return max(line.started + line.duration for line in lines) - min(line.started for line in lines) or 1


def _dot(line: Line, y: int, moment: float) -> str:
    x = LEFT + RADIUS + moment * (WIDTH - LEFT - RIGHT - 2 * RADIUS)
    title = escape(f"{line.place}. {line.group}: {line.text or line.call}")
    if not line.ok:
        cross = f"M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8"
        return f'<path d="{cross}" class="dl-refused"><title>{title} (거절)</title></path>'
    place = f'cx="{x:.1f}" cy="{y}" r="{RADIUS}"'
    return f'<circle {place} class="dl-wall-{COLOURS[line.group]}"><title>{title}</title></circle>'


def _legend(found: Sequence[Phase]) -> str:
    groups = dict.fromkeys(phase.group for phase in found)
    keys = "".join(f'<span class="dl-key dl-wall-{COLOURS[group]}">{escape(group)}</span>' for group in groups)
    return f'<p class="dl-legend">{keys}</p>'


# list ----------------------------------------------------------------------------------------------------------------
def _phase(number: int, phase: Phase) -> str:
    times = f"{phase.count}번 · {spoken(phase.took)}"
    who = LANES.get(phase.process, phase.process)
    rows = "".join(map(_line, phase.lines))
    fold = f"phase-{number}"
    return (
        f'<li class="dl-phase dl-wall-{COLOURS[phase.group]}"><details data-fold="{fold}"><summary {KEYS}>'
        f'<b class="dl-number">{number}</b><span><b>{escape(phase.group)}</b> {escape(_gist(phase))}'
        f"<small>{escape(who)} · {times}</small></span></summary>"
        f'<p class="dl-why">왜 필요할까요? {escape(WHY[phase.group])}</p><ol>{rows}</ol></details></li>'
    )


def _gist(phase: Phase) -> str:
    """What stands in the folded row: the call that it is about, or the line that took longest of those with words."""
    told = [line for line in phase.lines if line.text]
    for name in GISTS:
        if found := next((line for line in told if line.call.startswith(name)), None):
            return found.text
    if not told:
        return phase.lines[0].call
    return max(told, key=lambda line: line.duration).text


def _line(line: Line) -> str:
    result = f" = {line.result}" if line.result not in ("", "0") else ""
    more = f" 등 {line.count}번" if line.count > 1 else ""
    refused = "" if line.ok else ' <b class="dl-refusal">커널이 거절했어요</b>'
    return (
        f'<li class="dl-step"><span class="dl-place">{line.place}</span><div>'
        f"<p>{escape(line.text or line.call)}{refused}</p>"
        f"<code>{escape(line.call + result)}</code>{more}"
        f"<small>{spoken(line.duration)} · {_manual(line)}{_effect(line)} · {_source(line)}</small></div></li>"
    )


def _manual(line: Line) -> str:
    page, section = line.manual
    address = f"{PAGES}/man{section}/{page}.{section}.html"
    return f'<a href="{address}" target="_blank" rel="noreferrer">{page}({section})</a>'


def _effect(line: Line) -> str:
    return f" · 지금 볼 곳: <code>{escape(line.effect)}</code>" if line.effect else ""


def _source(line: Line) -> str:
    """A click opens the line in JupyterLab's editor (labextensions/docker-labs)."""
    place = escape(line.source)
    named = f'class="dl-source" data-source="{place}" title="이 줄을 열어요"'
    return f'<button type="button" {named} {KEYS}>{place}</button>'


def _stop(steps: Sequence[Mapping[str, Any]]) -> str:
    at = stopping(steps)
    if at is None:
        return ""
    step = steps[at]
    reason = ERRORS.get(step["Result"], "")
    because = f"{step['Result']}{f' ({reason})' if reason else ''}"
    text = f"{at + 1}번째 단계 {step['Name']}에서 멈췄어요: {because}"
    return f'<p class="dl-refusal">{escape(text)}</p>'
