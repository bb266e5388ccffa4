"""The bars as HTML: a row for each layer, step or service. Pure."""

from __future__ import annotations

from html import escape

from kernel_engine.formats.sizes import human_size
from labs.notebook.bars.rows import DONE, WORKING, Bars, Row

#: rows beyond so many: what is over makes room first
SHOWN = 12
UNITS = {"받고 있어요", "올리고 있어요", "풀고 있어요", "읽고 있어요"}


def as_html(bars: Bars) -> str:
    rows, hidden = _chosen(bars.rows)
    whole = sum(row.share for row in bars.rows) / max(bars.count, 1)
    items = "".join(_row(row) for row in rows)
    more = f'<p class="dl-from">그 밖에 {hidden}개</p>' if hidden else ""
    return (
        f'<div class="dl-head"><b>{escape(bars.title)}</b><span class="dl-count">{bars.done}/{bars.count}</span></div>'
        f"{_bar(whole, 'dl-whole', bars.title)}<ol>{items}</ol>{more}"
    )


def _chosen(rows: tuple[Row, ...]) -> tuple[tuple[Row, ...], int]:
    """At most SHOWN rows in their order, those that are being worked on before those that are over."""
    if len(rows) <= SHOWN:
        return rows, 0
    ranked = sorted(range(len(rows)), key=lambda at: (rows[at].state != WORKING, rows[at].state == DONE, at))
    kept = sorted(ranked[:SHOWN])
    return tuple(rows[at] for at in kept), len(rows) - len(kept)


def _row(row: Row) -> str:
    size = f"{human_size(row.current)} / {human_size(row.total)}" if row.total > 0 and row.text in UNITS else ""
    return (
        f'<li class="dl-{row.state}"><code title="{escape(row.name)}">{escape(row.name)}</code>'
        f"{_bar(row.share, '', row.name, moving=row.state == WORKING and row.total <= 0)}"
        f'<span class="dl-what">{escape(row.text)}</span><span class="dl-size">{size}</span></li>'
    )


def _bar(share: float, kind: str, label: str, *, moving: bool = False) -> str:
    percent = round(share * 100)
    value = "" if moving else f' aria-valuenow="{percent}"'
    classes = " ".join(filter(None, ("dl-bar", kind, "dl-moving" if moving else "")))
    return (
        f'<div class="{classes}" role="progressbar" aria-valuemin="0" aria-valuemax="100"{value} '
        f'aria-label="{escape(label)}"><i style="width:{100 if moving else percent}%"></i></div>'
    )
