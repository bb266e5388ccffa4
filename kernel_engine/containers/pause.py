"""docker pause and unpause: the cgroup freezer (cgroups(7))."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kernel_engine.containers import probing
from kernel_engine.containers.house import House
from kernel_engine.containers.roster import Live, not_running
from kernel_engine.errors import Conflict
from kernel_engine.runtime import cgroups


async def pause(house: House, live: Live) -> None:
    live.must_be_free()
    async with live.lock:
        status = live.record.state.status
        if status == "paused":
            raise Conflict(f"Container {live.record.id} is already paused")
        if status == "restarting":
            raise Conflict(f"Container {live.record.id} is restarting, wait until the container is running")
        if status != "running":
            raise not_running(live.record)
        await asyncio.to_thread(cgroups.freeze, house.instance.cgroup, live.record.id)
        probing.stop(live)
        state = live.record.state
        try:
            await house.roster.change(live, state=replace(state, status="paused", health=state.unwatched))
        except BaseException:
            await asyncio.to_thread(cgroups.thaw, house.instance.cgroup, live.record.id)
            probing.begin(house, live)
            raise
        house.announce(live, "pause")


async def unpause(house: House, live: Live) -> None:
    async with live.lock:
        if live.record.state.status != "paused":
            raise Conflict(f"Container {live.record.id} is not paused")
        await asyncio.to_thread(cgroups.thaw, house.instance.cgroup, live.record.id)
        await house.roster.keep(live, state=replace(live.record.state, status="running"))
        probing.begin(house, live)
        house.announce(live, "unpause")
