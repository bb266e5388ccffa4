"""`%layers`: the sheets that images are made of."""

from __future__ import annotations

from kernel_engine.client import Client
from labs.notebook.learning import markup, stack_picture, stacks
from labs.notebook.learning.card import card


def show_layers(client: Client, names: tuple[str, ...]) -> None:
    """Raises APIError for an image that is not there, EngineUnreachable when nobody answers."""
    found = stacks.read(client, names)
    body = stack_picture.as_html(found)
    shown = None if markup.still() else card(client, "layers", body)
    html = markup.section("layers", body, label=stack_picture.TITLE, boxed=False)
    markup.show(text=stack_picture.as_text(found), html=html, widget=shown)
