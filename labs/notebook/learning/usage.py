"""What running containers use: processor time, memory, processes, network. Read from the engine's stats, drawn by
`gauges`.

Each look is one short request a container (`one-shot`): nothing stays open between two looks, so that nothing can be
left over when nobody looks on any more. The processor's share is counted between two looks of the same reader.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from kernel_engine.cli.stats import cpu_percent, used_memory
from kernel_engine.client import APIError, Client
from labs.notebook.learning.facts import containers

#: more containers than this are not measured
MEASURED = 24
#: looks that are remembered of each
REMEMBERED = 60
_ONCE = {"stream": "0", "one-shot": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A container that runs or is paused. `cpu` in percent of one processor, None before the second look; `memory` and
    `limit` in bytes, the limit 0 where there is none; `past`: cpu at the looks before, the newest last."""

    id: str
    name: str
    state: str
    cpu: float | None
    memory: int
    limit: int
    processes: int
    received: int
    sent: int
    past: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """From the oldest to the newest. `machine`: bytes of memory of the whole machine; `more`: so many run besides."""

    uses: tuple[Use, ...]
    machine: int
    more: int


class Meter:
    """Called, it looks at every container that runs."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._machine = int(client.get("/info").json()["MemTotal"])
        self._before: dict[str, Any] = {}
        self._past: dict[str, deque[float]] = {}

    def __call__(self) -> Board:
        """Raises EngineUnreachable when nobody answers."""
        running = [each for each in containers(self._client) if each.state in ("running", "paused", "restarting")]
        uses = [self._use(each.id, each.name, each.state) for each in running[:MEASURED]]
        here = {use.id for use in uses if use is not None}
        self._before = {id: sample for id, sample in self._before.items() if id in here}
        self._past = {id: past for id, past in self._past.items() if id in here}
        return Board(
            uses=tuple(use for use in uses if use is not None),
            machine=self._machine,
            more=max(len(running) - MEASURED, 0),
        )

    def _use(self, id: str, name: str, state: str) -> Use | None:
        """None for one that has ended meanwhile."""
        try:
            sample = self._client.get(f"/containers/{id}/stats", query=_ONCE).json()
        except APIError:
            return None
        memory = sample.get("memory_stats")
        if not memory:
            return None
        networks = (sample.get("networks") or {}).values()
        return Use(
            id=id,
            name=name,
            state=state,
            cpu=self._cpu(id, sample),
            memory=used_memory(memory),
            limit=memory["limit"] if memory["limit"] < self._machine else 0,
            processes=sample["pids_stats"].get("current", 0),
            received=sum(item["rx_bytes"] for item in networks),
            sent=sum(item["tx_bytes"] for item in networks),
            past=tuple(self._past.get(id, ())),
        )

    def _cpu(self, id: str, sample: dict[str, Any]) -> float | None:
        before, self._before[id] = self._before.get(id), sample
        if before is None:
            return None
        found = cpu_percent({"cpu_stats": sample["cpu_stats"], "precpu_stats": before["cpu_stats"]})
        self._past.setdefault(id, deque(maxlen=REMEMBERED)).append(found)
        return found
