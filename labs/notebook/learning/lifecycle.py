"""`%lifecycle`: where in their lives the learner's containers are."""

from __future__ import annotations

import time

from kernel_engine.client import Client
from labs.notebook.learning import facts, life_picture, living
from labs.notebook.learning.living import Living

#: without an event nothing changes here; an engine that is gone is noticed after this
_LOOK_SECONDS = 5.0
#: when the last of these pictures was asked for: what was removed since then is in the next one
_last = 0.0


def show_lifecycle(client: Client) -> None:
    """A card at the end of the cell. Raises EngineUnreachable when nobody answers."""
    global _last
    now = time.time()
    since, _last = _last or now, now
    living.show(
        client,
        Living(
            kind="lifecycle",
            title=life_picture.TITLE,
            read=facts.Lives(client, since),
            as_text=life_picture.as_text,
            as_html=life_picture.as_html,
            every=_LOOK_SECONDS,
        ),
    )
