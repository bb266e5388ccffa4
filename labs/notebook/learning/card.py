"""A picture as a widget: drawn by the kernel, a click shows a thing's raw form or does what its button says, and pages
say whether they look on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from kernel_engine.client import APIError, Client
from labs import servers
from labs.inside import Inside
from labs.notebook.learning import markup
from labs.notebook.learning.onlookers import Onlookers

#: so many files of a layer are listed
FILES = 300
_LETTERS = {0: "C", 1: "A", 2: "D"}


class Card(anywidget.AnyWidget):
    """`markup` is the picture; a click asks for a thing's raw form ({"show": "container:ID"}), or for what a button of
    it does ({"do": "next"}). Each place that shows it says so: {"here": NAME}, {"gone": NAME}."""

    _esm = markup.STATIC / "card.js"
    _css = markup.style(
        "live",
        "layers",
        "build",
        "bars",
        "timeline",
        "xray",
        "without",
        "stepping",
        "lifecycle",
        "dashboard",
        "volumes",
        "servers",
        "topology",
        "swarm",
    )
    kind = traitlets.Unicode("").tag(sync=True)
    markup = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        self.onlookers = Onlookers()

    def __repr__(self) -> str:
        return f"Card({self.kind})"


def card(client: Client, kind: str, drawn: str, do: Callable[[str], None] | None = None) -> Card:
    """A card that answers clicks. do: gets the word of a button that was pressed."""
    made = Card(kind=kind, markup=drawn)

    def hear(_: Card, message: Mapping[str, str], __: object) -> None:
        if here := message.get("here"):
            made.onlookers.sees(here)
        elif gone := message.get("gone"):
            made.onlookers.leaves(gone)
        elif word := message.get("do"):
            if do is not None:
                do(word)
        else:
            made.send({"raw": raw_form(client, str(message.get("show", "")))})

    made.on_msg(hear)
    return made


def raw_form(client: Client, thing: str) -> str:
    """What is behind a sign ("container:ID", "image:ID", "volume:NAME", "step:IMAGE:PLACE", "files:CONTAINER:PATH",
    "swarm:MANAGER:tasks/ID" of a Swarm, and "on:SERVER:container:ID" of another server), and where it was read."""
    kind, _, name = thing.partition(":")
    try:
        if kind == "on":
            return _elsewhere(client, *name.split(":", 1))
        if kind == "step":
            return _step(client, *name.rsplit(":", 1))
        if kind == "swarm":
            return _swarm(client, *name.split(":", 1))
        if kind == "files":
            return _files(client, *name.split(":", 1))
        path = {
            "container": f"/containers/{name}/json",
            "image": f"/images/{name}/json",
            "volume": f"/volumes/{name}",
            "network": f"/networks/{name}",
        }.get(kind)
        return f"GET {path}\n{_json(client.get(path).json())}" if path else ""
    except APIError as error:
        return error.message


def _elsewhere(client: Client, server: str, thing: str) -> str:
    found = servers.read(client).find(server)
    if found is None:
        return f"No such server: {server}"
    return f"docker --host {found.host}\n{raw_form(Client(found.host), thing)}"


def _swarm(client: Client, manager: str, thing: str) -> str:
    inside = Inside(client, manager)
    try:
        return f"{manager}의 GET /{thing}\n{_json(inside.get(f'/{thing}'))}"
    finally:
        inside.close()


def _step(client: Client, image: str, at: str) -> str:
    """A row of an image's history, and the files of the layer that it made."""
    path = f"/kernel-engine/images/{image}/layers"
    row = client.get(path).json()[::-1][int(at)]
    text = f"GET {path}\n{_json(row)}"
    if not row["DiffId"]:
        return f"{text}\n\n파일을 바꾸지 않은 단계라서 레이어가 없어요."
    path = f"{path}/{row['DiffId']}"
    files = client.get(path).json()
    lines = [f"{_LETTERS[file['Kind']]} {file['Path']}" for file in files[:FILES]]
    lines += [f"… 그 밖에 {len(files) - FILES}개"] if len(files) > FILES else []
    return "\n".join([text, "", f"GET {path}  (A 더함, C 바꿈, D 지움)", *lines])


def _files(client: Client, container: str, inside: str) -> str:
    """A directory of a container: which layer (0 is its own) each name is from."""
    path = f"/kernel-engine/containers/{container}/files"
    found = client.get(path, query={"path": inside}).json()
    lines = [
        f"{item['Layer']:>2}  {item['Kind']:<9}  {item['Name']}{'  (위에서 가렸어요)' if item['Hidden'] else ''}"
        for item in found[:FILES]
    ]
    lines += [f"… 그 밖에 {len(found) - FILES}개"] if len(found) > FILES else []
    return "\n".join([f"GET {path}?path={inside}  (레이어의 번호, 0이 쓰기 레이어)", *lines])


def _json(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, indent=2)
