"""The engine: wiring and nothing else. Opens the crafts, introduces them to each other, hands out the nouns."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kernel_engine.build import cache as build_cache
from kernel_engine.build.build import Builder
from kernel_engine.containers import probing, recover, roster
from kernel_engine.containers.containers import Containers
from kernel_engine.containers.events import Events
from kernel_engine.containers.exits import process_ended
from kernel_engine.containers.house import House
from kernel_engine.containers.restriction import Restriction
from kernel_engine.containers.roster import Roster
from kernel_engine.containers.stepping import CLOSING
from kernel_engine.containers.traces import Traces
from kernel_engine.errors import Unavailable
from kernel_engine.images import store
from kernel_engine.images.certificates import DIRECTORY
from kernel_engine.images.store import Images
from kernel_engine.network import rows as network_rows
from kernel_engine.network.networks import Networks
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.runtime import cgroups
from kernel_engine.runtime.cgroups import NO_LIMITS, Limits
from kernel_engine.runtime.client import Launcher
from kernel_engine.runtime.log_writer.client import LogWriter
from kernel_engine.runtime.spec import Ids
from kernel_engine.servers import servers as other_servers
from kernel_engine.servers.server import Settings
from kernel_engine.servers.servers import Servers
from kernel_engine.storage import layers, snapshots, volumes
from kernel_engine.storage.layers import Layers
from kernel_engine.storage.snapshots import Snapshots
from kernel_engine.storage.volumes import Volumes
from kernel_engine.walls.walls import Walls
from kernel_engine.workers.pool import Workers

log = logging.getLogger("kernel_engine")

#: seconds that work beside the requests gets to finish when the daemon closes
_PATIENCE = 2.0
#: seconds between tries to start the launcher or the log writer anew
_PAUSE = 0.5
#: what the process of workers loads before it forks
WORKER_MODULES = (
    "kernel_engine.images.worker",
    "kernel_engine.build.worker",
    "kernel_engine.containers.archive_worker",
)
#: static inits of the distributions, for --init
_INITS = ("/usr/bin/tini-static", "/usr/libexec/catatonit/catatonit", "/usr/bin/catatonit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What stands between this machine and containers, and between it and clients."""

    ids: Ids | None = None  #: whom containers' users are on this machine; None = themselves
    restriction: Restriction | None = None  #: what a client may not ask for
    limits: Limits = NO_LIMITS  #: of all containers together
    words: tuple[str, ...] = ()  #: what makes `serve` guard a server beside this one alike
    servers: int | None = None  #: how many of them there may be; None = as many as there is room for


@dataclass(slots=True)
class Engine:
    instance: Instance
    containers: Containers
    images: Images
    build: Builder
    events: Events
    networks: Networks
    volumes: Volumes
    servers: Servers
    walls: Walls
    restriction: Restriction | None
    _house: House
    _records: Records

    @classmethod
    async def open(
        cls,
        instance: Instance,
        *,
        mirrors: tuple[str, ...] = (),
        insecure: tuple[str, ...] = (),
        certificates: Path = DIRECTORY,
        subnet: str | None = None,
        dns: tuple[str, ...] = (),
        group: str = "",
        verbose: bool = False,
        guard: Guard = Guard(),
    ) -> Engine:
        """Finds what an earlier daemon left (running containers, their streams) and goes on from there.

        mirrors, insecure, certificates: see `Images`. dns: of containers that name no resolver. group, verbose: for
        the servers beside this one.
        """
        for directory in (instance.root, instance.run):
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        # what a container's root makes belongs to root on the disk: nobody else of this machine may run it from there
        instance.root.chmod(0o700)
        for directory in (instance.blobs, instance.layers, instance.staging, instance.containers):
            directory.mkdir(mode=0o710, exist_ok=True)
        records = Records(
            instance.database,
            (
                roster.SCHEMA,
                layers.SCHEMA,
                snapshots.SCHEMA,
                store.SCHEMA,
                build_cache.SCHEMA,
                volumes.SCHEMA,
                network_rows.SCHEMA,
                other_servers.SCHEMA,
            ),
        )
        try:
            make_images = partial(Images, mirrors=mirrors, insecure=insecure, certificates=certificates)
            house = await _furnish(instance, records, make_images, subnet, guard)
            house.dns = dns
        except BaseException:
            records.close()
            raise
        await recover.recover(house)
        build = Builder(house, records)
        await build.load()
        given = Settings(
            mirrors=mirrors,
            insecure=insecure,
            certificates=certificates,
            dns=dns,
            group=group,
            verbose=verbose,
            guard=guard.words,
            most=guard.servers,
        )
        servers = await Servers.open(instance, records, given, house.images.allow_plain)
        walls = Walls(house)
        await walls.sweep()
        return cls(
            instance,
            Containers(house),
            house.images,
            build,
            house.events,
            house.networks,
            house.volumes,
            servers,
            walls,
            guard.restriction,
            house,
            records,
        )

    async def close(self) -> None:
        """Containers, launcher and log writer go on; only this daemon's part ends."""
        self._house.closing = True
        self.events.close()
        for live in self._house.roster.all():
            if live.restart is not None:
                live.restart.cancel()
            probing.stop(live)
            if live.stepping is not None:
                live.stepping.give_up(CLOSING)
        if self._house.background:
            await asyncio.wait(self._house.background, timeout=_PATIENCE)
        self._house.launcher.shut()
        self._house.log_writer.shut()  # ends what waits for an attached client, for days perhaps
        await asyncio.gather(*self._house.background, return_exceptions=True)
        await self._house.workers.close()
        self._house.layers.trash.close()
        await self.servers.close()
        await self.networks.close()
        self._records.close()


