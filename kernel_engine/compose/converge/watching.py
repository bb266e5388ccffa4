"""How a project's containers change, as it happens: who waits for one looks again when something happened to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from kernel_engine.client import Client, EngineUnreachable
from kernel_engine.compose import labels
from kernel_engine.compose.converge.carry_out import Halt, Stopped

#: what changes how a container is; the many events of health checks' own processes do not
WORDS = ("create", "start", "die", "stop", "restart", "rename", "pause", "unpause", "health_status", "destroy")


class Watch:
    """Listens from its making on; what happened before is not told.

    `heard` gets each event, in order; `lost` what it was when the engine has gone.
    """

    def __init__(
        self,
        client: Client,
        project: str,
        heard: Callable[[dict[str, Any]], None] | None = None,
        lost: Callable[[Exception], None] | None = None,
    ) -> None:
        self._client = client
        self._heard = heard
        self._lost = lost
        self._changed = threading.Condition()
        self._counts: dict[str, int] = {}  #: container → how often something has happened to it
        self._ended: Exception | None = None
        self._closed = False
        filters = json.dumps({"type": ["container"], "label": [f"{labels.PROJECT}={project}"], "event": WORDS})
        self._response = client.get("/events", query={"filters": filters})
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._closed = True
        self._response.close()
        self.nudge()

    def nudge(self, container: str = "") -> None:
        """Lets whoever waits for this container look again; everyone when none is named."""
        with self._changed:
            for known in [container] if container else self._counts:
                self._counts[known] = self._counts.get(known, 0) + 1
            self._changed.notify_all()

    def until(self, container: str, arrived: Callable[[], bool], halt: Halt, deadline: float = 0) -> bool:
        """Waits until `arrived` says so, asking it whenever something has happened to the container.

        False at the deadline (monotonic). Raises Stopped when `halt` was called, EngineUnreachable when the engine
        has gone.
        """
        while True:
            with self._changed:
                seen = self._counts.setdefault(container, 0)
            if halt.called:
                raise Stopped
            if arrived():
                return True
            with self._changed:
                while self._counts[container] == seen and not halt.called and self._ended is None:
                    left = deadline - time.monotonic() if deadline else None
                    if left is not None and left <= 0:
                        return False
                    self._changed.wait(left)
                if self._ended is not None:
                    raise self._ended

    def _listen(self) -> None:
        try:
            for event in self._response.objects():
                if self._heard is not None:
                    self._heard(event)
                self.nudge(event["Actor"]["ID"])
            ended: Exception = EngineUnreachable(
                f"error during connect: {self._client.host} closed the connection: EOF"
            )
        except (EngineUnreachable, OSError, ValueError) as error:
            ended = EngineUnreachable(str(error))
        if not self._closed:
            self._ended = ended
            if self._lost is not None:
                self._lost(ended)
        self.nudge()
