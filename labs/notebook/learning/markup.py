"""HTML and plain text of everything that the course shows, and how it reaches the page. Draws nothing by itself.

Each output holds its facts twice: `text/plain` that is the same on every run, and HTML that needs neither a kernel nor
a script. Where a person looks on, a widget is added to them.
"""

from __future__ import annotations

import os
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.display import display

if TYPE_CHECKING:
    from anywidget import AnyWidget

STATIC = Path(__file__).parent.parent / "static"
_CODE = re.compile(r"`([^`]+)`")
#: for what can have the focus: there Enter unfolds an answer, it is no shortcut of JupyterLab's
KEYS = 'data-lm-suppress-shortcuts="true"'
#: kind of output → its style sheets, besides those of all
SHEETS = {
    "map": ("map",),
    "predict": ("questions",),
    "quiz": ("questions",),
    "card": ("commands",),
    "check": ("results",),
    "notyet": ("results",),
    "progress": ("progress",),
    "live": ("things", "live"),
    "layers": ("things", "layers"),
    "build": ("things", "build"),
    "bars": ("bars",),
    "lifecycle": ("things", "lifecycle"),
    "dashboard": ("things", "dashboard"),
    "volumes": ("things", "volumes"),
    "topology": ("things", "topology"),
    "swarm": ("things", "swarm"),
    "ask": ("ask",),
    "port": ("things", "port"),
    "servers": ("things", "live", "servers"),
    "timeline": ("things", "timeline"),
    "xray": ("things", "xray"),
    "without": ("without",),
    "stepping": ("things", "timeline", "stepping"),
    "terminal": ("terminal",),
    "walls": ("walls",),
}
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def still() -> bool:
    """Does nobody look on (nbval, nbgrader, `labs build`)? Then there are no widgets and nothing moves."""
    return any(name in os.environ for name in ("PYTEST_CURRENT_TEST", "NBGRADER_EXECUTION", "DOCKER_LABS_STILL"))


def inline(text: str) -> str:
    """One run of markdown as HTML: `code` and **bold**, everything else as it is."""
    pieces = _CODE.split(text)
    return "".join(
        f"<code>{escape(piece)}</code>" if at % 2 else _BOLD.sub(r"<b>\1</b>", _plain(piece))
        for at, piece in enumerate(pieces)
    )


def _plain(text: str) -> str:
    """Two dollar signs in one text are a formula to JupyterLab, two of the shell's variables to us."""
    return escape(text).replace("$", "<span>$</span>")


def paragraphs(text: str) -> str:
    """Markdown paragraphs as HTML."""
    blocks = (" ".join(block.split()) for block in re.split(r"\n\s*\n", text.strip()))
    return "".join(f"<p>{inline(block)}</p>" for block in blocks if block)


def plain(text: str) -> str:
    """Markdown as one line of plain text."""
    return " ".join(_BOLD.sub(r"\1", text).split())


@cache
def style(*kinds: str) -> str:
    """The palette and the rules of some kinds, once for each output: an output must look right on its own."""
    names = dict.fromkeys(["palette", "labs", *(name for kind in kinds for name in SHEETS[kind])])
    rules = "".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in names)
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", rules, flags=re.DOTALL)).strip()


def section(kind: str, body: str, *, label: str, boxed: bool = True) -> str:
    """A whole output: the style and one labelled region."""
    box = " dl-box" if boxed else ""
    opening = f'<section class="dl{box} dl-{kind}" aria-label="{escape(label)}">'
    return f"<style>{style(kind)}</style>{opening}{body}</section>"


def show(*, text: str, html: str, widget: AnyWidget | None = None) -> None:
    """One output, with the widget in front for those who have a live page."""
    display(bundle(text, html, widget), raw=True)  # type: ignore[no-untyped-call]  # IPython's own


class Growing:
    """An output whose widget is on the page at once, and whose text and HTML follow when they are known."""

    def __init__(self, widget: AnyWidget) -> None:
        self._widget = widget
        self._handle: Any = display(bundle("", "", widget), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def finish(self, *, text: str, html: str) -> None:
        self._handle.update(bundle(text, html, self._widget), raw=True)


def bundle(text: str, html: str, widget: AnyWidget | None) -> dict[str, Any]:
    """The data of one output, by media type."""
    data: dict[str, Any] = {"text/plain": text, "text/html": html}
    if widget is None:
        return data
    view = widget._repr_mimebundle_()
    found = view[0] if isinstance(view, tuple) else view
    return {**(found or {}), **data}
