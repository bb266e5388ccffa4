"""Draws a container without a wall beside the one that has them all. Pure.

`found` is the answer of POST /kernel-engine/without/{wall}; the words are those of `labs.without`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kernel_engine.cli.explain import shortened
from kernel_engine.cli.explain_reading import manual
from labs.notebook.kernel.timeline_picture import PAGES
from labs.notebook.learning.markup import KEYS
from labs.without import facts, text
from labs.without.table import SANDBOX, SANDBOX_OF_USER, WALLS

READ_FROM = "POST /kernel-engine/without/{wall} (컨테이너의 프로세스가 명령이 되기 직전에 직접 읽은 것)"
HEADS = ("무엇", "호스트", text.WALLED, text.WITHOUT)


def as_html(found: Mapping[str, Any], command: str) -> str:
    """The whole page without its style."""
    wall = WALLS[found["Wall"]]
    return "".join(
        (
            f"<h4>{text.TITLE}: <code>{escape(found['Wall'])}</code> <small>{escape(wall.title)}</small></h4>",
            f'<p class="dl-command"><code>{escape(command)}</code></p>',
            _outputs(found),
            f'<p class="dl-seen"><b>본 것</b> {escape(text.seen(found))}</p>',
            _facts("커널에 물어보니", facts.rows(found)),
            _missing(found),
            f'<p class="dl-because"><b>왜 있을까요?</b> {escape(wall.why)}</p>',
            _rest(found),
            f'<p class="dl-where"><b>어디서 봤나요?</b> {escape(wall.where)} {escape(_sandbox(found))}</p>',
            f'<p class="dl-left"><b>끝난 뒤</b> {escape(text.left(found))}</p>',
            f'<p class="dl-from">읽은 곳: {escape(READ_FROM.format(wall=found["Wall"]))}</p>',
        )
    )


def as_still_html(said: str) -> str:
    """For a page that nobody looks on: the fixed text."""
    return f"<pre>{escape(said)}</pre>"


def _sandbox(found: Mapping[str, Any]) -> str:
    return SANDBOX_OF_USER if found["Wall"] == "user" else SANDBOX


def _outputs(found: Mapping[str, Any]) -> str:
    """Host on the left, inside on the right, everywhere else; here both are containers: whole, and with a gap."""
    return (
        '<div class="dl-two">'
        f"{_output('dl-walled', text.WALLED, found['All'])}{_output('dl-open', text.WITHOUT, found['Without'])}</div>"
    )


def _output(kind: str, title: str, run: Mapping[str, Any]) -> str:
    return (
        f'<section class="dl-run {kind}" aria-label="{title}">'
        f"<p><b>{title}</b> <small>{escape(text.ending(run))}</small></p>"
        f'<pre tabindex="0" {KEYS}>{escape(text.output(run))}</pre></section>'
    )


def _facts(title: str, rows: Sequence[facts.Row]) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    body = "".join(map(_row, rows))
    return f"<h5>{title}</h5><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: facts.Row) -> str:
    cells = "".join(
        f'<td data-head="{head}" class="{kind}">{escape(value)}</td>'
        for head, value, kind in (
            (HEADS[1], row.host, "dl-none" if row.host == facts.UNKNOWN else ""),
            (HEADS[2], row.walled, ""),
            (HEADS[3], row.without, "dl-leaked" if row.differs else ""),
        )
    )
    return f'<tr><th scope="row">{escape(row.name)}<small>{escape(row.source)}</small></th>{cells}</tr>'


def _missing(found: Mapping[str, Any]) -> str:
    """The call that is the wall, in both runs."""
    wall = WALLS[found["Wall"]]
    made, instead = facts.missing(found)
    page, section = manual(wall.call, wall.flag)
    address = f"{PAGES}/man{section}/{page}.{section}.html"
    link = f'<a href="{address}" target="_blank" rel="noreferrer">{page}({section})</a>'
    with_it = f"<code>{escape(text.SANDBOX_CALL)}</code>" if found["Wall"] == "user" else _call(made, wall.flag)
    return (
        f"<h5>빠진 커널 호출 <small>{link}{escape(f'의 {wall.flag}' if wall.flag else '')}</small></h5>"
        f'<div class="dl-calls"><small>{text.WALLED}</small><div>{with_it}</div>'
        f"<small>{text.WITHOUT}</small><div>{_call(instead, wall.flag)}</div></div>"
    )


def _call(step: Mapping[str, Any] | None, flag: str) -> str:
    if step is None:
        return f"<b>{text.NO_CALL}</b>"
    words = escape(f"{step['Name']}({shortened(step['Arguments'])})")
    if flag:
        words = words.replace(escape(flag), f"<mark>{escape(flag)}</mark>")
    place = escape(step["Source"])
    named = f'class="dl-source" data-source="{place}" title="이 줄을 열어요"'
    return f'<code>{words}</code> <button type="button" {named} {KEYS}>{place}</button>'


def _rest(found: Mapping[str, Any]) -> str:
    rows = facts.others(found)
    same = all(not row.differs for row in rows)
    said = "나머지 벽은 둘 다 그대로예요" if same else "나머지 벽"
    return f'<details data-fold="rest"><summary {KEYS}>{said}</summary>{_facts("나머지", rows)}</details>'
