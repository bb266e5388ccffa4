"""A check's result on the page: one green line, or what was expected, what was found and where it was read."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from labs.checks import HINTS, NotYet, Passed, Result, as_text
from labs.notebook.learning import markup

if TYPE_CHECKING:
    from anywidget import AnyWidget


def show_result(name: str, result: Result, widget: AnyWidget | None = None) -> None:
    markup.show(text=_text(name, result), html=as_html(name, result), widget=widget)


def _text(name: str, result: Result) -> str:
    text = as_text(name, result)
    if isinstance(result, NotYet) and result.hints:
        text += f"\n  힌트 {len(result.hints)}개가 있어요."
    return text


def as_html(name: str, result: Result) -> str:
    if isinstance(result, Passed):
        body = f'<span class="dl-passed" role="status">✓ {name} 통과: {markup.inline(result.text)}</span>'
        return markup.section("check", body, label=label(name), boxed=False)
    return markup.section("notyet", facts_html(name, result) + _hints(result.hints), label=label(name))


def label(name: str) -> str:
    return f"{name} 확인"


def facts_html(name: str, result: NotYet) -> str:
    """What was expected, what was found, where it was read."""
    facts = (("기대한 것", result.expected), ("찾은 것", result.found), ("확인한 곳", result.read_from))
    rows = "".join(f"<li><b>{word}</b> <span>{lines(text)}</span></li>" for word, text in facts)
    return f"<b>○ {name} 아직이에요</b><ul>{rows}</ul>"


def lines(text: str) -> str:
    return "<br>".join(markup.inline(line) for line in text.splitlines())


def _hints(hints: tuple[str, ...]) -> str:
    """Each hint holds the next one, so that they are opened one after another."""
    inner = ""
    for at in range(len(hints) - 1, -1, -1):
        name = HINTS[at] if at < len(HINTS) else "더"
        told = f"<p>{lines(hints[at])}</p>{inner}"
        inner = f"<details><summary {markup.KEYS}>힌트 {at + 1}: {escape(name)}</summary>{told}</details>"
    return inner
