"""A project's values, in long forms and filled in, become the frozen project of `model.py`. Pure."""

from __future__ import annotations

from typing import Any

from kernel_engine.compose.attributes import Attributes
from kernel_engine.compose.canonical import Values
from kernel_engine.compose.finding import Found
from kernel_engine.compose.model import FileObject, Network, Pool, Project, Volume
from kernel_engine.compose.reading_service import service
from kernel_engine.compose.settling import VALUE


def project(values: Values, found: Found) -> Project:
    """All services, whatever their profiles. Refused for a value that is none of its kind."""
    top = Attributes(values, ())
    return Project(
        name=str(values["name"]),
        directory=found.directory,
        files=found.files,
        services={name: service(name, given) for name, given in top.named("services")},
        networks={key: _network(given) for key, given in top.named("networks")},
        volumes={key: _volume(given) for key, given in top.named("volumes")},
        secrets={key: _file_object(given) for key, given in top.named("secrets")},
        configs={key: _file_object(given) for key, given in top.named("configs")},
        profiles=found.profiles,
        environment={**found.environment, "COMPOSE_PROJECT_NAME": str(values["name"])},
        env_files=found.env_files,
        extensions=top.extensions(),
    )


def _network(given: Attributes) -> Network:
    ipam = given.inner("ipam")
    return Network(
        name=given.text("name"),
        external=given.truth("external"),
        driver=given.text("driver"),
        driver_opts=given.mapping("driver_opts"),
        ipam_driver=ipam.text("driver"),
        ipam_options=ipam.mapping("options"),
        pools=tuple(
            Pool(
                subnet=pool.text("subnet"),
                gateway=pool.text("gateway"),
                ip_range=pool.text("ip_range"),
                aux_addresses=pool.mapping("aux_addresses"),
            )
            for pool in ipam.items("config")
        ),
        internal=given.truth("internal"),
        attachable=given.truth("attachable"),
        enable_ipv4=given.maybe_truth("enable_ipv4"),
        enable_ipv6=given.maybe_truth("enable_ipv6"),
        labels=given.mapping("labels"),
        extensions=given.extensions(),
    )


def _volume(given: Attributes) -> Volume:
    return Volume(
        name=given.text("name"),
        external=given.truth("external"),
        driver=given.text("driver"),
        driver_opts=given.mapping("driver_opts"),
        labels=given.mapping("labels"),
        extensions=given.extensions(),
    )


def _file_object(given: Attributes) -> FileObject:
    content: Any = given.raw(VALUE) if VALUE in given else given.raw("content")
    return FileObject(
        name=given.text("name"),
        file=given.text("file"),
        environment=given.text("environment"),
        content=content,
        external=given.truth("external"),
        labels=given.mapping("labels"),
        extensions=given.extensions(),
    )
