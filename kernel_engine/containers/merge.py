"""The caller's words over the image's: what Docker's `runconfig.Merge` does. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kernel_engine.containers.health import from_config, inherit
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.environment import DEFAULT_PATH, override_environment


def merge(options: ContainerOptions, image: Mapping[str, Any]) -> ContainerOptions:
    """`image` is the `config` object of an OCI image configuration (Env, Cmd, Entrypoint, …)."""
    entrypoint, command = options.entrypoint, options.command
    if not entrypoint:
        if not command:
            command = _words(image.get("Cmd"))
        if entrypoint is None:
            entrypoint = _words(image.get("Entrypoint"))
    if entrypoint == ("",):
        entrypoint = None
    merged = replace(
        options,
        entrypoint=entrypoint or None,
        command=command or None,
        environment=_merge_environment(options.environment, image.get("Env") or ()),
        working_dir=options.working_dir or str(image.get("WorkingDir") or ""),
        user=options.user or str(image.get("User") or ""),
        labels={**(image.get("Labels") or {}), **options.labels},
        exposed_ports=_union(options.exposed_ports, image.get("ExposedPorts") or ()),
        volumes=_union(options.volumes, image.get("Volumes") or ()),
        stop_signal=options.stop_signal or str(image.get("StopSignal") or ""),
        healthcheck=inherit(options.healthcheck, from_config(image.get("Healthcheck"))),
        shell=options.shell or _words(image.get("Shell")) or (),
    )
    if not merged.entrypoint and not merged.command:
        raise InvalidRequest("No command specified")
    return merged


def arguments(merged: ContainerOptions) -> tuple[str, ...]:
    """The argument vector that the container's first process gets."""
    return (merged.entrypoint or ()) + (merged.command or ())


def process_environment(merged: ContainerOptions, hostname: str, linked: Iterable[str] = ()) -> tuple[str, ...]:
    """PATH, HOSTNAME and TERM as the engine gives them, `linked` (what links tell), then the container's own; "A"
    without "=" takes A away."""
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if merged.tty:
        base.append("TERM=xterm")
    return override_environment([*base, *linked], merged.environment)


def _merge_environment(mine: tuple[str, ...], image: Iterable[str]) -> tuple[str, ...]:
    named = {item.partition("=")[0] for item in mine}
    return mine + tuple(item for item in image if item.partition("=")[0] not in named)


def _words(value: object) -> tuple[str, ...] | None:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else None


def _union(mine: Iterable[str], image: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*mine, *image]))
