"""`%topology`: networks, who is on them under which names and addresses, and the ports that lead in from the host.

Reading and drawing are apart: `read` asks the engine, `topology_picture` draws the frozen answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernel_engine.client import APIError, Client
from labs.notebook.learning import living, topology_picture
from labs.notebook.learning.living import Living
from labs.notebook.learning.topology_picture import Member, Port, Segment

#: without an event nothing changes here; an engine that is gone is noticed after this
_LOOK_SECONDS = 5.0
_BRIDGE_NAME = "com.docker.network.bridge.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Networks with somebody on them, and those that the learner made."""

    client: Client

    def __call__(self) -> tuple[Segment, ...]:
        """Raises EngineUnreachable when nobody answers."""
        containers = []
        for row in self.client.get("/containers/json").json():
            try:
                containers.append(self.client.get(f"/containers/{row['Id']}/json").json())
            except APIError:  # removed meanwhile
                continue
        return segments(self.client.get("/networks").json(), containers)


def show_topology(client: Client) -> None:
    """A card at the end of the cell. Raises EngineUnreachable when nobody answers."""
    living.show(
        client,
        Living(
            kind="topology",
            title=topology_picture.TITLE,
            read=_Reader(client=client),
            as_text=topology_picture.as_text,
            as_html=topology_picture.as_html,
            every=_LOOK_SECONDS,
        ),
    )


# pure ----------------------------------------------------------------------------------------------------------------
def segments(networks: Iterable[Mapping[str, Any]], containers: Sequence[Mapping[str, Any]]) -> tuple[Segment, ...]:
    """Rows of GET /networks and answers of GET /containers/{id}/json of those that run → networks by name."""
    found = []
    for network in networks:
        if network["Driver"] != "bridge":
            continue
        members = tuple(sorted(_members(network["Name"], containers), key=lambda member: _counted(member.name)))
        if not members and network["Name"] == "bridge":
            continue
        config = (network["IPAM"].get("Config") or [{}])[0]
        found.append(
            Segment(
                id=network["Id"],
                name=network["Name"],
                bridge=(network.get("Options") or {}).get(_BRIDGE_NAME) or f"br-{network['Id'][:12]}",
                subnet=config.get("Subnet", ""),
                gateway=config.get("Gateway", ""),
                internal=bool(network.get("Internal")),
                members=members,
            )
        )
    return tuple(sorted(found, key=lambda segment: (segment.name == "bridge", segment.name)))


def _counted(name: str) -> tuple[object, ...]:
    """web-2 before web-10."""
    front, _, number = name.rpartition("-")
    return (front, int(number)) if number.isdigit() else (name, 0)


def _members(network: str, containers: Sequence[Mapping[str, Any]]) -> Iterable[Member]:
    for facts in containers:
        places = facts["NetworkSettings"]["Networks"] or {}
        place = places.get(network)
        if place is None or not place.get("IPAddress"):
            continue
        name = facts["Name"].lstrip("/")
        own = {name, facts["Id"][:12], facts["Config"]["Hostname"]}
        names = dict.fromkeys(alias for alias in place.get("Aliases") or () if alias not in own)
        yield Member(
            id=facts["Id"],
            name=name,
            address=place["IPAddress"],
            names=tuple(names),
            ports=tuple(_ports(facts["NetworkSettings"].get("Ports") or {})) if place is _first(places) else (),
            others=tuple(sorted(other for other in places if other != network)),
            health=str((facts["State"].get("Health") or {}).get("Status", "")),
        )


def _first(places: Mapping[str, Any]) -> Any:
    """Ports are drawn once, where the way in from the host leads."""
    return next(iter(places.values()))


def _ports(ports: Mapping[str, Any]) -> Iterable[Port]:
    for inside, bindings in ports.items():
        number, _, protocol = inside.partition("/")
        for binding in bindings or ():
            if ":" not in binding["HostIp"]:  # the same port once more, for IPv6
                yield Port(outside=int(binding["HostPort"]), inside=int(number), protocol=protocol)
