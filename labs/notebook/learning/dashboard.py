"""`%dashboard`: what the learner's containers use, once a second, with buttons for the order and for a rest."""

from __future__ import annotations

import time

from ipywidgets import HBox, ToggleButton, ToggleButtons, VBox  # type: ignore[import-untyped]

from kernel_engine.client import Client
from labs.notebook.learning import gauges, living, markup
from labs.notebook.learning.card import Card
from labs.notebook.learning.living import Living, Watch
from labs.notebook.learning.usage import Board, Meter

_EVERY_SECONDS = 1.0
#: between the first two looks: a share of the processor is counted over a time
_FIRST_SECONDS = 0.2


def show_dashboard(client: Client) -> None:
    """At the end of the cell. Raises EngineUnreachable when nobody answers."""
    meter = Meter(client)
    order = ToggleButtons(options=list(gauges.ORDERS), description="순서", tooltips=[])
    rest = ToggleButton(description="멈추기", tooltip="숫자를 지금 그대로 두고 봐요")
    looks: list[Board] = []

    def read() -> Board:
        if not rest.value or not looks:
            looks[:] = [meter()]
        return looks[0]

    def around(card: Card, watch: Watch) -> VBox:
        rest.observe(lambda change: setattr(rest, "description", "계속" if change.new else "멈추기"), "value")
        for control in (order, rest):
            control.observe(lambda _: watch.awake.set(), "value")
        return VBox([HBox([order, rest]), card])

    if not markup.still():
        meter()
        time.sleep(_FIRST_SECONDS)
    living.show(
        client,
        Living(
            kind="dashboard",
            title=gauges.TITLE,
            read=read,
            as_text=gauges.as_text,
            as_html=lambda board, note: gauges.as_html(board, note, order=order.value, numbers=not markup.still()),
            every=_EVERY_SECONDS,
        ),
        around=around,
    )
