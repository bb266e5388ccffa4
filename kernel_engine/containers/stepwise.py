"""A start that somebody looks at: how it begins, what is seen at a stop, what comes of it. The stops: stepping.py."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from kernel_engine.containers import xray
from kernel_engine.containers.house import House
from kernel_engine.containers.record import WaitResult
from kernel_engine.containers.remove import remove_locked
from kernel_engine.containers.roster import Live
from kernel_engine.containers.start import start_locked
from kernel_engine.containers.stepping import Stepping, Stop
from kernel_engine.containers.xray import Xray
from kernel_engine.errors import Conflict, EngineError, NotModified
from kernel_engine.runtime.observation import Host, group, host


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look around. `seen` and `group` are None and "" while there is no process."""

    stop: Stop
    host: Host
    seen: Xray | None
    group: str


async def begin(house: House, live: Live, patience: float, *, provisional: bool) -> Stepping:
    """Begins the start. provisional: the container was made for it, and goes when it is given up, also when this
    daemon dies meanwhile."""
    record = live.record
    if record.state.running:
        raise NotModified(f"Container {record.id} is already running")
    live.must_be_free()
    stepping = live.stepping = Stepping(record.name, patience, provisional=provisional)
    if provisional:
        await house.roster.save(live, provisional=True)
    house.later(_carry_out(house, live, stepping))
    return stepping


async def look_around(house: House, live: Live, stepping: Stepping) -> View:
    """Conflict while the start moves on, and when the process has ended meanwhile."""
    stop = stepping.now
    if stop is None:
        raise Conflict(f"the start of container {live.record.name} is moving on: ask again")

    def look() -> View:
        if not stop.pid:
            return View(stop=stop, host=host(), seen=None, group="")
        seen = xray.look(house, live.record, stop.pid)
        return View(stop=stop, host=host(), seen=seen, group=group(stop.pid))

    try:
        return await asyncio.to_thread(look)
    except OSError as error:
        raise Conflict(f"the start of container {live.record.name} has ended") from error


async def _carry_out(house: House, live: Live, stepping: Stepping) -> None:
    try:
        async with live.lock:
            try:
                await start_locked(house, live, stepping)
            except EngineError as error:
                stepping.error = error
            live.stepping = None
            if stepping.provisional and house.roster.by_id(live.record.id) is not None:
                await _settle(house, live, stepping)
    finally:
        live.stepping = None
        stepping.end()


async def _settle(house: House, live: Live, stepping: Stepping) -> None:
    """Of one that was made for this start nothing is left when it was given up; else it is like any other."""
    if stepping.given_up and not live.record.state.running:
        await remove_locked(house, live, WaitResult(exit_code=live.record.state.exit_code))
    else:
        await house.roster.save(live, provisional=False)
