"""What the picture of several servers knows: who runs what, which image lies where, what the registries hold.

Reading and drawing are apart: `read` asks the engines and the registries, `site_picture` draws the frozen answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kernel_engine.client import Client
from labs import servers
from labs.engine_view import LABEL
from labs.registry_view import Entry, Locked, NoRegistry, Registry

#: a registry that has just been started gets so long until it answers
START_SECONDS = 3.0
_REGISTRY_PORT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """On one server; `pulled` or pushed: it knows a digest of a registry."""

    id: str
    names: tuple[str, ...]
    size: int
    pulled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """`ports` as (server's, container's)."""

    id: str
    name: str
    image_id: str
    state: str
    ports: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A registry in one of the containers. `locked`: it shows itself to nobody who has not logged in."""

    container: Container
    port: int
    locked: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`images` are those that the picture is about, `others` counts the rest."""

    name: str
    address: str
    here: bool
    images: tuple[Image, ...]
    others: int
    containers: tuple[Container, ...]
    shelves: tuple[Shelf, ...]


def read(client: Client) -> tuple[Machine, ...]:
    """This machine first. Raises EngineUnreachable when it does not answer."""
    found = servers.read(client)
    first = _machine(client, servers.FIRST, found.address, here=True)
    others = [
        _machine(Client(server.host), server.name, server.address, here=False)
        for server in found.others
        if server.state == "running"
    ]
    machines = [first, *others]
    about = {entry.image_id for machine in machines for shelf in machine.shelves for entry in shelf.entries}
    about |= {image.id for machine in others for image in machine.images}
    about |= {image.id for image in first.images if any(_is_addressed(name, found.address) for name in image.names)}
    return tuple(_narrowed(machine, about) for machine in machines)


def _is_addressed(name: str, address: str) -> bool:
    return bool(address) and name.startswith(f"{address}:")


def _machine(client: Client, name: str, address: str, *, here: bool) -> Machine:
    rows = client.get("/images/json").json()
    images = sorted((_image(row) for row in rows), key=lambda image: (image.names, image.id))
    found = client.get("/containers/json", query={"all": "1"}).json()
    containers = [_container(row) for row in reversed(found) if LABEL not in (row.get("Labels") or {})]
    shelves = [shelf for container in containers if (shelf := _shelf(container, address or "127.0.0.1")) is not None]
    kept = {shelf.container.id for shelf in shelves}
    return Machine(
        name=name,
        address=address,
        here=here,
        images=tuple(images),
        others=0,
        containers=tuple(container for container in containers if container.id not in kept),
        shelves=tuple(shelves),
    )


def _narrowed(machine: Machine, about: Iterable[str]) -> Machine:
    wanted = set(about) - {shelf.container.image_id for shelf in machine.shelves}
    images = tuple(image for image in machine.images if image.id in wanted)
    return Machine(
        name=machine.name,
        address=machine.address,
        here=machine.here,
        images=images,
        others=len(machine.images) - len(images),
        containers=tuple(item for item in machine.containers if not machine.here or item.image_id in wanted),
        shelves=machine.shelves,
    )


def _image(row: dict[str, Any]) -> Image:
    names = (name for name in row.get("RepoTags") or () if name != "<none>:<none>")
    return Image(id=row["Id"], names=tuple(sorted(names)), size=row.get("Size", 0), pulled=bool(row.get("RepoDigests")))


def _container(row: dict[str, Any]) -> Container:
    ports = {(port["PublicPort"], port["PrivatePort"]) for port in row.get("Ports") or () if port.get("PublicPort")}
    return Container(
        id=row["Id"],
        name=row["Names"][0].lstrip("/") if row.get("Names") else row["Id"][:12],
        image_id=row.get("ImageID", ""),
        state=row["State"],
        ports=tuple(sorted(ports)),
    )


def _shelf(container: Container, address: str) -> Shelf | None:
    """What the container's port holds, if a registry answers there."""
    port = next((outside for outside, inside in container.ports if inside == _REGISTRY_PORT), 0)
    if not port or container.state != "running":
        return None
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return Shelf(container=container, port=port, locked=False, entries=Registry(address, port).entries())
        except Locked:
            return Shelf(container=container, port=port, locked=True, entries=())
        except NoRegistry:
            if time.monotonic() > until:
                return None
            time.sleep(0.1)
