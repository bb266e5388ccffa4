"""What pictures know: images with their layers, the containers that stand on them, those that are gone. Read from the
Docker API.

Reading and drawing are apart: a `Reader` asks, `picture` and `life_picture` draw the frozen answer.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from kernel_engine.client import APIError, Client
from labs.engine_view import LABEL

#: `docker diff` walks a container's own files; more containers than this are shown without it
COUNTED = 12
_KIND = {0: "changed", 1: "added", 2: "deleted"}
_EXIT_CODE = re.compile(r"Exited \((\d+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One sheet of an image, lowest first in `Image.layers`; `images` says how many images hold it."""

    id: str
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`names` is empty for an image without a tag; `size` in bytes."""

    id: str
    names: tuple[str, ...]
    size: int
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """`state` is Docker's word, `exit_code` None while it runs, `changes` files added, changed and deleted."""

    id: str
    name: str
    image_id: str
    image_name: str
    command: str
    state: str
    exit_code: int | None
    changes: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Images by name; containers from the oldest to the newest."""

    images: tuple[Image, ...]
    containers: tuple[Container, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Containers from the oldest to the newest; those that were seen and are `gone`, the last to go at the end; how
    many were removed since the picture before."""

    containers: tuple[Container, ...]
    gone: tuple[Container, ...]
    removed: int


class Reader:
    """Called, it reads the facts of one engine. Remembers images' layers, which never change."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, tuple[str, ...]] = {}

    def __call__(self) -> Facts:
        """Raises EngineUnreachable when nobody answers."""
        rows = self._client.get("/images/json").json()
        layers = {row["Id"]: self._layers(row["Id"]) for row in rows}
        shared = Counter(layer for found in layers.values() for layer in found)
        images = tuple(
            Image(
                id=row["Id"],
                names=tuple(sorted(name for name in row.get("RepoTags") or () if name != "<none>:<none>")),
                size=row.get("Size", 0),
                layers=tuple(Layer(id=layer, images=shared[layer]) for layer in layers[row["Id"]]),
            )
            for row in rows
        )
        return Facts(
            images=tuple(sorted(images, key=lambda image: (not image.names, image.names, image.id))),
            containers=containers(self._client, counted=True),
        )

    def _layers(self, image: str) -> tuple[str, ...]:
        if image not in self._known:
            try:
                facts = self._client.get(f"/images/{image}/json").json()
            except APIError:  # removed meanwhile
                return ()
            self._known[image] = tuple(facts["RootFS"].get("Layers") or ())
        return self._known[image]


def containers(client: Client, *, counted: bool = False) -> tuple[Container, ...]:
    """From the oldest to the newest, without those of checks; `counted`: with the files that each has changed."""
    found = client.get("/containers/json", query={"all": "1"}).json()
    mine = [row for row in found if LABEL not in (row.get("Labels") or {})]
    return tuple(_container(client, row, counted=counted and len(mine) <= COUNTED) for row in reversed(mine))


def that_met(client: Client, action: str, since: float, until: float) -> tuple[str, ...]:
    """Ids of the containers that an event of this kind befell between two times (Unix seconds); not those of checks."""
    filters = f'{{"type":["container"],"event":["{action}"]}}'
    query = {"since": f"{since:.6f}", "until": f"{until:.6f}", "filters": filters}
    with client.get("/events", query=query) as events:
        found = [event for event in events.objects() if LABEL not in event["Actor"]["Attributes"]]
    return tuple(str(event["Actor"]["ID"]) for event in found)


class Lives:
    """Called, it reads where in their lives the containers of one engine are. Remembers the names of those that go."""

    def __init__(self, client: Client, since: float) -> None:
        self._client = client
        self._since = since
        self._gone: dict[str, Container] = {}
        self._before: dict[str, Container] = {}
        self._removed: set[str] = set()

    def __call__(self) -> Life:
        """Raises EngineUnreachable when nobody answers."""
        found = {container.id: container for container in containers(self._client)}
        self._gone |= {id: left for id, left in self._before.items() if id not in found}
        self._before = found
        now = time.time()
        self._removed.update(that_met(self._client, "destroy", self._since, now))
        self._since = now
        return Life(containers=tuple(found.values()), gone=tuple(self._gone.values()), removed=len(self._removed))


def _container(client: Client, row: dict[str, Any], *, counted: bool) -> Container:
    ended = _EXIT_CODE.match(row.get("Status", ""))
    return Container(
        id=row["Id"],
        name=row["Names"][0].lstrip("/") if row.get("Names") else row["Id"][:12],
        image_id=row.get("ImageID", ""),
        image_name=row.get("Image", ""),
        command=row.get("Command", ""),
        state=row["State"],
        exit_code=int(ended[1]) if ended else None,
        changes=_changes(client, row["Id"]) if counted else None,
    )


def _changes(client: Client, container: str) -> tuple[int, int, int] | None:
    """How many files were added, changed and deleted; None when the container is gone meanwhile."""
    try:
        rows = client.get(f"/containers/{container}/changes").json() or []
    except APIError:
        return None
    count = Counter(_KIND[row["Kind"]] for row in rows)
    return count["added"], count["changed"], count["deleted"]
