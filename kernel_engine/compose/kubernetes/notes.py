"""What could not be said in a manifest, in one sentence each. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from kernel_engine.compose.model import Service

#: attributes of a service that a manifest says, or that are about making it and not about running it
SAID = frozenset(
    """name image command entrypoint environment scale profiles depends_on container_name labels annotations deploy
    restart healthcheck pull_policy platform hostname user group_add working_dir tty stdin_open stop_grace_period
    post_start pre_stop networks network_mode ports expose links extra_hosts dns dns_opt dns_search volumes tmpfs others
    secrets configs read_only shm_size privileged cap_add cap_drop security_opt gpus sysctls pid ipc nano_cpus mem_limit
    mem_reservation runtime attach build extensions""".split()
)


class Notes:
    """Collects sentences; each once, in the order in which they came up."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}

    def add(self, text: str) -> None:
        self._texts[text] = None

    def missing(self, place: str, instead: str = "") -> None:
        """`place` has no equivalent; what to do instead."""
        self.add(f"{place}: no equivalent in Kubernetes, left out{'; ' if instead else ''}{instead}")

    def unsaid(self, service: Service) -> None:
        """Every attribute that is set and that no manifest says. What is for development only is none."""
        for name in service.others:
            if name != "develop":
                self.missing(f"services.{service.name}.{name}")
        for field in dataclasses.fields(service):
            if field.name not in SAID and getattr(service, field.name) != _default(field):
                self.missing(
                    f"services.{service.name}.{ATTRIBUTES.get(field.name, field.name)}", INSTEAD.get(field.name, "")
                )

    def texts(self) -> list[str]:
        return list(self._texts)


#: the model's name of an attribute → the file's
ATTRIBUTES = {"blkio": "blkio_config"}
INSTEAD = {
    "devices": "a device plugin gives pods devices",
    "external_links": "an ExternalName Service names what is outside",
    "init": "let the image start its processes with tini",
    "logging": "the cluster collects what containers print",
    "pids_limit": "the kubelet limits processes for all pods of a node",
    "ulimits": "the node's container runtime sets them",
    "volumes_from": "name the volumes in both services",
    "stop_signal": "set STOPSIGNAL in the image",
}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
