"""A container that went on while the daemon died in the middle of a change: the machine is made what its record says.

`docker update`, `pause`, `commit` and `network connect` each change the machine and the record. Whichever was first,
both agree again, and what was acknowledged is so.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from kernel_engine.containers.house import House
from kernel_engine.containers.leading import bequeath, settle
from kernel_engine.containers.record import Container
from kernel_engine.containers.roster import Live
from kernel_engine.containers.spec import resources
from kernel_engine.errors import EngineError
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.runtime import cgroups

_log = logging.getLogger(__name__)


async def as_recorded(house: House, live: Live) -> None:
    """For one that runs or is paused. What the kernel refuses is only noted: the container may end in this moment."""
    async with live.lock:
        record = live.record
        if record.state.status not in ("running", "paused"):
            return
        try:
            await asyncio.to_thread(_groups, house.instance.cgroup, record)
            if record.endpoints:
                await _networks(house, live)
        except (OSError, EngineError) as error:
            _log.warning("container %s may not be as it is recorded: %s", record.id, error)


def _groups(cgroup: str, record: Container) -> None:
    cgroups.update(cgroup, record.id, resources(record.config.host))
    if record.state.status == "paused":
        cgroups.freeze(cgroup, record.id)
    else:
        cgroups.thaw(cgroup, record.id)


async def _networks(house: House, live: Live) -> None:
    """An endpoint without its cable has been left; ports and ways out are then another one's."""
    record = live.record
    kept: tuple[Endpoint, ...] = tuple(item for item in record.endpoints if house.networks.stands(item))
    for gone in record.endpoints:
        if gone not in kept:
            _, kept = await bequeath(house, record, gone, kept)
            await house.networks.detach(gone, running=True)
    if len(kept) < len(record.endpoints):
        left = {item.network_name for item in record.endpoints} - {item.network_name for item in kept}
        config = replace(
            record.config, networks={name: item for name, item in record.config.networks.items() if name not in left}
        )
        kept = await settle(house, replace(record, config=config), kept)
        await house.roster.keep(live, config=config, endpoints=kept)
    ways = [item.gateway for item in kept if item.routes] + [item.gateway6 for item in kept if item.routes6]
    await house.networks.lead_out(record.state.pid, [("", gateway) for gateway in ways if gateway], again=True)
