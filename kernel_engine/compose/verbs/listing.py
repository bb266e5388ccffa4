"""Lists: `ps` the project's containers, `ls` the projects, `images`, and `top` the processes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.listing import CONTAINERS, row
from kernel_engine.cli.main import carry_out as docker
from kernel_engine.cli.table import Listing, columns, short_id
from kernel_engine.compose import labels
from kernel_engine.compose.converge.observed import RUNNING, Container, container, containers_of, image_of
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.session import Session
from kernel_engine.formats.sizes import human_size

STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")
PROCESSES = Listing(
    "*formatter.ContainerContext",
    {**CONTAINERS.headings, "Name": "NAME", "Service": "SERVICE", "Project": "PROJECT", "Health": "HEALTH",
     "ExitCode": "EXIT CODE", "Publishers": "PUBLISHERS", "RunningFor": "CREATED"},
)  # fmt: skip
DEFAULT = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
#: compose's tables of projects and images are wider than docker's
WIDE = 20


def ps(session: Session) -> int:
    words = session.words
    states = [*words["status"], *_state_filter(words["filter"])]
    project, name = session.project_or_name()
    named = list(session.services)
    if project is not None:
        check_names(project, named)
        if not named and not words["orphans"]:
            named = [*project.services]
    found = containers_of(session.client, name, every=words["all"] or bool(states))
    chosen = [
        item
        for item in found
        if (not named or item.service in named)
        and (not states or item.state in states)
        and (words["all"] or bool(states) or not item.one_off)
    ]
    if words["quiet"]:
        print("".join(f"{item.id}\n" for item in chosen), end="")
    elif words["services"]:
        print("".join(f"{service}\n" for service in dict.fromkeys(item.service for item in chosen)), end="")
    else:
        rows = [_row(session, item, whole=words["no-trunc"]) for item in chosen]
        print(PROCESSES.text(words["format"], DEFAULT, rows), end="")
    return 0


def _state_filter(text: str) -> list[str]:
    if not text:
        return []
    key, equals, value = text.partition("=")
    if not equals:
        raise Failed("arguments to --filter should be in form KEY=VAL")
    if key != "status":
        raise Failed(f"unknown filter {key}")
    return [value]


def _row(session: Session, item: Container, *, whole: bool) -> dict[str, Any]:
    fields = row(dict(item.summary), whole=whole, now=time.time())
    ports: Sequence[Mapping[str, Any]] = item.summary.get("Ports") or ()
    code, health = _ended(item)
    return {
        **fields,
        "Name": item.name,
        "Service": item.service,
        "Project": item.labels.get(labels.PROJECT, ""),
        "Health": health,
        "ExitCode": code,
        "Publishers": [
            {
                "URL": port.get("IP", ""),
                "TargetPort": port["PrivatePort"],
                "PublishedPort": port.get("PublicPort", 0),
                "Protocol": port.get("Type", "tcp"),
            }
            for port in sorted(ports, key=lambda port: (port["PrivatePort"], port.get("IP", "")))
        ],
    }


def _ended(item: Container) -> tuple[int, str]:
    """Exit code and health, from the words of the column STATUS."""
    status = str(item.summary.get("Status", ""))
    code = status.removeprefix("Exited (").partition(")")[0]
    health = next((word for word in ("unhealthy", "healthy", "starting") if f"({word})" in status or
                   f"health: {word}" in status), "")  # fmt: skip
    return (int(code) if status.startswith("Exited (") and code.lstrip("-").isdigit() else 0), health


def ls(session: Session) -> int:
    words = session.words
    filters = json.dumps({"label": [labels.PROJECT]})
    found = session.client.get("/containers/json", query={"all": True, "filters": filters}).json()
    projects: dict[str, list[Container]] = {}
    for item in map(container, found):
        if not item.one_off and (words["all"] or item.state in (RUNNING, "paused", "restarting")):
            projects.setdefault(item.labels[labels.PROJECT], []).append(item)
    names = [name for name in sorted(projects) if all(_fits(name, *pair) for pair in words["filter"])]
    if words["quiet"]:
        print("".join(f"{name}\n" for name in names), end="")
        return 0
    rows = [(name, _states(projects[name]), _files(projects[name])) for name in names]
    _print(words["format"], ("Name", "Status", "ConfigFiles"), ("NAME", "STATUS", "CONFIG FILES"), rows)
    return 0


def _fits(name: str, key: str, value: str) -> bool:
    if key != "name":
        raise Failed(f"unknown filter {key}")
    return value in name


def _states(items: Sequence[Container]) -> str:
    """`running(2), exited(1)`"""
    counts: dict[str, int] = {}
    for item in items:
        counts[item.state] = counts.get(item.state, 0) + 1
    return ", ".join(f"{state}({count})" for state, count in sorted(counts.items()))


def _files(items: Sequence[Container]) -> str:
    found = dict.fromkeys(item.labels[labels.FILES] for item in items if item.labels.get(labels.FILES))
    return ",".join(found) or "N/A"


def _print(form: str, keys: Sequence[str], headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if form == "json":
        print(
            json.dumps([dict(zip(keys, item, strict=True)) for item in rows], separators=(",", ":"), ensure_ascii=False)
        )
    elif form in ("", "table"):
        print(columns([headings, *rows], minimum=WIDE), end="")
    else:
        raise Failed(f"format value {json.dumps(form)} could not be parsed: parsing failed")


def images(session: Session) -> int:
    words = session.words
    project, name = session.project_or_name()
    if project is not None:
        check_names(project, session.services)
    chosen = [
        item
        for item in containers_of(session.client, name)
        if not item.one_off and (not session.services or item.service in session.services)
    ]
    if words["quiet"]:
        print("".join(f"{image}\n" for image in dict.fromkeys(short_id(_image_id(item)) for item in chosen)), end="")
        return 0
    rows = [_image_row(session, item, whole=words["format"] == "json") for item in chosen]
    if words["format"] == "json":
        keys = ("ID", "ContainerName", "Repository", "Tag", "Size")
        _print("json", keys, (), [(image, name, repository, tag, size) for name, repository, tag, image, size in rows])
        return 0
    _print(words["format"], (), ("CONTAINER", "REPOSITORY", "TAG", "IMAGE ID", "SIZE"), rows)
    return 0


def _image_id(item: Container) -> str:
    return str(item.summary.get("ImageID", ""))


def _image_row(session: Session, item: Container, *, whole: bool) -> tuple[str, str, str, str, Any]:
    found = image_of(session.client, _image_id(item)) or {}
    named = next(iter(found.get("RepoTags") or ()), "<none>:<none>")
    repository, _, tag = named.rpartition(":")
    size = found.get("Size", 0)
    return item.name, repository, tag, short_id(_image_id(item), whole=whole), size if whole else human_size(size, 3)


def top(session: Session) -> int:
    project, name = session.project_or_name()
    if project is not None:
        check_names(project, session.services)
    for item in containers_of(session.client, name, every=False):
        if item.one_off or (session.services and item.service not in session.services):
            continue
        found = session.client.get(f"/containers/{item.id}/top").json()
        print(item.name)
        print(columns([found["Titles"], *found["Processes"]], minimum=7), flush=True)
    return 0


def stats(session: Session) -> int:
    """Docker's own `stats`, with the project's containers."""
    words = session.words
    project, name = session.project_or_name()
    if project is not None:
        check_names(project, session.services)
    chosen = [
        item.name
        for item in containers_of(session.client, name, every=words["all"])
        if not item.one_off and (not session.services or item.service in session.services)
    ]
    if not chosen:
        return 0
    options = [f"--{option}" for option in ("all", "no-stream", "no-trunc") if words[option]]
    options += [f"--format={words['format']}"] if words["format"] else []
    return docker(session.client, "stats", COMMANDS["stats"], [*options, *chosen])
