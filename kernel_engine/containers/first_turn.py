"""What runs in a container has its first turn before somebody looks at it, or comes in, right after its start.

A start is over when the program is executed, long before it has done anything: `docker run -d … && docker exec …` would
find what it makes, or would not, as the machine's load has it. Docker's own way from a start to an exec is so long that
nobody notices.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from kernel_engine.containers.house import House
from kernel_engine.containers.record import Container
from kernel_engine.errors import Unavailable
from kernel_engine.runtime.members import is_at_work, is_executing, members

#: seconds from the start on; a program that computes on and on is not waited for
_TURN = 0.25
_EXECVE = 2.0  #: of patience with a process that shall execute a program and does not, on a machine that is too busy
_LOOK = 0.002


async def first_turn(started_at: float, pids: Callable[[], Iterable[int]]) -> None:
    """Returns when all of the container's processes wait for something; at the latest 0.25 s after its start."""
    while _is_new(started_at) and any(map(is_at_work, pids())):
        await asyncio.sleep(_LOOK)


async def said(house: House, record: Container) -> None:
    """The same, and what they have said by then is in the log."""
    state = record.state
    if state.status != "running" or not _is_new(state.started_at):
        return
    await first_turn(state.started_at, lambda: members(house.instance.cgroup, record.id, state.pid))
    with suppress(Unavailable):
        while _is_new(state.started_at) and not await house.log_writer.settled(record.id):
            await asyncio.sleep(_LOOK)


def _is_new(started_at: float) -> bool:
    return 0 <= time.time() - started_at < _TURN


async def executed(pids: Iterable[int], launcher: int) -> None:
    """Returns when none of them is before its first execve(2), or in the middle of one."""
    end = time.monotonic() + _EXECVE
    for pid in pids:
        while is_executing(pid, launcher) and time.monotonic() < end:
            await asyncio.sleep(_LOOK)
