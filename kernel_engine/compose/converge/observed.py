"""What the engine has of a project: its containers, networks and volumes as frozen values. Asks, never changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel_engine.client import APIError, Client
from kernel_engine.compose import labels
from kernel_engine.compose.model import Dependency, Network, Project, Service, Volume

RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """One mount of a container as it is."""

    type: str
    target: str
    name: str = ""  #: of a volume
    source: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of the project. `number` 0: a one-off of `run`, or one without a readable number."""

    id: str
    name: str
    service: str
    number: int
    state: str  #: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead"
    one_off: bool
    config_hash: str
    image: str  #: the image's ID that it was made from, as its label says
    labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mounted, ...] = ()
    networks: frozenset[str] = frozenset()  #: IDs
    summary: Mapping[str, Any] = field(default_factory=dict)  #: the entry of GET /containers/json

    @property
    def lasting_name(self) -> str:
        """The name that it was to have once the container that it replaces has gone: an earlier `up` was ended before.

        "" where it has its name.
        """
        head, _, rest = self.name.partition("_")
        half_made = self.labels.get(labels.REPLACES) and len(head) == 12 and not set(head) - set("0123456789abcdef")
        return rest if half_made else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`networks`, `volumes`: the project's keys → what is there under that name."""

    containers: tuple[Container, ...] = ()
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, service: str) -> list[Container]:
        """The service's own containers, by number; `run`'s are not among them."""
        found = [item for item in self.containers if item.service == service and not item.one_off]
        return sorted(found, key=lambda item: (item.number, item.name))

    def orphans(self, project: Project) -> list[Container]:
        """Those of services that the project does not have (any more), and one-offs that have ended."""
        known = {**project.services, **project.disabled}
        return [
            item
            for item in self.containers
            if (item.service not in known if not item.one_off else item.state in ("exited", "dead"))
        ]


def observe(client: Client, project: Project) -> Observed:
    """Everything of the project, and what stands under the names of its networks and volumes."""
    return Observed(
        containers=containers_of(client, project.name),
        networks=_networks(client, project.networks),
        volumes=_volumes(client, project.volumes),
    )


def containers_of(client: Client, project: str, *, every: bool = True) -> tuple[Container, ...]:
    """Containers that carry the project's label, whoever made them; without `every` only those that run."""
    filters = json.dumps({"label": [f"{labels.PROJECT}={project}"]})
    found = client.get("/containers/json", query={"all": every or None, "filters": filters}).json()
    return tuple(sorted((container(item) for item in found), key=lambda item: item.name))


def container(item: Mapping[str, Any]) -> Container:
    """One entry of GET /containers/json."""
    marks: dict[str, str] = item.get("Labels") or {}
    number = marks.get(labels.NUMBER, "")
    one_off = marks.get(labels.ONE_OFF, "").lower() == "true"
    return Container(
        id=item["Id"],
        name=own_name(item.get("Names") or ()) or item["Id"][:12],
        service=marks.get(labels.SERVICE, ""),
        number=int(number) if number.isdigit() and not one_off else 0,
        state=item.get("State", ""),
        one_off=one_off,
        config_hash=marks.get(labels.HASH, ""),
        image=marks.get(labels.IMAGE, ""),
        labels=marks,
        mounts=tuple(_mounted(mount) for mount in item.get("Mounts") or ()),
        networks=frozenset(
            endpoint.get("NetworkID", "")
            for endpoint in ((item.get("NetworkSettings") or {}).get("Networks") or {}).values()
        ),
        summary=item,
    )


def own_name(names: Iterable[str]) -> str:
    """Without the slash; a name that a link gave has two."""
    return next((name[1:] for name in names if name.count("/") == 1), "")


def _mounted(mount: Mapping[str, Any]) -> Mounted:
    return Mounted(
        type=mount.get("Type", ""),
        target=mount.get("Destination", ""),
        name=mount.get("Name", ""),
        source=mount.get("Source", ""),
        read_only=not mount.get("RW", True),
    )


def _networks(client: Client, wanted: Mapping[str, Network]) -> dict[str, Mapping[str, Any]]:
    if not wanted:
        return {}
    filters = json.dumps({"name": [network.name for network in wanted.values()]})
    there = client.get("/networks", query={"filters": filters}).json() or ()  # the filter also finds parts of names
    by_name = {item["Name"]: item for item in there} | {item["Id"]: item for item in there}
    return {key: by_name[network.name] for key, network in wanted.items() if network.name in by_name}


def _volumes(client: Client, wanted: Mapping[str, Volume]) -> dict[str, Mapping[str, Any]]:
    if not wanted:
        return {}
    filters = json.dumps({"name": [volume.name for volume in wanted.values()]})
    there = client.get("/volumes", query={"filters": filters}).json().get("Volumes") or ()
    by_name = {item["Name"]: item for item in there}
    return {key: by_name[volume.name] for key, volume in wanted.items() if volume.name in by_name}


def project_of(client: Client, name: str) -> Project:
    """The project as far as what is there tells: for commands that work without its file (`down`, `stop`, `ps`)."""
    filters = json.dumps({"label": [f"{labels.PROJECT}={name}"]})
    there = containers_of(client, name)
    services: dict[str, Service] = {}
    for item in there:
        if item.service and not item.one_off:
            needed = labels.read_dependencies(item.labels.get(labels.DEPENDS_ON, ""))
            services[item.service] = Service(
                name=item.service,
                image=str(item.summary.get("Image", "")),
                scale=services[item.service].scale + 1 if item.service in services else 1,
                depends_on={
                    other: Dependency(condition=condition, restart=restarts, required=False)
                    for other, (condition, restarts) in needed.items()
                },
            )
    networks = client.get("/networks", query={"filters": filters}).json() or ()
    volumes = client.get("/volumes", query={"filters": filters}).json().get("Volumes") or ()
    first = there[0].labels if there else {}
    return Project(
        name=name,
        directory=first.get(labels.DIRECTORY, ""),
        files=tuple(filter(None, first.get(labels.FILES, "").split(","))),
        services=services,
        networks={_key(item, labels.NETWORK): Network(name=item["Name"]) for item in networks},
        volumes={_key(item, labels.VOLUME): Volume(name=item["Name"]) for item in volumes},
    )


def _key(item: Mapping[str, Any], label: str) -> str:
    return str((item.get("Labels") or {}).get(label) or item["Name"])


def image_of(client: Client, name: str) -> Mapping[str, Any] | None:
    """GET /images/NAME/json; None where the engine has none of this name."""
    try:
        found: Mapping[str, Any] = client.get(f"/images/{name}/json").json()
    except APIError as error:
        if error.status == 404:
            return None
        raise
    return found