async def _furnish(
    instance: Instance,
    records: Records,
    make_images: Callable[[Instance, Records, Layers, Workers], Images],
    subnet: str | None,
    guard: Guard,
) -> House:
    layer_store = Layers(instance, records)
    await layer_store.load()
    snapshot_store = Snapshots(instance, records, layer_store)
    await snapshot_store.load()
    volume_store = Volumes(instance, records, layer_store.trash)
    await volume_store.load()
    workers = Workers(*WORKER_MODULES)
    image_store = make_images(instance, records, layer_store, workers)
    await image_store.open()
    house_roster = Roster(records)
    await house_roster.load()
    endpoints = recover.remember(house_roster, await asyncio.to_thread(Launcher.notes, instance))
    house = House(
        instance=instance,
        workers=workers,
        images=image_store,
        layers=layer_store,
        snapshots=snapshot_store,
        volumes=volume_store,
        networks=await Networks.open(instance, records, subnet=subnet, endpoints=endpoints),
        launcher=None,  # type: ignore[arg-type]  # connected below: its callbacks need the house
        log_writer=None,  # type: ignore[arg-type]
        roster=house_roster,
        events=Events(),
        traces=Traces(),
        tini=next((path for path in _INITS if os.access(path, os.X_OK)), ""),
        ids=guard.ids,
        restriction=guard.restriction,
        limits=guard.limits,
    )
    await _connect_launcher(house)
    await _connect_log_writer(house)
    if instance.rootless:
        await _connect_gate(house)
    await house.networks.adopt(endpoints)
    _sweep(instance, house_roster)
    return house


async def _connect_launcher(house: House) -> None:
    house.launcher = await Launcher.connect(
        house.instance,
        on_exit=lambda exited: process_ended(house, exited),
        on_lost=_again(house, _connect_launcher, recover.launcher_lost),
        on_swept=house.traces.add_end,
    )
    cgroups.limit_instance(house.instance.cgroup, house.limits)  # a new launcher's groups are new


async def _connect_log_writer(house: House) -> None:
    house.log_writer = await LogWriter.connect(
        house.instance,
        on_lost=_again(house, _connect_log_writer, recover.log_writer_lost),
        on_stdin_closed=lambda process_id: house.later(house.launcher.close_stdin(process_id)),
    )


async def _connect_gate(house: House) -> None:
    from kernel_engine.gate.client import Gate  # a rootless engine's alone

    gate = await Gate.connect(house.instance, on_lost=_again(house, _connect_gate, recover.gate_lost))
    house.networks.door = gate
    house.networks.no_way_out = await gate.way_out()
    if house.networks.no_way_out:
        log.warning("containers do not reach what is outside: %s", house.networks.no_way_out)


async def _connect_patiently(house: House, connect: Callable[[House], Awaitable[None]]) -> None:
    """The new one may die, too, before it listens: without one the engine would be of no use."""
    while not house.closing:
        try:
            await connect(house)
            return
        except Unavailable as error:
            log.warning("%s; it is tried again", error.message)
        await asyncio.sleep(_PAUSE)


def _again(
    house: House, connect: Callable[[House], Awaitable[None]], mend: Callable[[House], Awaitable[None]]
) -> Callable[[], None]:
    """What to do when a process of ours has died: start it anew, then put right what it left."""

    async def restart(replaced: Callable[[], None]) -> None:
        try:
            await _connect_patiently(house, connect)
        finally:
            replaced()
        if not house.closing:
            await mend(house)

    def lost() -> None:
        if not house.closing:
            house.later(restart(house.lose()))

    return lost


def _sweep(instance: Instance, house_roster: Roster) -> None:
    """Directories of containers that have no record: a create that was cut off."""
    for path in instance.containers.iterdir():
        if house_roster.by_id(path.name) is None:
            shutil.rmtree(path, ignore_errors=True)
