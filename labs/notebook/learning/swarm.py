"""`%swarm`: what a Swarm should be beside what it is, as its manager tells it, and what has become of earlier tasks.

Reading and drawing are apart: `swarm_view` reads through the manager's container, `swarm_picture` draws the answer.
"""

from __future__ import annotations

from kernel_engine.client import Client
from labs import swarm_view
from labs.inside import Inside
from labs.notebook.learning import living, swarm_picture
from labs.notebook.learning.living import Living

#: nothing in our engine tells of what a manager decides
_LOOK_SECONDS = 1.0
MANAGER = "manager"


def show_swarm(client: Client, manager: str) -> None:
    """A card at the end of the cell. Raises EngineUnreachable, and APIError where `manager` is no manager."""
    inside = Inside(client, manager)
    living.show(
        client,
        Living(
            kind="swarm",
            title=swarm_picture.TITLE,
            read=lambda: swarm_view.read(inside),
            as_text=swarm_picture.as_text,
            as_html=lambda found, note: swarm_picture.as_html(found, manager, note),
            every=_LOOK_SECONDS,
        ),
    )
