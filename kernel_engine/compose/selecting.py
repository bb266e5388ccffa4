"""Which services of a project a command is about: profiles, named services, what they depend on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from kernel_engine.compose.model import Project, Service
from kernel_engine.compose.refusals import Refused

ALL = "*"


def with_profiles(project: Project, profiles: Iterable[str]) -> Project:
    """Services are active that have no profile or one of these; "*" activates all."""
    wanted = tuple(dict.fromkeys(profiles))
    everything = {**project.services, **project.disabled}
    active = {
        name: service
        for name, service in everything.items()
        if not service.profiles or ALL in wanted or set(service.profiles) & set(wanted)
    }
    rest = {name: service for name, service in everything.items() if name not in active}
    return replace(project, services=active, disabled=rest, profiles=wanted)


def with_services(project: Project, names: Iterable[str]) -> Project:
    """A named service's own profiles become active."""
    named = [project.disabled[name] for name in names if name in project.disabled]
    if not named:
        return project
    return with_profiles(project, (*project.profiles, *(profile for service in named for profile in service.profiles)))


def selected(project: Project, names: Iterable[str], *, dependencies: bool = True) -> Project:
    """Only these services, and what they depend on, stay active. Refused for a name that is no service's."""
    wanted = tuple(names)
    if not wanted:
        return project
    chosen = set(_named(project.services, wanted))
    waiting = list(chosen) if dependencies else []
    while waiting:
        for needed, dependency in project.services[waiting.pop()].depends_on.items():
            if needed in chosen:
                continue
            if needed in project.services:
                chosen.add(needed)
                waiting.append(needed)
            elif dependency.required:
                raise Refused(f"no such service: {needed}")
    active = {
        name: replace(service, depends_on={key: value for key, value in service.depends_on.items() if key in chosen})
        for name, service in project.services.items()
        if name in chosen
    }
    rest = {name: service for name, service in project.services.items() if name not in chosen}
    return replace(project, services=active, disabled={**project.disabled, **rest})


def _named(services: Mapping[str, Service], patterns: Iterable[str]) -> Iterable[str]:
    for pattern in patterns:
        found = [name for name in services if fnmatchcase(name, pattern)]
        if not found:
            raise Refused(f"no such service: {pattern}")
        yield from found


def without_unused(project: Project) -> Project:
    """Without networks, volumes, secrets and configs that no active service uses."""
    services = project.services.values()
    builds = [service.build for service in services if service.build]
    secrets = {grant.source for service in services for grant in service.secrets}
    secrets |= {secret.source for build in builds for secret in build.secrets}
    volumes = {mount.source for service in services for mount in service.volumes if mount.type == "volume"}
    networks = {name for service in services for name in service.networks}
    configs = {grant.source for service in services for grant in service.configs}
    return replace(
        project,
        networks={key: value for key, value in project.networks.items() if key in networks},
        volumes={key: value for key, value in project.volumes.items() if key in volumes},
        secrets={key: value for key, value in project.secrets.items() if key in secrets},
        configs={key: value for key, value in project.configs.items() if key in configs},
    )
