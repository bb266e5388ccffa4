"""What `%layers` knows: an image's steps from the oldest to the newest, and which of them made a layer.

Reading and drawing are apart: `read` asks the engine, `stack_picture` draws the frozen answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kernel_engine.client import APIError, Client
from labs.notebook.building.progress import one_line

_NAMELESS = "<none>:<none>"
_SHELL = re.compile(r"^(?:\|\d+ .*? )?/bin/sh -c\s+(?P<command>.*)$", re.DOTALL)
_LONG = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_BUILDKIT = re.compile(r"\s*# buildkit$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of an image's history. `diff_id` is "" where the step changed no file; `size` in bytes."""

    instruction: str
    diff_id: str
    size: int
    #: the row's own id, what it says, and when it was made: together they tell one step from another
    id: str
    created_by: str
    created: int
    #: the image whose history this is, and the row's place in it, the oldest 0
    image: str
    at: int
    #: names of the image that this step finished, where that is not the image itself: `FROM` of the steps above
    names: tuple[str, ...] = ()
    #: other images on this engine that hold the same layer on the same layers
    shared: tuple[str, ...] = ()
    #: what the image's last build did here: "cached" | "done" | "" (not built here, or not known any more)
    state: str = ""
    reason: str = ""
    detail: str = ""
    #: the same of several images that hold this layer, a sentence each, where their builds met it differently
    told: tuple[str, ...] = ()

    @property
    def is_layer(self) -> bool:
        return bool(self.diff_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One image: `name` as it was asked for, steps from the oldest to the newest."""

    name: str
    id: str
    size: int
    steps: tuple[Step, ...]

    @property
    def layers(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.is_layer)


def read(client: Client, names: Sequence[str]) -> tuple[Stack, ...]:
    """In the order asked. Raises APIError for an image that is not there, EngineUnreachable when nobody answers."""
    others = _local_images(client)
    builds = client.get("/kernel-engine/builds").json()
    return tuple(_read(client, name, others, builds) for name in names)


def _read(
    client: Client, name: str, others: Mapping[str, tuple[str, tuple[str, ...]]], builds: Sequence[Mapping[str, Any]]
) -> Stack:
    facts = client.get(f"/images/{name}/json").json()
    rows = client.get(f"/kernel-engine/images/{name}/layers").json()
    steps = steps_of(rows[::-1], facts["Id"])
    steps = with_sharing(steps, {id: found for id, found in others.items() if id != facts["Id"]})
    return Stack(name=name, id=facts["Id"], size=facts["Size"], steps=with_build(steps, facts["Id"], builds))


def _local_images(client: Client) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every image that `docker images` lists: id → its names ("" for none), diff ids lowest first."""
    found = {}
    for row in client.get("/images/json").json():
        names = sorted(name for name in row.get("RepoTags") or () if name != _NAMELESS)
        try:
            layers = client.get(f"/images/{row['Id']}/json").json()["RootFS"].get("Layers") or ()
        except APIError:  # removed meanwhile
            continue
        found[row["Id"]] = (", ".join(names), tuple(layers))
    return found


# pure ----------------------------------------------------------------------------------------------------------------
def steps_of(rows: Sequence[Mapping[str, Any]], image: str) -> tuple[Step, ...]:
    """Rows of GET /kernel-engine/images/{name}/layers, oldest first."""
    return tuple(
        Step(
            instruction=instruction_of(row["CreatedBy"]),
            diff_id=row["DiffId"],
            size=row["Size"],
            id=row["Id"],
            created_by=row["CreatedBy"],
            created=row["Created"],
            image=image,
            at=at,
            names=tuple(row.get("Tags") or ()) if row["Id"] != image else (),
        )
        for at, row in enumerate(rows)
    )


def with_sharing(steps: tuple[Step, ...], others: Mapping[str, tuple[str, tuple[str, ...]]]) -> tuple[Step, ...]:
    """A layer is shared when everything beneath it is the same too: only then it is one folder on the disk."""
    found: list[Step] = []
    beneath: tuple[str, ...] = ()
    for step in steps:
        if not step.is_layer:
            found.append(step)
            continue
        beneath = (*beneath, step.diff_id)
        holders = [name for name, layers in others.values() if layers[: len(beneath)] == beneath]
        nameless = [f"이름 없는 이미지 {count}개"] if (count := holders.count("")) else []
        found.append(replace(step, shared=(*sorted(filter(None, holders)), *nameless)))
    return tuple(found)


def with_build(steps: tuple[Step, ...], image: str, builds: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """What the newest of `builds` that made this image did at each step; a step is known by the image it left."""
    mine = [build for build in builds if build.get("image") == image]
    if not mine:
        return steps
    newest = max(mine, key=lambda build: str(build["started"]))
    done = {said["image"]: said for said in newest["steps"] if said.get("image") and said["instruction"] != "FROM"}
    return tuple(
        replace(
            step, instruction=one_line(said["text"]), state=said["state"], reason=said["reason"], detail=said["detail"]
        )
        if (said := done.get(step.id))
        else step
        for step in steps
    )


def instruction_of(created_by: str) -> str:
    """A history row's words as the Dockerfile had them: `/bin/sh -c #(nop)  CMD ["sh"]` → `CMD ["sh"]`."""
    text = _LONG.sub(r"\1", _BUILDKIT.sub("", one_line(created_by)))
    if not (found := _SHELL.match(text)):
        return text or "(적혀 있지 않아요)"
    command = found["command"].strip()
    if command.startswith("#(nop)"):
        return command.removeprefix("#(nop)").strip()
    return f"RUN {command}"
