"""Is a project sound? What the schema cannot say: references, conflicts, cycles; in docker compose's words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from ipaddress import ip_address
from typing import Any

from kernel_engine.compose.model import Project, Service
from kernel_engine.compose.places import Path, dotted
from kernel_engine.compose.refusals import Refused

INVALID = ": invalid compose project"
CONTENT = {"secrets": ("file", "environment"), "configs": ("file", "environment", "content")}


def check_values(values: Mapping[str, Any]) -> None:
    """What can be said of one file's values before they are a project. Refused."""
    for name, volume in (values.get("volumes") or {}).items():
        _check_external(volume or {}, ("volumes", name))
    for section, keys in CONTENT.items():
        for name, item in (values.get(section) or {}).items():
            _check_content(item or {}, (section, name), keys)
    for name, service in (values.get("services") or {}).items():
        for at, port in enumerate(service.get("ports") or ()):
            if isinstance(port, dict) and "host_ip" in port and not _is_address(port["host_ip"]):
                raise Refused(
                    f"services.{name}.ports.[]: invalid ip address: {port['host_ip']}", ("services", name, "ports", at)
                )
        for path, request in _device_requests(service, ("services", name)):
            if "count" in request and "device_ids" in request:
                raise Refused(f'{dotted(path, "[]")}: "count" and "device_ids" attributes are exclusive', path)


def _check_external(volume: Mapping[str, Any], path: Path) -> None:
    if volume.get("external") is not True:
        return
    other = next((key for key in volume if key not in {"name", "external"} and not key.startswith("x-")), None)
    if other is not None:
        raise Refused(f'{dotted(path)}: conflicting parameters "external" and "{other}" specified', (*path, other))


def _check_content(item: Mapping[str, Any], path: Path, keys: tuple[str, ...]) -> None:
    given = [key for key in keys if key in item]
    if len(given) > 1:
        raise Refused(f"{dotted(path)}: {'|'.join(keys)} attributes are mutually exclusive", (*path, given[1]))
    if not given and "driver" not in item and "external" not in item:
        raise Refused(f"{dotted(path)}: one of {'|'.join(keys)} must be set", path)


