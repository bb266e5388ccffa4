"""docker container prune: removes what does not run, by label and age."""

from __future__ import annotations

import asyncio

from kernel_engine.containers import remove
from kernel_engine.containers.house import House
from kernel_engine.errors import Conflict, NotFound
from kernel_engine.formats.filters import Prune


async def prune(house: House, wanted: Prune) -> tuple[tuple[str, ...], int]:
    """Ids that went, and the bytes that they had written."""
    removed, freed = [], 0
    for live in house.roster.all():
        record = live.record
        if record.state.running or record.state.status == "removing":
            continue
        if not wanted.takes(created=record.created, labels=record.config.labels):
            continue
        try:
            size = await asyncio.to_thread(house.snapshots.size, record.id)
            await remove.remove(house, live, force=False)
        except (NotFound, Conflict):
            continue  # somebody else removed it, or started it, a moment ago
        removed.append(record.id)
        freed += size
    house.events.publish("container", "prune", "", {"reclaimed": str(freed)})
    return tuple(removed), freed
