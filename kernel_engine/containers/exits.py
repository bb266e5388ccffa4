"""When a process has ended: its output drained, its network given back, its state recorded, its policy applied."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

from kernel_engine.containers import probing
from kernel_engine.containers.fullness import when_there_is_room
from kernel_engine.containers.house import House, LiveExec
from kernel_engine.containers.networking import announce as announce_networks
from kernel_engine.containers.networking import detach_all
from kernel_engine.containers.record import Container, WaitResult
from kernel_engine.containers.remove import remove_locked
from kernel_engine.containers.restart import next_delay
from kernel_engine.containers.roster import Live, ended
from kernel_engine.containers.start import log_file, start_locked
from kernel_engine.errors import EngineError, NotFound, Unavailable
from kernel_engine.runtime.events import Exited
from kernel_engine.runtime.log_writer.client import LogFile
from kernel_engine.syscalls.trace import Trace, recording

#: how long output may still come after the process ended, before the container counts as ended anyway
_DRAIN = 3.0
#: seconds that a dead log writer's successor may take to come, and between looks whether it has
_SUCCESSION, _LOOK_AGAIN = 30.0, 0.05
_log = logging.getLogger(__name__)


def process_ended(house: House, exited: Exited) -> None:
    """The launcher's word that a process is gone: a container's first one, or an exec's."""
    if house.closing:
        return  # the launcher keeps it; the next daemon hears of it again
    if (running := house.execs.get(exited.id)) is not None:
        house.later(_exec_ended(house, running, exited))
    elif (live := house.roster.by_id(exited.id)) is not None:
        house.later(container_ended(house, live, exited))
    else:
        house.later(_let_go(house, exited.id))  # an exec of a daemon that died


async def container_ended(house: House, live: Live, exited: Exited) -> None:
    async with live.lock:
        record = live.record
        if record.state.pid == 0 and record.state.status not in ("running", "paused"):
            await house.launcher.forget(exited.id)
            return
        probing.stop(live)
        await _drained(house, record.id, log=log_file(record), stdin_once=record.config.stdin_once)
        delay = next_delay(
            record.config.host.restart,
            exit_code=exited.exit_code,
            stopped_by_user=live.record.stopped_by_user,  # perhaps since its output was drained
            restart_count=record.restart_count,
            ran_for=exited.finished_at - record.state.started_at,
        )
        state = ended(
            record.state,
            exit_code=exited.exit_code,
            finished_at=exited.finished_at,
            oom_killed=exited.oom_killed,
            error=exited.error,
        )
        leaving = record.config.host.auto_remove and delay is None
        result = WaitResult(exit_code=exited.exit_code, error=exited.error)
        live.settle("next-exit", result)
        if leaving:
            live.record = replace(record, endpoints=(), state=state)
            _announce(house, live, exited)
            live.settle("not-running", result)
            try:
                await remove_locked(house, live, result)
            finally:  # behind it, so that who waits for it is answered first
                _detach_later(house, record)
                house.later(_let_go(house, record.id))
            return
        _detach_later(house, record)
        saved = house.roster.save(
            live,
            endpoints=(),
            state=state if delay is None else replace(state, status="restarting"),
            restart_count=record.restart_count + (delay is not None),
        )
        known = await _on_disk(saved)
        _announce(house, live, exited)  # who hears of it and asks how the container is learns that it has ended
        if known:
            await _let_go(house, record.id)
        else:
            house.later(when_there_is_room(house, partial(_record, house, live)))
            with suppress(Unavailable):
                await house.log_writer.release(record.id)
        live.settle("not-running", result)  # also where it is started again: it has not been running for a moment
        if delay is not None:
            live.restart = house.later(_restart_after(house, live, delay))


async def adopt_again(house: House, process_id: str, *, log: LogFile | None, stdin_once: bool) -> None:
    """Gives a new log writer the streams that the launcher still holds; nothing for a process that it has forgotten."""
    try:
        stdio = await house.launcher.stdio(process_id)
    except NotFound:
        return
    try:
        await house.log_writer.adopt(process_id, stdio, log=log, stdin_once=stdin_once)
    finally:
        for descriptor in stdio.descriptors():
            os.close(descriptor)


async def _drained(house: House, process_id: str, *, log: LogFile | None, stdin_once: bool) -> None:
    """What it has written is in the log, also where the log writer dies meanwhile: the next one reads the rest."""
    asked = house.log_writer
    try:
        await asked.drained(process_id, _DRAIN)
        return
    except Unavailable:
        _log.info("the log writer died before it had read all of %s", process_id)
    until = time.monotonic() + _SUCCESSION
    while house.log_writer is asked and time.monotonic() < until:
        await asyncio.sleep(_LOOK_AGAIN)
    try:
        await adopt_again(house, process_id, log=log, stdin_once=stdin_once)
        await house.log_writer.drained(process_id, _DRAIN)
    except EngineError as error:  # its end is no less true
        _log.warning("the last output of %s may be lost: %s", process_id, error)


def _detach_later(house: House, record: Container) -> None:
    if record.endpoints:
        house.later(_detach(house, record))


async def _detach(house: House, record: Container) -> None:
    with recording(Trace("daemon")) as trace:
        await detach_all(house, record.id, record.endpoints)
    house.traces.add_end(record.id, trace.whole)


def _announce(house: House, live: Live, exited: Exited) -> None:
    if exited.oom_killed:
        house.announce(live, "oom")
    house.announce(live, "die", exitCode=str(exited.exit_code))
    announce_networks(house, live.record, "disconnect")


async def _on_disk(saved: asyncio.Future[None]) -> bool:
    """False where the disk is full: the end is no less true, and who waits for it is not kept waiting."""
    try:
        await saved
    except sqlite3.Error as error:
        _log.warning("the end of a container is not on the disk yet: %s", error)
        return False
    return True


async def _record(house: House, live: Live) -> None:
    """Until then the end is with the launcher, which tells a next daemon."""
    async with live.lock:
        if house.roster.by_id(live.record.id) is not live or live.record.state.status in ("running", "paused"):
            return
        await house.roster.save(live)
        await house.launcher.forget(live.record.id)


async def _let_go(house: House, process_id: str) -> None:
    """The end is known to the records, so that launcher and log writer need not keep it any more. One of them that has
    died keeps nothing, and what follows an end must follow."""
    told = (house.log_writer.release(process_id), house.launcher.forget(process_id))
    for outcome in await asyncio.gather(*told, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, Unavailable):
            raise outcome


async def _restart_after(house: House, live: Live, delay: float) -> None:
    await asyncio.sleep(delay)
    async with live.lock:
        live.restart = None
        if live.record.state.status != "restarting" or house.closing:
            return
        try:
            await start_locked(house, live)
        except EngineError as error:
            await house.roster.keep(live, state=replace(live.record.state, status="exited", error=error.message))
            live.settle("not-running", WaitResult(exit_code=live.record.state.exit_code, error=error.message))


async def _exec_ended(house: House, running: LiveExec, exited: Exited) -> None:
    await _drained(house, exited.id, log=None, stdin_once=True)
    running.record = replace(running.record, running=False, exit_code=exited.exit_code, pid=0)
    live = house.roster.by_id(running.record.container_id)
    if live is not None:
        house.announce(live, "exec_die", execID=exited.id, exitCode=str(exited.exit_code))
    running.done.set()
    await _let_go(house, exited.id)