def _device_requests(service: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    resources = (service.get("deploy") or {}).get("resources") or {}
    reserved = (resources.get("reservations") or {}).get("devices") or ()
    places: tuple[tuple[Path, Any], ...] = (
        (("deploy", "resources", "reservations", "devices"), reserved),
        (("gpus",), service.get("gpus") or ()),
    )
    for keys, requests in places:
        yield from (((*path, *keys, at), request) for at, request in enumerate(requests) if isinstance(request, dict))


def _is_address(text: Any) -> bool:
    try:
        return bool(ip_address(str(text)))
    except ValueError:
        return False


def check(project: Project) -> None:
    """Refused for the first thing that does not fit."""
    for service in project.services.values():
        _check_sources(service)
        _check_references(service, project)
        _check_numbers(service)
        _check_mounts(service)
    _check_container_names(project)
    _check_cycles(project)


def _check_sources(service: Service) -> None:
    path: Path = ("services", service.name)
    if service.build is None and not service.image and "provider" not in service.others:
        raise Refused(f'service "{service.name}" has neither an image nor a build context specified{INVALID}', path)
    build = service.build
    if build and build.dockerfile and build.dockerfile_inline:
        raise Refused(
            f'service "{service.name}" declares mutualy exclusive dockerfile and dockerfile_inline{INVALID}',
            (*path, "build", "dockerfile_inline"),
        )
    if build and build.platforms and service.platform and service.platform not in build.platforms:
        raise Refused(
            f'service.build.platforms MUST include service.platform "{service.platform}"{INVALID}', (*path, "platform")
        )
    test = service.healthcheck.test if service.healthcheck else ()
    if test and test[0] not in {"CMD", "CMD-SHELL", "NONE"}:
        raise Refused(
            'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"', (*path, "healthcheck", "test")
        )


def _check_references(service: Service, project: Project) -> None:
    path: Path = ("services", service.name)
    name = service.name
    if service.network_mode and service.networks:
        raise Refused(
            f"service {name} declares mutually exclusive `network_mode` and `networks`{INVALID}",
            (*path, "network_mode"),
        )
    for needed, dependency in service.depends_on.items():
        optional = not dependency.required and needed in project.disabled
        if needed not in project.services and not optional:
            where = next(
                (
                    (*path, key, at) if isinstance(items, tuple) else (*path, key, needed)
                    for key, items in (("depends_on", service.depends_on), ("links", service.links))
                    for at, item in enumerate(items)
                    if item.partition(":")[0] == needed
                ),
                path,
            )
            raise Refused(f'service "{name}" depends on undefined service "{needed}"{INVALID}', where)
    wanted = (
        ("network", "networks", project.networks, list(service.networks)),
        ("volume", "volumes", project.volumes, [mount.source for mount in service.volumes if mount.type == "volume"]),
        ("config", "configs", project.configs, [grant.source for grant in service.configs]),
        ("secret", "secrets", project.secrets, [grant.source for grant in service.secrets]),
    )
    for kind, key, known, names in wanted:
        for at, resource in enumerate(names):
            if resource and resource not in known:
                raise Refused(f'service "{name}" refers to undefined {kind} {resource}{INVALID}', (*path, key, at))
    for secret in service.build.secrets if service.build else ():
        if secret.source not in project.secrets:
            raise Refused(f'service "{name}" refers to undefined build secret {secret.source}{INVALID}', path)


def _check_numbers(service: Service) -> None:
    path: Path = ("services", service.name)
    place = f"services.{service.name}"
    if service.scale < 0:
        key = "scale" if service.deploy.replicas is None else "deploy.replicas"
        raise Refused(f"{place}.{key}: must be greater than or equal to 0", (*path, *key.split(".")))
    limits, reserved = service.deploy.limits, service.deploy.reservations
    for key, mine, theirs, of in (
        ("cpus", service.nano_cpus, limits.nano_cpus, "limits.cpus"),
        ("mem_limit", service.mem_limit, limits.memory, "limits.memory"),
        ("mem_reservation", service.mem_reservation, reserved.memory, "reservations.memory"),
        ("pids_limit", service.pids_limit, limits.pids, "limits.pids"),
    ):
        if mine and theirs and mine != theirs:
            raise Refused(
                f"{place}: can't set distinct values on '{key}' and 'deploy.resources.{of}'{INVALID}", (*path, key)
            )
    if service.scale > 1 and service.container_name:
        key = "scale" if service.deploy.replicas is None else "deploy.replicas"
        raise Refused(
            f"{place}: can't set container_name and {key} as container name must be unique{INVALID}",
            (*path, "container_name"),
        )


def _check_mounts(service: Service) -> None:
    place = f"services.{service.name}"
    targets: dict[str, str] = {}
    mounts = [("tmpfs", at, word.partition(":")[0]) for at, word in enumerate(service.tmpfs)]
    mounts += [("volumes", at, mount.target) for at, mount in enumerate(service.volumes)]
    for key, at, target in mounts:
        here = f"{place}.{key}[{at}]"
        before = targets.setdefault(target, here)
        if before != here:
            raise Refused(f"{here}: target {target} already mounted as {before}", ("services", service.name, key, at))


def _check_container_names(project: Project) -> None:
    names: dict[str, str] = {}
    for service in project.services.values():
        name = service.container_name
        if name and names.setdefault(name, service.name) != service.name:
            raise Refused(
                f'services.{service.name}: container name "{name}" is already in use by service {names[name]}',
                ("services", service.name, "container_name"),
            )


def _check_cycles(project: Project) -> None:
    needs = {name: sorted(service.depends_on) for name, service in sorted(project.services.items())}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        # graphlib names what comes first before what needs it, and the first one twice
        circle = error.args[1][:0:-1]
        start = circle.index(min(circle))
        circle = [*circle[start:], *circle[:start], circle[start]]
        raise Refused(
            f"dependency cycle detected: {' -> '.join(circle)}", ("services", circle[0], "depends_on")
        ) from None
