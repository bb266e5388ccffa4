"""After a death (daemon, launcher, log writer): what goes on is found again, what ended is recorded."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from kernel_engine.containers import health, probing
from kernel_engine.containers.exits import adopt_again, container_ended, process_ended
from kernel_engine.containers.house import House
from kernel_engine.containers.networking import detach_all, names_again
from kernel_engine.containers.reconcile import as_recorded
from kernel_engine.containers.record import WaitResult
from kernel_engine.containers.remove import remove_locked
from kernel_engine.containers.restart import starts_with_daemon
from kernel_engine.containers.roster import Live, Roster, ended
from kernel_engine.containers.sharing import in_order
from kernel_engine.containers.start import log_file, start_locked
from kernel_engine.containers.traces import read_trace
from kernel_engine.errors import EngineError
from kernel_engine.formats.frozen import revive
from kernel_engine.network.endpoint import Endpoint
from kernel_engine.runtime import cgroups
from kernel_engine.runtime.events import Exited, Known
from kernel_engine.syscalls.process import kill as kill_process

LAUNCHER_DIED = "the engine's launcher ended, and its containers with it"
LOG_WRITER_DIED = "the engine's log writer ended, and what it held of the container with it"
_log = logging.getLogger(__name__)
MACHINE_RESTARTED = "the machine or the engine's launcher was restarted"


def remember(roster: Roster, notes: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Every endpoint in use, before the networks are opened. notes: what the launcher was told when it started what
    runs; the record of such a start may not have reached the disk."""
    for live in roster.all():
        note = notes.get(live.record.id)
        if note and not live.record.endpoints:
            roster.save(live, endpoints=tuple(revive(Endpoint, item) for item in json.loads(note)))
    return tuple(endpoint for live in roster.all() for endpoint in live.record.endpoints)


async def recover(house: House) -> None:
    """At the daemon's start: the launcher's word against the records."""
    if await house.snapshots.keep_only({live.record.id for live in house.roster.all()}):
        await house.images.collect()  # layers that only they stood on
    known = {item.id: item for item in await house.launcher.known()}
    held = await house.log_writer.holds()
    for record in in_order(live.record for live in house.roster.all()):
        live = house.roster.find(record.id)
        house.traces.keep(live.record.id, read_trace(Path(live.record.directory) / "trace.json"))
        await _recover_one(house, live, known.get(live.record.id), held)
    for item in known.values():
        if house.roster.by_id(item.id) is None:
            await _end_unknown(house, item)
        elif house.restriction is not None and item.exited is None and not _has_own_users(item.pid):
            _log.warning("container %s has this machine's users, and is ended: the engine is restricted", item.id)
            await house.launcher.signal(item.id, 9)


async def launcher_lost(house: House) -> None:
    """PDEATHSIG has killed every process that it had started; a new launcher is connected already."""
    for running in tuple(house.execs.values()):
        if running.record.running:
            process_ended(house, _killed(running.record.id, LAUNCHER_DIED))
    for live in house.roster.all():
        if live.record.state.status in ("running", "paused"):
            _kill_rest(house, live)
            await container_ended(house, live, _killed(live.record.id, LAUNCHER_DIED))


async def log_writer_lost(house: House) -> None:
    """A new log writer is connected already; it gets the streams that the launcher still holds."""
    for live in house.roster.all():
        if live.stepping is not None:  # a person may hold its lock for minutes
            live.stepping.give_up(LOG_WRITER_DIED)
            continue
        async with live.lock:  # one that is being started may have given its streams to the lost one
            if live.record.state.status in ("running", "paused"):
                await _adopt_again(house, live)
    for running in house.execs.values():
        if running.record.running:
            await adopt_again(house, running.record.id, log=None, stdin_once=True)


async def gate_lost(house: House) -> None:
    """A rootless engine's ports, by the new gate, which is connected already."""
    states = [live.record for live in house.roster.all() if live.record.state.status in ("running", "paused")]
    await house.networks.open_again((endpoint, item.state.pid) for item in states for endpoint in item.endpoints)


async def _recover_one(house: House, live: Live, known: Known | None, held: frozenset[str]) -> None:
    record = live.record
    status = record.state.status
    # a removal takes the snapshot before the record: without it, the removal was cut off
    abandoned = record.provisional and known is None
    if status == "removing" or abandoned or not house.snapshots.has(record.id):
        await _finish_removal(house, live)
        return
    if known is not None:
        # the record may be older than the truth: the daemon died between the start and its commit
        if status not in ("running", "paused"):
            house.roster.save_state(
                live,
                status="running",
                pid=known.pid,
                started_at=known.started_at,
                exit_code=0,
                finished_at=0.0,
                health=health.starting(record.config, record.state.health),
            )
            house.roster.save(live, provisional=False)
        if record.id not in held:
            await _adopt_again(house, live)
        if known.exited is not None:
            await container_ended(house, live, known.exited)
        else:
            await as_recorded(house, live)
            await names_again(house, live)
            if live.record.state.status == "running":
                probing.begin(house, live)
        return
    was_running = status in ("running", "paused", "restarting")
    if was_running:
        _kill_rest(house, live)
        if record.endpoints:  # its ports are open again since the networks are
            await detach_all(house, record.id, record.endpoints)
        state = ended(record.state, exit_code=137, finished_at=time.time(), oom_killed=False, error=MACHINE_RESTARTED)
        await house.roster.keep(live, state=state, endpoints=())
    if starts_with_daemon(record.config.host.restart, was_running=was_running, stopped_by_user=record.stopped_by_user):
        async with live.lock:
            try:
                await start_locked(house, live)
            except EngineError:
                return  # recorded in the container's state
    elif record.config.host.auto_remove:  # also one that was never started, as Docker: who made it for this is gone
        async with live.lock:
            await remove_locked(house, live, WaitResult(exit_code=137))


async def _finish_removal(house: House, live: Live) -> None:
    """Of one that was cut off. Where all of us died together, nobody has taken it off its networks yet."""
    record = live.record
    if record.endpoints:
        await detach_all(house, record.id, record.endpoints)
    async with live.lock:
        await remove_locked(house, live, WaitResult(exit_code=record.state.exit_code))


async def _adopt_again(house: House, live: Live) -> None:
    record = live.record
    await adopt_again(house, record.id, log=log_file(record), stdin_once=record.config.stdin_once)


async def _end_unknown(house: House, item: Known) -> None:
    """A process whose container has no record any more, or an exec of a daemon that died: only a user's goes on."""
    if item.exited is not None:
        await house.log_writer.release(item.id)
        await house.launcher.forget(item.id)
    elif item.container == item.id or probing.is_probe(item.id):
        await house.launcher.signal(item.id, 9)


def _has_own_users(pid: int) -> bool:
    """Whether it is in a user namespace of its own. One that is gone has been ended already."""
    try:
        return not os.path.samestat(os.stat(f"/proc/{pid}/ns/user"), os.stat("/proc/self/ns/user"))
    except FileNotFoundError:
        return True


def _kill_rest(house: House, live: Live) -> None:
    """Whatever is still in the container's cgroup: there must be nothing, and then this does nothing."""
    for pid in cgroups.processes(house.instance.cgroup, live.record.id):
        try:
            kill_process(pid, 9)
        except ProcessLookupError:
            continue


def _killed(process_id: str, reason: str) -> Exited:
    return Exited(id=process_id, exit_code=137, oom_killed=False, finished_at=time.time(), error=reason)
