"""docker update: other limits or another restart policy for a container that exists; all of it or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from kernel_engine.containers.house import House
from kernel_engine.containers.limits import check_memory, check_options, check_share
from kernel_engine.containers.options import HostOptions
from kernel_engine.containers.roster import Live
from kernel_engine.containers.spec import resources
from kernel_engine.errors import Conflict, EngineError
from kernel_engine.runtime import cgroups

#: what the request may change; 0 or "" leaves a limit as it is
_LIMITS = (
    "memory", "memory_swap", "memory_reservation", "nano_cpus", "cpu_period", "cpu_quota", "cpu_shares", "cpuset_cpus",
    "cpuset_mems", "pids_limit",
)  # fmt: skip


async def update(house: House, live: Live, wanted: HostOptions) -> tuple[str, ...]:
    """Warnings for the user. `wanted` holds what is to change; a restart policy without a name stays as it is."""
    live.must_be_free()
    async with live.lock:
        record = live.record
        warnings: tuple[str, ...] = ()
        if (found := cgroups.controllers()) != cgroups.LIMITED:
            from kernel_engine.containers.discarding import without_limits  # of a rootless engine as a rule

            wanted, warnings = without_limits(wanted, found)
        if record.state.status in ("removing", "dead"):
            raise Conflict(
                f'Cannot update container {record.id}: Container is marked for removal and cannot be "update".'
            )
        check_memory(wanted)
        _check(record.id, record.config.host, wanted)
        host = merged(record.config.host, wanted)
        config = replace(record.config, host=host)
        check_options(config)
        check_share(house.limits, host)
        if house.restriction is not None:
            house.restriction.check(config)
        await house.roster.change(live, config=config)  # first: a new daemon does what was cut off
        if record.state.status in ("running", "paused"):
            try:
                changed = resources(host)
                await asyncio.to_thread(cgroups.update, house.instance.cgroup, record.id, changed)
            except OSError as error:
                await house.roster.keep(live, config=record.config)
                await _put_back(house, live)
                raise EngineError(f"Cannot update container {record.id}: {error}") from error
        house.announce(live, "update")
    return warnings


def _check(container_id: str, host: HostOptions, wanted: HostOptions) -> None:
    """What Docker refuses (container.UpdateContainer)."""
    if wanted.restart.name not in ("", "no") and host.auto_remove:
        raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
    if wanted.memory > _swap(host) and not wanted.memory_swap:
        raise Conflict(
            f"Cannot update container {container_id}: Memory limit should be smaller than already set memoryswap "
            "limit, update the memoryswap at the same time"
        )


def _swap(host: HostOptions) -> int:
    """Memory and swap together, as Docker fills it in where only memory is limited."""
    return (1 << 63) if host.memory_swap < 0 else host.memory_swap or host.memory * 2


def merged(host: HostOptions, wanted: HostOptions) -> HostOptions:
    """The container's own options with what is wanted put over them. Pure."""
    changes: dict[str, Any] = {name: value for name in _LIMITS if (value := getattr(wanted, name))}
    if "memory" in changes and "memory_swap" not in changes:  # what was filled in for the old limit stays
        changes["memory_swap"] = host.memory_swap or host.memory * 2
    if "nano_cpus" in changes:  # --cpus after --cpu-quota: the newer word counts
        changes |= {"cpu_period": 0, "cpu_quota": 0}
    elif changes.keys() & {"cpu_period", "cpu_quota"}:
        changes["nano_cpus"] = 0
    if wanted.restart.name:
        changes["restart"] = wanted.restart
    return replace(host, **changes)


async def _put_back(house: House, live: Live) -> None:
    """A refused write must not leave half of the new limits: the old ones are written over them."""
    former = resources(live.record.config.host)
    try:
        await asyncio.to_thread(cgroups.update, house.instance.cgroup, live.record.id, former)
    except OSError:
        pass  # the first refusal tells
