"""docker commit: a container's changes become one more layer, its settings a new configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from kernel_engine.containers.health import to_config
from kernel_engine.containers.house import House
from kernel_engine.containers.options import CommitOptions, ContainerOptions
from kernel_engine.containers.record import Container
from kernel_engine.containers.roster import Live
from kernel_engine.errors import Conflict, NotFound
from kernel_engine.runtime import cgroups

if TYPE_CHECKING:
    from kernel_engine.images.image import Image


async def commit(house: House, live: Live, options: CommitOptions) -> Image:
    """The new image. The container is frozen while its files are read, unless it asks not to be."""
    record = live.record
    if record.state.status in ("removing", "dead"):
        raise Conflict(f"You cannot commit container {record.id} which is being removed")
    config = image_config(record)
    if options.changes:
        from kernel_engine.formats.dockerfile.changes import apply_changes

        config = apply_changes(config, options.changes)
    if options.config:
        config = {**config, **{key: value for key, value in options.config.items() if value}}
    parent = _parent(house, record)
    live.must_be_free()
    async with live.lock, _frozen(house, live, wanted=options.pause):
        image = await house.images.add(
            parent=parent,
            upper=house.snapshots.upper(record.id),
            config=config,
            created_by=" ".join(record.config.command or ()),
            author=options.author,
            comment=options.comment,
            container=record.id,
            container_config=image_config(record),
        )
    if options.repository:
        name = f"{options.repository}:{options.tag}" if options.tag else options.repository
        await house.images.tag(image.id, name)
        image = house.images.get(image.id)
    house.announce(live, "commit", comment=options.comment, imageID=image.id, imageRef=options.repository)
    return image


@asynccontextmanager
async def _frozen(house: House, live: Live, *, wanted: bool) -> AsyncIterator[None]:
    """Its processes stand still meanwhile, but those of an engine without control groups, which cannot stop them. One
    that ends in the same moment has none that could write."""
    if not wanted or cgroups.mode() == "none" or live.record.state.status != "running":
        yield
        return
    place = (house.instance.cgroup, live.record.id)
    with suppress(FileNotFoundError):
        await asyncio.to_thread(cgroups.freeze, *place)
    try:
        yield
    finally:
        await asyncio.to_thread(cgroups.thaw, *place)


def _parent(house: House, record: Container) -> Image:
    try:
        return house.images.get(record.image_id)
    except NotFound:
        raise NotFound(f"No such image: {record.image_name}") from None


def image_config(record: Container) -> dict[str, Any]:
    """The `config` object of an OCI image configuration, from a container's settings."""
    config: ContainerOptions = record.config
    words: dict[str, Any] = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Env": list(config.environment),
        "Entrypoint": list(config.entrypoint or ()),
        "Cmd": list(config.command or ()),
        "Volumes": {path: {} for path in config.volumes},
        "WorkingDir": config.working_dir,
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "Healthcheck": to_config(config.healthcheck) if config.healthcheck else None,
        "Shell": list(config.shell),
    }
    return {key: value for key, value in words.items() if value}
