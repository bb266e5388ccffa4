"""`%volumes`: what holds data, and which containers have it."""

from __future__ import annotations

from kernel_engine.client import Client
from labs.notebook.learning import holding_picture, holdings, living
from labs.notebook.learning.living import Living

#: without an event nothing changes here; an engine that is gone is noticed after this
_LOOK_SECONDS = 5.0


def show_volumes(client: Client) -> None:
    """A card at the end of the cell. Raises EngineUnreachable when nobody answers."""
    living.show(
        client,
        Living(
            kind="volumes",
            title=holding_picture.TITLE,
            read=lambda: holdings.read(client),
            as_text=holding_picture.as_text,
            as_html=holding_picture.as_html,
            every=_LOOK_SECONDS,
        ),
    )
