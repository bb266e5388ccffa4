"""Draws what holds data: a cylinder for a volume, and the containers that have it, where, and whether they may write.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePosixPath

from labs.notebook.learning.holdings import Holding, Use
from labs.notebook.learning.markup import KEYS
from labs.notebook.learning.picture import state, thing

TITLE = "볼륨과 컨테이너"
READ_FROM = "GET /volumes, GET /containers/…/json의 Mounts"
KINDS = {
    "volume": "이름 있는 볼륨",
    "unnamed": "이름 없는 볼륨",
    "bind": "호스트의 폴더 (바인드 마운트)",
    "tmpfs": "메모리 (tmpfs)",
}
NOTHING = "볼륨도, 폴더를 이어 붙인 컨테이너도 없어요."
UNUSED = "쓰는 컨테이너가 없어요"
MODES = {True: "읽기·쓰기", False: "읽기 전용"}
#: more holdings than this are only counted
SHOWN = 24
#: 40 × 44 pixels each
_SHAPES = {
    "volume": '<path d="M4 9v26c0 4 7 7 16 7s16-3 16-7V9"/><ellipse cx="20" cy="9" rx="16" ry="7"/>',
    "bind": '<path d="M4 38V10h12l4 5h16v23z"/>',
    "tmpfs": '<rect x="8" y="10" width="24" height="24" rx="2"/>'
    '<path d="M14 10V4M20 10V4M26 10V4M14 40v-6M20 40v-6M26 40v-6"/>',
}


# as text -------------------------------------------------------------------------------------------------------------
def as_text(holdings: Sequence[Holding]) -> str:
    """The facts in fixed lines: no number of a nameless volume, no path of this machine but its last part."""
    lines = [TITLE]
    for holding in holdings:
        name = called(holding)
        lines.append(f"  {KINDS[holding.kind]}{f' · {name}' if name else ''}")
        lines += [
            f"    {use.container.name} ({state(use.container)}) · {use.target} · {MODES[use.writable]}"
            for use in holding.uses
        ] or [f"    {UNUSED}"]
    return "\n".join(lines if holdings else [*lines, f"  {NOTHING}"])


def called(holding: Holding) -> str:
    """What stands on it; "" for what has no name that anybody would know."""
    if holding.kind == "bind":
        return f"…/{PurePosixPath(holding.name).name}"
    return holding.name if holding.kind == "volume" else ""


# as HTML -------------------------------------------------------------------------------------------------------------
def as_html(holdings: Sequence[Holding], note: str = "") -> str:
    """The picture without its style. `note` stands beside the title: whether it is live."""
    aside = f' <small class="dl-empty">{escape(note)}</small>' if note else ""
    rows = "".join(map(_row, holdings[:SHOWN])) or f'<p class="dl-empty">{NOTHING}</p>'
    if len(holdings) > SHOWN:
        rows += f'<p class="dl-empty">그 밖에 {len(holdings) - SHOWN}개</p>'
    return f'<h4>{TITLE}{aside}</h4><div class="dl-holdings">{rows}</div><p class="dl-from">읽은 곳: {READ_FROM}</p>'


def _row(holding: Holding) -> str:
    uses = "".join(map(_use, holding.uses)) or f'<li class="dl-unused">{UNUSED}</li>'
    return f'<div class="dl-holding dl-holds-{holding.kind}">{_source(holding)}<ul>{uses}</ul></div>'


def _source(holding: Holding) -> str:
    shape = _SHAPES.get(holding.kind, _SHAPES["volume"])
    drawn = (
        '<svg width="40" height="44" viewBox="0 0 40 44" fill="none" stroke="currentColor" stroke-width="1.5" '
        f'aria-hidden="true">{shape}</svg>'
    )
    name = called(holding)
    said = f"{f'<b>{escape(name)}</b>' if name else ''}<small>{KINDS[holding.kind]}</small>"
    show = f"volume:{holding.name}" if holding.kind in ("volume", "unnamed") else ""
    if not show:
        return f'<div class="dl-holder">{drawn}<span>{said}</span></div>'
    named = f'data-show="{escape(show)}" title="{escape(f"볼륨 {holding.name}")}"'
    return f'<button type="button" class="dl-holder" {named} {KEYS}>{drawn}<span>{said}</span></button>'


def _use(use: Use) -> str:
    mode = "rw" if use.writable else "ro"
    way = f'<span class="dl-path"><code>{escape(use.target)}</code><small>{MODES[use.writable]}</small></span>'
    container = use.container
    kind = {"running": "running", "restarting": "running", "paused": "paused"}.get(container.state, "exited")
    words = f'<b>{escape(container.name)}</b> <span class="dl-state">{state(container)}</span>'
    box = thing(kind, kind, f"container:{container.id}", f"컨테이너 {container.id}", words)
    return f'<li class="dl-use dl-{mode}">{way}{box}</li>'
