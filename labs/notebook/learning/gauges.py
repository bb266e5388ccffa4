"""Draws what containers use: a row for each, with a line of its processor and a bar of its memory. Pure.

Where nobody looks on, numbers would differ from run to run: the fixed text names the containers and their limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from kernel_engine.formats.sizes import binary_size, human_size
from labs.notebook.learning.picture import STATES, sign
from labs.notebook.learning.usage import REMEMBERED, Board, Use

TITLE = "컨테이너 계기판"
READ_FROM = "GET /containers/json, GET /containers/…/stats"
NOTHING = "지금 실행 중인 컨테이너가 없어요."
NO_LIMIT = "제한 없음"
#: pixels: the line of the processor
WIDE, HIGH = 96, 32
#: what rows may be sorted by
ORDERS: dict[str, Callable[[Use], tuple[float, str]]] = {
    "이름": lambda use: (0, use.name),
    "CPU": lambda use: (-(use.cpu or 0), use.name),
    "메모리": lambda use: (-use.memory, use.name),
}


# as text -------------------------------------------------------------------------------------------------------------
def as_text(board: Board) -> str:
    """Names, states and limits: what is the same on every run."""
    lines = [TITLE]
    for use in ordered(board.uses, "이름"):
        limit = f"메모리 제한 {binary_size(use.limit)}" if use.limit else f"메모리 {NO_LIMIT}"
        lines.append(f"  {use.name} · {STATES.get(use.state, use.state)} · {limit}")
    lines += [f"  그 밖에 {board.more}개"] if board.more else []
    return "\n".join(lines if board.uses else [TITLE, f"  {NOTHING}"])


def ordered(uses: Iterable[Use], order: str) -> list[Use]:
    return sorted(uses, key=ORDERS[order])


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(board: Board, note: str = "", *, order: str = "이름", numbers: bool = True) -> str:
    """The picture without its style. Without `numbers` only what the fixed text says."""
    aside = f' <small class="dl-empty">{escape(note)}</small>' if note else ""
    rows = "".join(_row(use, board.machine, numbers=numbers) for use in ordered(board.uses, order))
    body = f"<ol>{rows}</ol>" if rows else f'<p class="dl-empty">{NOTHING}</p>'
    more = f'<p class="dl-empty">그 밖에 {board.more}개</p>' if board.more else ""
    return f'<h4>{TITLE}{aside}</h4>{body}{more}<p class="dl-from">읽은 곳: {READ_FROM}</p>'


def _row(use: Use, machine: int, *, numbers: bool) -> str:
    kind = "paused" if use.state == "paused" else "running"
    name = (
        f'<button type="button" class="dl-who" data-show="container:{use.id}" title="컨테이너 {use.id}" '
        f'data-lm-suppress-shortcuts="true">{sign(kind)}<span><b>{escape(use.name)}</b>'
        f"<small>{STATES.get(use.state, use.state)}</small></span></button>"
    )
    cells = name + (_measured(use, machine) if numbers else _limited(use))
    return f'<li class="dl-use dl-{kind}">{cells}</li>'


def _limited(use: Use) -> str:
    return _cell("메모리 제한", binary_size(use.limit) if use.limit else NO_LIMIT)


def _measured(use: Use, machine: int) -> str:
    whole = f"{binary_size(use.limit)} 제한" if use.limit else NO_LIMIT
    share = use.memory / (use.limit or machine)
    return "".join(
        (
            _cell("CPU", "…" if use.cpu is None else f"{use.cpu:.1f}%", _line(use.past)),
            _cell(
                "메모리", f"{binary_size(use.memory)} <small>/ {whole}</small>", _bar(share, limited=bool(use.limit))
            ),
            _cell("프로세스", f"{use.processes}"),
            _cell("받음/보냄", f"{human_size(use.received, 3)} / {human_size(use.sent, 3)}"),
        )
    )


def _cell(word: str, value: str, drawn: str = "") -> str:
    return f'<div class="dl-gauge"><small>{word}</small><span class="dl-value">{value}</span>{drawn}</div>'


def _line(past: Sequence[float]) -> str:
    """The processor at the last looks; full height is one processor, or the highest of them where it was more."""
    top = max(100.0, *past) if past else 100.0
    step = WIDE / (REMEMBERED - 1)
    first = REMEMBERED - len(past)
    points = " ".join(
        f"{(first + at) * step:.1f},{HIGH - 1 - (HIGH - 2) * value / top:.1f}" for at, value in enumerate(past)
    )
    size = f'width="{WIDE}" height="{HIGH}" viewBox="0 0 {WIDE} {HIGH}"'
    ground = f'<line x1="0" x2="{WIDE}" y1="{HIGH - 0.5}" y2="{HIGH - 0.5}"/>'
    return f'<svg class="dl-past" {size} aria-hidden="true">{ground}<polyline points="{points}"/></svg>'


def _bar(share: float, *, limited: bool) -> str:
    """How full it is, between 0 and 1: of its limit, or of the machine's memory."""
    width = round(WIDE * min(max(share, 0), 1))
    size = f'width="{WIDE}" height="8" viewBox="0 0 {WIDE} 8"'
    kind = "limit" if limited else "machine"
    bars = "".join(
        f'<rect class="dl-{name}" width="{wide}" height="8"/>' for name, wide in (("whole", WIDE), (kind, width))
    )
    return f'<svg class="dl-share" {size} aria-hidden="true">{bars}</svg>'
