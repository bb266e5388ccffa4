"""docker rm: the record, the snapshot, the log and the directory, so that nothing of the container is left."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

from kernel_engine.containers.fullness import when_there_is_room
from kernel_engine.containers.house import House
from kernel_engine.containers.mounting import leave
from kernel_engine.containers.record import Container, WaitResult
from kernel_engine.containers.roster import Live
from kernel_engine.containers.stop import end
from kernel_engine.errors import Conflict, EngineError, NoSpace, NotFound
from kernel_engine.storage.refusal import refusal

#: why a start that is looked at step by step ends
REMOVED = "the container is being removed"


async def remove(house: House, live: Live, *, force: bool, volumes: bool = False) -> None:
    record = live.record
    if record.state.status == "removing":
        raise Conflict(f"removal of container {record.name} is already in progress")
    if record.state.running:
        if record.state.status == "paused" and not force:
            raise Conflict(
                f"You cannot remove a paused container {record.id}. Unpause and then stop the container before "
                "attempting removal or force remove"
            )
        if not force:
            raise Conflict(
                f"You cannot remove a {record.state.status} container {record.id}. Stop the container before "
                "attempting removal or force remove"
            )
        await end(house, live, signal=9, timeout=None)
    if live.stepping is not None:
        if not force:
            raise Conflict(
                f"You cannot remove a container that is being started step by step {record.id}. Give the start up "
                "before attempting removal or force remove"
            )
        live.stepping.give_up(REMOVED)
    async with live.lock:
        if house.roster.by_id(record.id) is None:
            return  # --rm was faster
        result = WaitResult(exit_code=live.record.state.exit_code)
        if refused := await remove_locked(house, live, result, volumes=volumes):
            raise refused


async def remove_locked(house: House, live: Live, result: WaitResult, *, volumes: bool = False) -> EngineError | None:
    """The caller holds the lock; the container does not run.

    The file system goes first, the record last: without the one and with the other a new daemon finishes what was cut
    off, and this one what a full disk refuses (NoSpace is returned then), when there is room. So only `docker rm` waits
    until the record is gone from the disk too; with --rm nobody can tell.
    """
    record = live.record
    anonymous = volumes or record.with_volumes or record.config.host.auto_remove
    if volumes and not record.with_volumes and any(point.anonymous for point in record.mounts):
        await house.roster.keep(live, with_volumes=True)  # on a full disk only this daemon knows
    house.roster.note(live, status="removing")
    for exec_id in [key for key, item in house.execs.items() if item.record.container_id == record.id]:
        house.execs.pop(exec_id)
    await house.snapshots.remove(record.id)
    house.snapshots.discard(Path(record.directory))
    try:
        await _erase(house, live, anonymous=anonymous)
    except (NoSpace, sqlite3.Error) as error:
        _answer(live, result)  # who waits for the end is not kept waiting: it is no less true
        house.later(when_there_is_room(house, partial(_finish, house, live, anonymous=anonymous)))
        return refusal(f"remove container {record.name}", error) if isinstance(error, sqlite3.Error) else error
    _forget(house, live)
    _answer(live, result)
    return None


async def _erase(house: House, live: Live, *, anonymous: bool) -> None:
    """From its volumes and from the records."""
    record = live.record
    if record.mounts:
        await _leave(house, record, anonymous=anonymous)
    deleted = _delete(house, live)
    if record.config.host.auto_remove:
        house.later(_deleted_in_the_end(house, live, deleted))
    else:
        await _deleted(house, live, deleted)


async def _finish(house: House, live: Live, *, anonymous: bool) -> None:
    async with live.lock:
        await _erase(house, live, anonymous=anonymous)
        _forget(house, live)


def _forget(house: House, live: Live) -> None:
    house.roster.forget(live)
    if not live.record.transient and _is_gone(house, live.record.image_id):
        house.later(house.images.collect())  # its layers stayed for this container's sake
    house.announce(live, "destroy")


def _answer(live: Live, result: WaitResult) -> None:
    live.settle("removed", result)
    live.settle("not-running", result)
    live.settle("next-exit", result)


async def _leave(house: House, record: Container, *, anonymous: bool) -> None:
    try:
        await leave(house, record, anonymous=anonymous)
    except NoSpace:  # as below
        await house.layers.trash.emptied()
        await leave(house, record, anonymous=anonymous)


async def _deleted(house: House, live: Live, deleted: asyncio.Future[None]) -> None:
    """On a full disk, what the container's files leave is the room for it."""
    try:
        await deleted
    except sqlite3.Error:
        await house.layers.trash.emptied()
        await _delete(house, live)


async def _deleted_in_the_end(house: House, live: Live, deleted: asyncio.Future[None]) -> None:
    """For one that nobody knows any more."""

    async def again() -> None:
        await _deleted(house, live, _delete(house, live))

    try:
        await _deleted(house, live, deleted)
    except sqlite3.Error:
        await when_there_is_room(house, again)


def _delete(house: House, live: Live) -> asyncio.Future[None]:
    record = live.record
    forget = partial(house.snapshots.unrecord, container_id=record.id)
    return house.roster.delete(live, waited_for=not record.config.host.auto_remove, beside=forget)


def _is_gone(house: House, image_id: str) -> bool:
    try:
        house.images.get(image_id)
    except NotFound:
        return True
    return False
