"""docker create: a record, a snapshot and a directory; all of them or none."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kernel_engine.containers.house import House
from kernel_engine.containers.limits import check_options, check_remapped, check_room, check_share
from kernel_engine.containers.links import settled_links
from kernel_engine.containers.merge import arguments, merge
from kernel_engine.containers.mounting import points, provide, volumes_of
from kernel_engine.containers.networking import port_wishes, settled
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.containers.publishing import DISCARDED
from kernel_engine.containers.record import Container, State
from kernel_engine.containers.roster import Live
from kernel_engine.containers.sharing import settled_modes
from kernel_engine.containers.spec import Provisions, cgroup_namespace, hostname_of, parse_security_options
from kernel_engine.errors import NotFound
from kernel_engine.images import platforms
from kernel_engine.runtime import capabilities, cgroups
from kernel_engine.syscalls.files import fsync_directory
from kernel_engine.syscalls.trace import Trace, adopt, recording

if TYPE_CHECKING:
    from kernel_engine.images.image import Image


async def create(
    house: House, options: ContainerOptions, name: str | None, platform: str = ""
) -> tuple[Live, tuple[str, ...]]:
    """The new container and warnings for the user. platform: what the image must be for, "" = whatever it is."""
    _check(house, options)
    warnings: tuple[str, ...] = ()
    if (found := cgroups.controllers()) != cgroups.LIMITED:
        from kernel_engine.containers.discarding import without_limits  # of a rootless engine as a rule

        host, warnings = without_limits(options.host, found)
        options = replace(options, host=host)
    image = house.images.get(options.image)
    foreign = _check_platform(image, options.image, platform)
    config = merge(options, image.config.get("config") or {})
    live = await _make(house, config, image, name, transient=False)
    discarded = options.host.network_mode == "host" and options.host.port_bindings
    return live, (*warnings, *((DISCARDED,) if discarded else ()), *foreign)


def _check_platform(image: Image, name: str, asked: str) -> tuple[str, ...]:
    """A warning, in Docker's words, where nobody asked for a platform and the image is for a processor whose programs
    this machine does not run. NotFound for another one than was asked for: clients take it for a reason to pull."""
    found, here = platforms.from_json(image.config), platforms.host()
    if asked and (wanted := platforms.parse(asked)).rank(found) < 0:
        raise NotFound(
            f"image with reference {name} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {found}"
        )
    if asked or not found.architecture or here.rank(found) >= 0:
        return ()
    mismatch = f"The requested image's platform ({found}) does not match the detected host platform ({here})"
    return (f"{mismatch} and no specific platform was requested",)


async def create_transient(
    house: House, options: ContainerOptions, image: Image | None, provisions: Provisions
) -> Live:
    """A container that only this daemon ever knows: a step of a build.

    `options` are complete: nothing of the image's settings is added. image: what it stands on, None = nothing.
    """
    _check(house, options)
    live = await _make(house, options, image, None, transient=True)
    live.provisions = provisions
    return live


def _check(house: House, options: ContainerOptions) -> None:
    host = options.host
    if house.restriction is not None:
        house.restriction.check(options)
    check_options(options)
    check_share(house.limits, host)
    check_room(house.limits, len(house.roster.all()))
    if house.ids is not None and host.userns_mode != "host":
        check_remapped(host, own_network=house.restriction is not None and house.restriction.own_network)
    capabilities.resolve(host.cap_add, host.cap_drop, host.privileged)  # refuses unknown names
    parse_security_options(host.security_opt)


async def _make(
    house: House, config: ContainerOptions, image: Image | None, name: str | None, *, transient: bool
) -> Live:
    trace = Trace("daemon")
    container_id = secrets.token_hex(32)
    config = replace(
        config,
        hostname=hostname_of(config, container_id, socket.gethostname()),
        networks=settled(config, house.networks),
        host=settled_modes(
            house, replace(config.host, cgroupns_mode=cgroup_namespace(config.host, unified=cgroups.mode() == "v2"))
        ),
    )
    words, links = arguments(config), settled_links(house, config)
    with suppress(NotFound):  # a network that is not there: the start says so
        port_wishes(house, config)
    async with AsyncExitStack() as undo:
        chosen = house.roster.reserve(name, container_id)
        undo.callback(house.roster.forget_name, chosen)
        directory = house.instance.container(container_id)
        with recording(trace):
            os.makedirs(directory, mode=0o710)
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            await house.snapshots.create(container_id, image.chain_id if image else None, recorded=not transient)
            undo.push_async_callback(house.snapshots.remove, container_id)
            is_there = house.restriction.has if house.restriction is not None else os.path.exists
            wanted = () if transient else points(config, lambda word: house.roster.find(word).record, is_there)
            mounts = await provide(house, container_id, wanted, undo) if wanted else ()
        volumes = volumes_of(mounts)
        live = house.roster.add(
            Container(
                id=container_id,
                name=chosen,
                created=time.time(),
                image_id=image.id if image else "",
                image_name=config.image,
                config=config,
                state=State(),
                path=words[0],
                args=words[1:],
                directory=str(directory),
                mounts=mounts,
                links=links,
                transient=transient,
            ),
            waited_for=not config.host.auto_remove,
            beside=partial(house.volumes.record, names=volumes) if volumes else None,
        )
        undo.callback(house.roster.forget, live)
        if not config.host.auto_remove:  # whose program waits for it; before that, nothing of it need survive
            await recorded(house, live)
            if not transient:
                await asyncio.to_thread(_sync, house, container_id)
        undo.pop_all()
    adopt(house.traces.keep(container_id, trace.whole))
    house.announce(live, "create")
    return live


def _sync(house: House, container_id: str) -> None:
    """What a record without it would mean: that the container is to be removed."""
    house.snapshots.sync(container_id)
    fsync_directory(str(house.instance.containers))


def hurry(house: House, live: Live) -> None:
    """Somebody is about to wait for that."""
    if live.recorded is not None and not live.recorded.done():
        house.roster.hurry()


async def recorded(house: House, live: Live) -> None:
    """Returns when the container is on disk, so that no process ever runs that a new daemon would not know."""
    if live.recorded is not None:
        hurry(house, live)
        await asyncio.shield(live.recorded)
        live.recorded = None
        house.volumes.kept(volumes_of(live.record.mounts))
