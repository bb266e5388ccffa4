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
        try:
            await asyncio.to_thread(cgroups.freeze, house.instance.cgroup, live.record.id)
        except FileNotFoundError:  # it ends in this moment
            raise not_running(live.record) from None
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
        if not await asyncio.to_thread(cgroups.thaw, house.instance.cgroup, live.record.id):  # it was killed meanwhile
            raise Conflict(f"Container {live.record.id} is not paused")
        await house.roster.keep(live, state=replace(live.record.state, status="running"))
        probing.begin(house, live)
        house.announce(live, "unpause")
