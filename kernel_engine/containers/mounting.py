"""What is mounted into a container besides its image: `-v`, `--mount`, `--volumes-from` and VOLUME, understood.

`points` is pure; `provide` makes the volumes that are not there yet and fills new ones from the image, as Docker does
when a container is created.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace

from kernel_engine.containers.house import House
from kernel_engine.containers.options import ContainerOptions, MountOptions
from kernel_engine.containers.record import Container, MountPoint
from kernel_engine.errors import InvalidRequest
from kernel_engine.storage.snapshots import OverlayPlan

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_NEUTRAL = ("z", "Z", "consistent", "cached", "delegated")
_SEED = "kernel_engine.containers.archive_worker:seed_volume"


def points(config: ContainerOptions, find: Callable[[str], Container]) -> tuple[MountPoint, ...]:
    """In the order in which they count: other containers' volumes, then `-v`, then `--mount`, then the image's.

    A volume without a name is to be made; a volume named is to be found or made. InvalidRequest with Docker's texts.
    """
    found: dict[str, MountPoint] = {}
    for word in config.host.volumes_from:
        for point in _inherited(word, find):
            found[point.destination] = point
    named: set[str] = set()
    asked = [parse_bind(word) for word in config.host.binds] + [_from_mount(item) for item in config.host.mounts]
    for point in asked:
        if point.destination in named:
            raise InvalidRequest(f"Duplicate mount point: {point.destination}")
        named.add(point.destination)
        found[point.destination] = point
    for path in config.volumes:
        destination = _destination(path, path)
        found.setdefault(destination, MountPoint(type="volume", destination=destination))
    return tuple(found.values())


def parse_bind(word: str) -> MountPoint:
    """`host:container[:options]` or `volume:container[:options]`."""
    parts = word.split(":")
    if len(parts) not in (2, 3) or not all(parts[:2]):
        raise InvalidRequest(f"invalid volume specification: '{word}'")
    source, target = parts[0], parts[1]
    destination = _destination(target, word)
    point = _with_words(MountPoint(type="bind", destination=destination), parts[2] if len(parts) == 3 else "")
    if source.startswith("/"):
        return replace(point, source=os.path.normpath(source), create_source=True)
    if point.propagation:
        raise InvalidRequest(f"invalid volume specification: '{word}'")
    return replace(point, type="volume", name=source)


def _with_words(point: MountPoint, words: str) -> MountPoint:
    read_only, copy, propagation = False, True, ""
    for option in filter(None, words.split(",")):
        if option in ("ro", "readonly"):
            read_only = True
        elif option == "nocopy":
            copy = False
        elif option in _PROPAGATIONS:
            propagation = option
        elif option not in ("rw", *_NEUTRAL):
            raise InvalidRequest(f"invalid mode: {words}")
    return replace(point, mode=words, read_only=read_only, copy=copy, propagation=propagation)


def _from_mount(item: MountOptions) -> MountPoint:
    """`--mount`, which refuses where `-v` would make something up."""
    destination = _destination(item.target, item.target)
    point = MountPoint(
        type=item.type,
        destination=destination,
        read_only=item.read_only,
        mode="",
        copy=not item.no_copy,
        propagation=item.propagation,
    )
    if item.type == "tmpfs":
        return replace(point, data=item.data)
    if item.type == "volume":
        return replace(
            point, name=item.source, labels=item.labels, driver=item.driver or "local", options=item.driver_options
        )
    if not item.source.startswith("/"):
        raise InvalidRequest(
            f"invalid mount config for type \"bind\": invalid mount path: '{item.source}' mount path must be absolute"
        )
    if not os.path.exists(item.source) and not item.create_source:
        raise InvalidRequest(f'invalid mount config for type "bind": bind source path does not exist: {item.source}')
    return replace(point, source=os.path.normpath(item.source), create_source=item.create_source)


def _destination(target: str, word: str) -> str:
    if not target.startswith("/"):
        raise InvalidRequest(
            f"invalid volume specification: '{word}': invalid mount config for type \"bind\": "
            f"invalid mount path: '{target}' mount path must be absolute"
        )
    path = os.path.normpath(target)
    if path.strip("/") == "":
        raise InvalidRequest(f"invalid volume specification: '{word}': invalid specification: destination can't be '/'")
    return path.replace("//", "/", 1) if path.startswith("//") else path


def _inherited(word: str, find: Callable[[str], Container]) -> Iterable[MountPoint]:
    """--volumes-from NAME[:ro|rw]."""
    reference, _, mode = word.partition(":")
    if not reference:
        raise InvalidRequest("malformed volumes-from specification: ")
    if mode not in ("", "ro", "rw", "z", "Z"):
        raise InvalidRequest(f"invalid mode: {mode}")
    for point in find(reference).mounts:
        if point.type != "tmpfs":
            yield replace(point, read_only=mode == "ro" or point.read_only, copy=False)


async def provide(house: House, container_id: str, wanted: tuple[MountPoint, ...]) -> tuple[MountPoint, ...]:
    """The same with every volume there, new ones filled from the image. What this makes is undone where it fails."""
    made: list[str] = []
    ready: list[MountPoint] = []
    try:
        for point in wanted:
            if point.type != "volume":
                ready.append(point)
                continue
            volume, new = await house.volumes.create(
                point.name, driver=point.driver, labels=point.labels, options=point.options
            )
            if new:
                made.append(volume.name)
                house.events.publish("volume", "create", volume.name, {"driver": "local"})
            await house.volumes.prepare(volume.name)
            path = house.volumes.path(volume.name)
            if point.copy and not any(path.iterdir()):
                await _seed(house, house.snapshots.rootfs(container_id), point.destination, str(path))
            ready.append(replace(point, name=volume.name, source=str(path), anonymous=volume.anonymous))
    except BaseException:
        for name in made:
            await house.volumes.remove(name)
        raise
    return tuple(ready)


async def _seed(house: House, plan: OverlayPlan, destination: str, path: str) -> None:
    """Copies what the image has at that place; an image that has nothing there leaves the volume empty."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        overlay = {"base": str(plan.base), "data": plan.data(), "target": str(plan.target)}
        await house.workers.run(_SEED, {"view": {"overlay": overlay, "binds": []}, "path": destination}, (descriptor,))
    finally:
        os.close(descriptor)


def users(house: House, name: str) -> tuple[str, ...]:
    """Ids of the containers, running or not, that a volume belongs to."""
    return tuple(
        live.record.id
        for live in house.roster.all()
        if any(point.type == "volume" and point.name == name for point in live.record.mounts)
    )


async def leave(house: House, record: Container, *, anonymous: bool) -> None:
    """After the container's record is gone. anonymous: its unnamed volumes go too, where nobody else uses them."""
    for point in record.mounts:
        if point.type != "volume" or users(house, point.name):
            continue
        if anonymous and point.anonymous:
            await house.volumes.remove(point.name)
            house.events.publish("volume", "destroy", point.name, {"driver": "local"})
        else:
            await house.volumes.release(point.name)
