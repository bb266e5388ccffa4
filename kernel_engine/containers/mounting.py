"""What is mounted into a container besides its image: `-v`, `--mount`, `--volumes-from` and VOLUME, understood.

`points` is pure; `provide` makes the volumes that are not there yet and fills new ones from the image, as Docker does
when a container is created.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace

from kernel_engine.containers.house import House
from kernel_engine.containers.options import ContainerOptions, MountOptions
from kernel_engine.containers.record import Container, MountPoint
from kernel_engine.errors import EngineError, InvalidRequest, NotFound
from kernel_engine.runtime.beneath import Root
from kernel_engine.storage.snapshots import OverlayPlan

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
#: the words behind the second colon of `-v`, by kind
_WORDS = {
    "rights": ("ro", "rw"),
    "label": ("z", "Z"),
    "propagation": _PROPAGATIONS,
    "copy": ("nocopy",),
    "consistency": ("consistent", "cached", "delegated"),
}
#: what Docker shows as the mode of a named volume of which nothing is said
_SHARED_LABEL = "z"
_TMPFS_FLAGS = frozenset(
    """
    defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime
    nodiratime bind rbind unbindable runbindable private rprivate shared rshared slave rslave relatime norelatime
    strictatime nostrictatime
    """.split()
)
_TMPFS_DATA = frozenset({"mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"})
_SEED = "kernel_engine.containers.archive_worker:seed_volume"


def points(
    config: ContainerOptions, find: Callable[[str], Container], is_there: Callable[[str], bool] = os.path.exists
) -> tuple[MountPoint, ...]:
    """In the order in which they count: other containers' volumes, then `-v`, then `--mount`, then the image's.

    A volume without a name is to be made; a volume named is to be found or made. InvalidRequest with Docker's texts.
    is_there: of a path of the host.
    """
    found: dict[str, MountPoint] = {}
    for word in config.host.volumes_from:
        for point in _inherited(word, find):
            found[point.destination] = point
    named = {check_tmpfs(target, words) for target, words in config.host.tmpfs.items()}
    asked = [parse_bind(word) for word in config.host.binds] + [
        _from_mount(item, is_there) for item in config.host.mounts
    ]
    for point in asked:
        if point.destination in named:
            raise InvalidRequest(f"Duplicate mount point: {point.destination}")
        named.add(point.destination)
        found[point.destination] = point
    for path in config.volumes:
        destination = _destination(f"/{path}" if not path.startswith("/") else path)
        if destination in named:
            continue
        found.setdefault(destination, MountPoint(type="volume", destination=destination))
    return tuple(found.values())


def parse_bind(word: str) -> MountPoint:
    """`host:container[:options]` or `volume:container[:options]`."""
    parts = word.split(":")
    if len(parts) not in (2, 3) or not all(parts[:2]):
        raise InvalidRequest(f"invalid volume specification: '{word}'")
    source, target = parts[0], parts[1]
    try:
        destination = _destination(target, kind="bind" if source.startswith("/") else "volume")
    except InvalidRequest as error:
        raise InvalidRequest(f"invalid volume specification: '{word}': {error.message}") from None
    point = _with_words(MountPoint(type="bind", destination=destination), parts[2] if len(parts) == 3 else "")
    if source.startswith("/"):
        return replace(point, source=os.path.normpath(source), create_source=True)
    if point.propagation:
        raise InvalidRequest(
            f"invalid volume specification: '{word}': invalid mount config for type \"volume\": "
            "field BindOptions must not be specified"
        )
    return replace(point, type="volume", name=source, mode=point.mode or _SHARED_LABEL)


def _with_words(point: MountPoint, words: str) -> MountPoint:
    """At most one word of each kind."""
    found: dict[str, str] = {}
    for option in filter(None, words.split(",")):
        kind = next((kind for kind, choices in _WORDS.items() if option in choices), "")
        if not kind or kind in found:
            raise InvalidRequest(f"invalid mode: {words}")
        found[kind] = option
    return replace(
        point,
        mode=words,
        read_only=found.get("rights") == "ro",
        copy="copy" not in found,
        propagation=found.get("propagation", ""),
    )


def check_tmpfs(target: str, words: str) -> str:
    """Where `--tmpfs TARGET:WORDS` is mounted. InvalidRequest with Docker's texts (moby, pkg/mount)."""
    if not target.startswith("/"):
        raise InvalidRequest(f"invalid mount path: '{target}' mount path must be absolute")
    for word in filter(None, words.split(",")):
        name, equals, value = word.partition("=")
        if (name not in _TMPFS_DATA) if equals else (name not in _TMPFS_FLAGS):
            given = f'"{name}" "{value}"' if equals else f'"{name}"'
            raise InvalidRequest(f"invalid tmpfs option [{given}]")
    return _destination(target)


def _from_mount(item: MountOptions, is_there: Callable[[str], bool]) -> MountPoint:
    """`--mount`, which refuses where `-v` would make something up."""
    destination = _destination(item.target, kind=item.type)
    point = MountPoint(
        type=item.type,
        destination=destination,
        read_only=item.read_only,
        copy=not item.no_copy,
        propagation=item.propagation,
        recursive=item.recursive,
        read_only_below=item.read_only_below,
    )
    if item.type == "tmpfs":
        return replace(point, data=item.data)
    if item.type == "volume":
        return _volume(item, point)
    if not item.source.startswith("/"):
        raise InvalidRequest(
            f"invalid mount config for type \"bind\": invalid mount path: '{item.source}' mount path must be absolute"
        )
    if item.propagation not in ("", *_PROPAGATIONS):
        raise InvalidRequest(f'invalid mount config for type "bind": invalid propagation mode: {item.propagation}')
    if not item.create_source and not is_there(item.source):
        raise InvalidRequest(f'invalid mount config for type "bind": bind source path does not exist: {item.source}')
    return replace(point, source=os.path.normpath(item.source), create_source=item.create_source)


