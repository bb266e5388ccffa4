"""docker commit: a container's changes become one more layer, its settings a new configuration."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernel_engine.containers.health import to_config
from kernel_engine.containers.house import House
from kernel_engine.containers.options import CommitOptions, ContainerOptions
from kernel_engine.containers.record import Container
from kernel_engine.containers.roster import Live
from kernel_engine.errors import Conflict, InvalidRequest, NotFound
from kernel_engine.runtime import cgroups

if TYPE_CHECKING:
    from kernel_engine.images.image import Image


async def commit(house: House, live: Live, options: CommitOptions) -> Image:
    """The new image. The container is frozen while its files are read, unless it asks not to be."""
    record = live.record
    if record.state.status in ("removing", "dead"):
        raise Conflict(f"You cannot commit container {record.id} which is being removed")
    config = apply_changes(image_config(record), options.changes)
    if options.config:
        config = {**config, **{key: value for key, value in options.config.items() if value}}
    parent = _parent(house, record)
    freeze = options.pause and record.state.status == "running"
    async with live.lock:
        if freeze:
            await asyncio.to_thread(cgroups.freeze, house.instance.cgroup, record.id)
        try:
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
        finally:
            if freeze:
                await asyncio.to_thread(cgroups.thaw, house.instance.cgroup, record.id)
    if options.repository:
        name = f"{options.repository}:{options.tag}" if options.tag else options.repository
        await house.images.tag(image.id, name)
        image = house.images.get(image.id)
    house.announce(live, "commit", comment=options.comment, imageID=image.id, imageRef=options.repository)
    return image


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


def apply_changes(config: Mapping[str, Any], changes: tuple[str, ...]) -> dict[str, Any]:
    """`docker commit --change`: the Dockerfile instructions that only touch the configuration."""
    result = dict(config)
    for change in changes:
        word, _, rest = change.strip().partition(" ")
        apply = _INSTRUCTIONS.get(word.upper())
        if apply is None:
            raise InvalidRequest(f"{word.lower()} is not a valid change command")
        if not rest.strip():
            raise InvalidRequest(f"{word.upper()} requires at least one argument")
        apply(result, rest.strip())
    return result


def _cmd(config: dict[str, Any], rest: str) -> None:
    config["Cmd"] = _exec_or_shell(rest)


def _entrypoint(config: dict[str, Any], rest: str) -> None:
    config["Entrypoint"] = _exec_or_shell(rest)


def _env(config: dict[str, Any], rest: str) -> None:
    from kernel_engine.containers.merge import override_environment

    config["Env"] = list(override_environment(config.get("Env", ()), _pairs(rest, "ENV")))


def _label(config: dict[str, Any], rest: str) -> None:
    pairs = (item.partition("=") for item in _pairs(rest, "LABEL"))
    config["Labels"] = {**config.get("Labels", {}), **{key: value for key, _, value in pairs}}


def _expose(config: dict[str, Any], rest: str) -> None:
    ports: dict[str, Any] = {port if "/" in port else f"{port}/tcp": {} for port in rest.split()}
    config["ExposedPorts"] = {**config.get("ExposedPorts", {}), **ports}


def _volume(config: dict[str, Any], rest: str) -> None:
    paths = json.loads(rest) if rest.startswith("[") else rest.split()
    config["Volumes"] = {**config.get("Volumes", {}), **{path: {} for path in paths}}


def _user(config: dict[str, Any], rest: str) -> None:
    config["User"] = rest


def _workdir(config: dict[str, Any], rest: str) -> None:
    base = config.get("WorkingDir", "") or "/"
    config["WorkingDir"] = rest if rest.startswith("/") else f"{base.rstrip('/')}/{rest}"


def _stop_signal(config: dict[str, Any], rest: str) -> None:
    config["StopSignal"] = rest


def _on_build(config: dict[str, Any], rest: str) -> None:
    config["OnBuild"] = [*config.get("OnBuild", ()), rest]


_INSTRUCTIONS = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "LABEL": _label,
    "EXPOSE": _expose,
    "VOLUME": _volume,
    "USER": _user,
    "WORKDIR": _workdir,
    "STOPSIGNAL": _stop_signal,
    "ONBUILD": _on_build,
}


def _exec_or_shell(rest: str) -> list[str]:
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return ["/bin/sh", "-c", rest]


def _pairs(rest: str, instruction: str) -> tuple[str, ...]:
    """`A=b C="d e"` or the old form `A b c`."""
    if "=" not in rest.split(maxsplit=1)[0]:
        name, _, value = rest.partition(" ")
        if not value:
            raise InvalidRequest(f"{instruction} must have two arguments")
        return (f"{name}={value.strip()}",)
    try:
        return tuple(shlex.split(rest))
    except ValueError as error:
        raise InvalidRequest(f"{instruction}: {error}") from None
