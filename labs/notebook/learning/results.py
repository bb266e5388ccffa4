"""A check's result on the page: one green line, or what was expected, what was found and where it was read."""

from __future__ import annotations

from html import escape

from labs.checks import HINTS, NotYet, Passed, Result, as_text
from labs.notebook.learning import markup


def show_result(name: str, result: Result) -> None:
    markup.show(text=_text(name, result), html=as_html(name, result))


def _text(name: str, result: Result) -> str:
    text = as_text(name, result)
    if isinstance(result, NotYet) and result.hints:
        text += f"\n  힌트 {len(result.hints)}개가 있어요."
    return text


def as_html(name: str, result: Result) -> str:
    label = f"{name} 확인"
    if isinstance(result, Passed):
        body = f'<span class="dl-passed" role="status">✓ {name} 통과: {markup.inline(result.text)}</span>'
        return markup.section("check", body, label=label, boxed=False)
    facts = (("기대한 것", result.expected), ("찾은 것", result.found), ("확인한 곳", result.read_from))
    rows = "".join(f"<li><b>{word}</b> <span>{_lines(text)}</span></li>" for word, text in facts)
    body = f"<b>○ {name} 아직이에요</b><ul>{rows}</ul>{_hints(result.hints)}"
    return markup.section("notyet", body, label=label)


def _lines(text: str) -> str:
    return "<br>".join(markup.inline(line) for line in text.splitlines())


def _hints(hints: tuple[str, ...]) -> str:
    """Each hint holds the next one, so that they are opened one after another."""
    inner = ""
    for at in range(len(hints) - 1, -1, -1):
        name = HINTS[at] if at < len(HINTS) else "더"
        told = f"<p>{_lines(hints[at])}</p>{inner}"
        inner = f"<details><summary {markup.KEYS}>힌트 {at + 1}: {escape(name)}</summary>{told}</details>"
    return inner