def _volume(item: MountOptions, point: MountPoint) -> MountPoint:
    if item.subpath and (item.subpath.startswith("/") or ".." in item.subpath.split("/")):
        raise InvalidRequest(
            'invalid mount config for type "volume": subpath must be a relative path within the volume'
        )
    return replace(
        point,
        name=item.source,
        mode=_SHARED_LABEL if item.source else "",
        labels=item.labels,
        driver=item.driver or "local",
        options=item.driver_options,
        subpath=os.path.normpath(item.subpath) if item.subpath else "",
        copy=point.copy and not item.subpath,
    )


def _destination(target: str, *, kind: str = "bind") -> str:
    prefix = f'invalid mount config for type "{kind}": '
    if not target.startswith("/"):
        raise InvalidRequest(f"{prefix}invalid mount path: '{target}' mount path must be absolute")
    path = os.path.normpath(target)
    if path.strip("/") == "":
        raise InvalidRequest(f"{prefix}invalid specification: destination can't be '/'")
    return path.replace("//", "/", 1) if path.startswith("//") else path


def _inherited(word: str, find: Callable[[str], Container]) -> Iterable[MountPoint]:
    """--volumes-from NAME[:ro|rw]."""
    reference, _, mode = word.partition(":")
    if not reference:
        raise InvalidRequest("malformed volumes-from specification: ")
    if mode not in ("", "ro", "rw", "z", "Z"):
        raise InvalidRequest(f"invalid mode: {mode}")
    try:
        mounts = find(reference).mounts
    except NotFound as error:
        raise InvalidRequest(error.message) from None
    for point in mounts:
        if point.type != "tmpfs":
            yield replace(point, read_only=mode == "ro" or point.read_only, copy=False)


async def provide(
    house: House, container_id: str, wanted: tuple[MountPoint, ...], undo: AsyncExitStack
) -> tuple[MountPoint, ...]:
    """The same with every volume there, new ones filled from the image.

    undo: takes the new ones away again. They get to the disk with the container's record (`volumes_of`): one that
    is half filled, or has no container, is none.
    """
    ready: list[MountPoint] = []
    for point in wanted:
        if point.type != "volume":
            ready.append(point)
            continue
        volume, new = await house.volumes.create(
            point.name, driver=point.driver, labels=point.labels, options=point.options, recorded=False
        )
        if new:
            undo.push_async_callback(house.volumes.take_back, volume.name)
            house.events.publish("volume", "create", volume.name, {"driver": "local"})
        await house.volumes.prepare(volume.name)
        path = house.volumes.path(volume.name)
        if point.copy and not any(path.iterdir()):
            await _seed(house, house.snapshots.rootfs(container_id), point.destination, str(path))
        # named on the command line it stays, even where nobody else has ever given it a name
        unnamed = point.anonymous or not point.name
        foreign = bool(volume.options)
        ready.append(replace(point, name=volume.name, source=str(path), anonymous=unnamed, foreign=foreign))
    return tuple(ready)


def volumes_of(mounts: Iterable[MountPoint]) -> tuple[str, ...]:
    return tuple(point.name for point in mounts if point.type == "volume")


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
    """When the container goes. anonymous: its unnamed volumes go too, where nobody else uses them."""
    for point in record.mounts:
        if point.type != "volume" or set(users(house, point.name)) - {record.id}:
            continue
        if all(volume.name != point.name for volume in house.volumes.all()):
            continue  # a removal that was cut off has come so far
        if anonymous and point.anonymous:
            await house.volumes.remove(point.name)
            house.events.publish("volume", "destroy", point.name, {"driver": "local"})
        else:
            await house.volumes.release(point.name)


def check_sources(record: Container) -> None:
    """Before a start: what can only be said of the host as it is now. EngineError with Docker's texts."""
    for point in record.mounts:
        kind = point.propagation.removeprefix("r")
        if point.type == "bind" and kind in ("shared", "slave"):
            _check_propagation(point, kind)
        if point.subpath:
            _check_subpath(point)


def _check_propagation(point: MountPoint, kind: str) -> None:
    place, fields = _mount_of(os.path.realpath(point.source))
    if "shared:" in fields or (kind == "slave" and "master:" in fields):
        return
    wanted = "shared" if kind == "shared" else "shared or slave"
    raise EngineError(f"path {point.source} is mounted on {place} but it is not a {wanted} mount")


def _mount_of(path: str) -> tuple[str, str]:
    """Where the file system that holds `path` is mounted, and its optional fields (proc_pid_mountinfo(5))."""
    found = ("/", "")
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            words = line.partition(" - ")[0].split()
            place = words[4].encode().decode("unicode_escape")
            if (path == place or path.startswith(f"{place.rstrip('/')}/")) and len(place) >= len(found[0]):
                found = (place, " ".join(words[6:]))
    return found


def _check_subpath(point: MountPoint) -> None:
    root = Root.at(point.source)
    try:
        os.close(root.open(point.subpath))
    except OSError as error:
        whole = f"{point.source}/{point.subpath}"
        reason = (error.strerror or "").lower()
        raise InvalidRequest(f"cannot access path {whole}: lstat {whole}: {reason}") from None
    finally:
        root.close()


def whole_source(point: MountPoint) -> str:
    """The host's path of what is mounted; "" where a volume has no such part."""
    if not point.subpath:
        return point.source
    root = Root.at(point.source)
    try:
        part = root.open(point.subpath)
        try:
            return os.readlink(f"/proc/self/fd/{part}")
        finally:
            os.close(part)
    except OSError:
        return ""
    finally:
        root.close()
