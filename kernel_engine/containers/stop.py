"""docker stop, kill and restart: signals to the first process, and waiting for its end."""

from __future__ import annotations

import asyncio
import signal as signals
from contextlib import suppress
from dataclasses import replace

from kernel_engine.containers.house import House
from kernel_engine.containers.record import WaitResult
from kernel_engine.containers.roster import Live, not_running
from kernel_engine.errors import Conflict, NotFound, NotModified
from kernel_engine.formats.signals import parse_signal
from kernel_engine.runtime import cgroups

DEFAULT_TIMEOUT = 10
#: after SIGKILL: the kernel needs a moment, a process in uninterruptible sleep perhaps more
_KILL_PATIENCE = 30.0


async def stop(house: House, live: Live, timeout: int | None, signal: str = "") -> None:
    """Asks the first process to end, and kills it after `timeout` seconds (-1: never)."""
    config = live.record.config
    if await _restart_given_up(house, live):
        house.announce(live, "stop")
        return
    if not live.record.state.running:
        raise NotModified(f"Container {live.record.id} is already stopped")
    number = parse_signal(signal or config.stop_signal or "SIGTERM")
    if timeout is None:
        timeout = DEFAULT_TIMEOUT if config.stop_timeout is None else config.stop_timeout
    house.roster.save(live, stopped_by_user=True)
    await end(house, live, signal=number, timeout=None if timeout < 0 else timeout)
    house.announce(live, "stop")


async def kill(house: House, live: Live, signal: str) -> None:
    record = live.record
    number = parse_signal(signal or "KILL")
    if await _restart_given_up(house, live):
        return
    if not live.record.state.running:
        raise Conflict(f"Cannot kill container: {record.name}: Container {record.id} is not running")
    if number in (signals.SIGKILL, parse_signal(record.config.stop_signal or "SIGTERM")):
        house.roster.save(live, stopped_by_user=True)
    if number == signals.SIGKILL:
        await end(house, live, signal=number, timeout=None)  # as Docker: it answers when the container has ended
    else:
        house.announce(live, "kill", signal=str(number))  # before it may die of it
        await _send(house, live, number)


async def end(house: House, live: Live, *, signal: int, timeout: float | None) -> None:
    """Sends `signal`, waits, sends SIGKILL; returns when the end is recorded. Without a lock: the exit needs it."""
    if await _restart_given_up(house, live):
        return
    future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
    live.waiting.append(("next-exit", future))
    house.roster.save(live, stopped_by_user=True)
    if not live.record.state.running:
        return
    house.announce(live, "kill", signal=str(signal))
    await _end_by(house, live, signal)
    if live.record.state.status == "paused":
        cgroups.thaw(house.instance.cgroup, live.record.id)  # on v2 a frozen one has ended by SIGKILL perhaps
    if signal != signals.SIGKILL:
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(future)
        except TimeoutError:
            house.announce(live, "kill", signal="9")
            await _end_by(house, live, signals.SIGKILL)
    try:
        async with asyncio.timeout(_KILL_PATIENCE):
            await asyncio.shield(future)
    except TimeoutError:
        raise Conflict(f"container {live.record.id} did not end within {_KILL_PATIENCE:.0f} s after SIGKILL") from None
    # the exit's own bookkeeping is finished when its lock is free; where it was ending by itself when it was asked to,
    # a new life may have been planned
    await _give_up_restart(house, live)


async def _end_by(house: House, live: Live, number: int) -> None:
    """A container that ends by itself in this moment is what was wanted."""
    with suppress(Conflict):
        await _send(house, live, number)


async def _send(house: House, live: Live, number: int) -> None:
    try:
        await house.launcher.signal(live.record.id, number)
    except NotFound:
        if live.record.state.running and number != signals.SIGKILL:
            return  # it has just ended; whoever waits hears of it
        if not live.record.state.running:
            raise not_running(live.record) from None


async def _restart_given_up(house: House, live: Live) -> bool:
    """Whether it was between two lives and stays so. The next one may have begun just now: then it runs."""
    if live.record.state.status != "restarting":
        return False
    await _give_up_restart(house, live)
    return not live.record.state.running


async def _give_up_restart(house: House, live: Live) -> None:
    """A container between two lives: there is no process to signal, only a start to cancel."""
    async with live.lock:
        if live.restart is not None:
            live.restart.cancel()
            live.restart = None
        if live.record.state.status == "restarting":
            house.roster.save(live, stopped_by_user=True)
            await house.roster.keep(live, state=replace(live.record.state, status="exited"))
            live.settle("not-running", WaitResult(exit_code=live.record.state.exit_code))
