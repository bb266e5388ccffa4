"""Draws what a published port leads to: host, line, container, and the page or the reason why there is none. Pure.

`still` text and HTML name nothing that differs between two runs: no container that was named by chance, no port that
the engine chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from labs.notebook.learning import markup
from labs.notebook.learning.ports import EVERYWHERE, View, host

TITLE = "호스트의 포트가 이어진 곳"
OPENED = "페이지가 열렸어요."
READ_FROM = "GET /containers/…/json, /proc/…/net/tcp"
_CHOSEN = "빈 포트"
#: a socket, as on the container's other pictures
_SIGN = (
    '<svg width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.5" '
    'aria-hidden="true"><rect x="2" y="2" width="16" height="16" rx="3"/><path d="M6 6v5h2v3h4v-3h2V6"/></svg>'
)


def as_text(views: tuple[View, ...]) -> str:
    lines = [TITLE]
    for view in views:
        address = f" {_address(view, view.port.outside)}" if view.port.fixed else ""
        state = f"{OPENED}{address}" if not view.reason else markup.plain(view.reason.replace("`", ""))
        machine = f"{_machine(view)} " if view.place.server else ""
        lines.append(f"  {machine}{_outside(view, still=True)} → 컨테이너의 {view.port.inside}번 포트: {state}")
    return "\n".join(lines)


def as_html(view: View, *, still: bool, forwarded: Mapping[str, int] | None = None) -> str:
    """One port. forwarded: where the machine is a virtual one, its ports that the host of it can reach."""
    name = "컨테이너" if still else escape(view.place.name)
    line = (
        f'<p class="dl-line">{_SIGN}<b>{_machine(view)} {_outside(view, still=still)}</b>'
        f'<span aria-hidden="true">→</span><b>{name} {view.port.inside}번 포트</b></p>'
    )
    if view.reason:
        why = f'<p class="dl-why">{markup.inline(view.reason)}</p>'
        return f'{line}{why}<p class="dl-from">읽은 곳: {escape(READ_FROM)}</p>'
    return line + _link(view, still, forwarded)


def _link(view: View, still: bool, forwarded: Mapping[str, int] | None) -> str:
    """To the page in a tab of its own. In a virtual machine only what is forwarded leads there."""
    number: int | None = view.port.outside
    if forwarded is not None:
        open_outside = view.port.address in EVERYWHERE and not view.place.server
        number = forwarded.get(str(view.port.outside)) if open_outside else None
    if number is None:
        open_ones = ", ".join(forwarded or ())
        return f"<p>{OPENED} 이 포트는 가상 머신 밖에서 열 수 없어요. 밖에서도 열리는 포트: {escape(open_ones)}</p>"
    if still and not view.port.fixed:
        return f"<p>{OPENED}</p>"
    address = escape(_address(view, number))
    link = f'<a href="{address}" target="_blank" rel="noopener noreferrer">새 탭에서 열기</a>'
    return f"<p>{OPENED} {link} <code>{address}</code></p>"


def _machine(view: View) -> str:
    return f"서버 {escape(view.place.server)}의" if view.place.server else "호스트"


def _outside(view: View, *, still: bool) -> str:
    port = view.port
    if port.outside and (port.fixed or not still):
        return f"{port.outside}번 포트"
    return _CHOSEN


def _address(view: View, number: int) -> str:
    return f"http://{host(view.place, view.port)}:{number}{view.path}"
