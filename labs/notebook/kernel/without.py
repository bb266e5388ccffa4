"""`%without WALL docker run …`: the same container with all walls and with one left out, side by side."""

from __future__ import annotations

import shlex

from kernel_engine.client import Client
from labs.notebook.kernel import without_picture
from labs.notebook.learning import markup
from labs.notebook.learning.card import card
from labs.without import text
from labs.without.asking import ask, understood

KIND = "without"
WAY = "%without "
STOPPED = "멈췄어요. 두 컨테이너도 끝났어요."


def show(client: Client, line: str) -> int:
    """Raises Refused for a line that cannot be shown, APIError, EngineUnreachable. 130 when it was interrupted."""
    wish = understood(shlex.split(line), WAY)
    try:
        found = ask(client, wish, print)
    except KeyboardInterrupt:
        print(STOPPED)
        return 130
    said = text.fixed(found, wish.command)
    if markup.still():
        drawn, shown = without_picture.as_still_html(said), None
    else:
        drawn = without_picture.as_html(found, wish.command)
        shown = card(client, KIND, drawn)
    html = markup.section(KIND, drawn, label=text.TITLE, boxed=False)
    markup.show(text=said, html=html, widget=shown)
    return 0
