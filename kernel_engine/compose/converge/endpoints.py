"""A service's networks as the API's endpoints, with the names that it answers to and the links that it knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kernel_engine.compose.converge.observed import Container
from kernel_engine.compose.model import Attachment, Project, Service

DEFAULT = "default"


def networking(
    project: Project, service: Service, name: str, peers: Mapping[str, Sequence[Container]], *, aliases: bool
) -> tuple[str, dict[str, Any], list[str]]:
    """The network mode, endpoints by network name, and links. `service` is resolved.

    The mode is the network that the container starts in: the one of the highest priority, which the endpoints hold
    first. A link is known on each of the networks, and to the host's part where there is only the default bridge.
    """
    known = links(project, service, peers)
    if service.network_mode:
        return service.network_mode, {}, known
    found = {
        project.networks[key].name: endpoint(service, key, name, known, aliases=aliases) for key in by_priority(service)
    }
    if not found:
        return "none", {}, known
    return next(iter(found)), found, known


def by_priority(service: Service) -> list[str]:
    """Keys of its networks: the highest priority first, then by name."""
    return sorted(service.networks, key=lambda key: (-service.networks[key].priority, key))


def endpoint(service: Service, key: str, name: str, known: Sequence[str], *, aliases: bool) -> dict[str, Any]:
    attachment = service.networks[key]
    answers_to = [name, *((service.name, *attachment.aliases) if aliases else ())]
    found: dict[str, Any] = {"Aliases": list(dict.fromkeys(answers_to)), "Links": list(known) or None}
    addresses = _addresses(attachment)
    if addresses:
        found["IPAMConfig"] = addresses
    if attachment.mac_address:
        found["MacAddress"] = attachment.mac_address
    if attachment.driver_opts:
        found["DriverOpts"] = dict(attachment.driver_opts)
    if attachment.gw_priority:
        found["GwPriority"] = attachment.gw_priority
    return found


def _addresses(attachment: Attachment) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if attachment.ipv4_address:
        found["IPv4Address"] = attachment.ipv4_address
    if attachment.ipv6_address:
        found["IPv6Address"] = attachment.ipv6_address
    if attachment.link_local_ips:
        found["LinkLocalIPs"] = list(attachment.link_local_ips)
    return found


def links(project: Project, service: Service, peers: Mapping[str, Sequence[Container]]) -> list[str]:
    """`CONTAINER:NAME` for every name under which the service reaches a container that it links to."""
    found = []
    for item in service.links:
        other, _, alias = item.partition(":")
        for peer in peers.get(other, ()):
            names = (alias or other, f"{other}-{peer.number}", f"{project.name}-{other}-{peer.number}")
            found += [f"{peer.name}:{name}" for name in names]
    for item in service.external_links:
        other, _, alias = item.partition(":")
        found.append(f"{other}:{alias or other}")
    return list(dict.fromkeys(found))
