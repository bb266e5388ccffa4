"""What the live card knows: images with their layers, and the containers that stand on them. Read from the Docker API.

Reading and drawing are apart: a `Reader` asks, `picture` draws the frozen answer.
"""

from __future__ import annotations

import re
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
        found = self._client.get("/containers/json", query={"all": "1"}).json()
        mine = [row for row in found if LABEL not in (row.get("Labels") or {})]
        containers = [_container(self._client, row, counted=len(mine) <= COUNTED) for row in reversed(mine)]
        return Facts(
            images=tuple(sorted(images, key=lambda image: (not image.names, image.names, image.id))),
            containers=tuple(containers),
        )

    def _layers(self, image: str) -> tuple[str, ...]:
        if image not in self._known:
            try:
                facts = self._client.get(f"/images/{image}/json").json()
            except APIError:  # removed meanwhile
                return ()
            self._known[image] = tuple(facts["RootFS"].get("Layers") or ())
        return self._known[image]


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
