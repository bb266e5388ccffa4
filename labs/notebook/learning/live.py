"""`%live`: the engine's images, layers and containers as they change."""

from __future__ import annotations

from kernel_engine.client import Client
from labs.notebook.learning import facts, living, picture
from labs.notebook.learning.living import Living

#: containers write files without an event: how often they are counted again
_LOOK_SECONDS = 3.0


def show_live(client: Client, parts: tuple[str, ...]) -> None:
    """A card at the end of the cell. Raises EngineUnreachable when nobody answers."""
    living.show(
        client,
        Living(
            kind="live",
            title=picture.TITLE,
            read=facts.Reader(client),
            as_text=lambda found: picture.as_text(found, parts),
            as_html=lambda found, note: picture.as_html(found, parts, note=note),
            every=_LOOK_SECONDS,
        ),
    )
