"""Commands about one container of a service: `exec`, `cp` and `port`. The first two are Docker's own with its name."""

from __future__ import annotations

import os

from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.main import carry_out as docker
from kernel_engine.cli.ports import joined
from kernel_engine.compose.converge.observed import Container, Observed, containers_of
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.session import Session


def running_of(session: Session, service: str) -> list[Container]:
    """The service's running containers, or the one that --index names. Failed when there is none."""
    project, name = session.project_or_name()
    if project is not None:
        check_names(project, [service])
    index = session.words["index"]
    found = [
        item
        for item in Observed(containers=containers_of(session.client, name, every=False)).of(service)
        if not index or item.number == index
    ]
    if not found:
        raise Failed(f'service "{service}" is not running' + (f" container #{index}" if index else ""))
    return found


def exec_(session: Session) -> int:
    words = session.words
    service, *command = session.services
    container = running_of(session, service)[0]
    options = []
    if words["detach"]:
        options.append("--detach")
    elif words["interactive"]:
        options.append("--interactive")
    if wants_terminal(session):
        options.append("--tty")
    if words["privileged"]:
        options.append("--privileged")
    options += [f"--env={item}" for item in words["env"]]
    options += [f"--{name}={words[name]}" for name in ("user", "workdir") if words[name]]
    return docker(session.client, "exec", COMMANDS["exec"], [*options, container.id, *command])


def attach(session: Session) -> int:
    """Docker's own `attach`, with the service's container."""
    words = session.words
    options = ["--no-stdin"] if words["no-stdin"] else []
    options += [f"--detach-keys={words['detach-keys']}"] if words["detach-keys"] else []
    options.append(f"--sig-proxy={str(words['sig-proxy']).lower()}")
    container = running_of(session, session.services[0])[0]
    return docker(session.client, "attach", COMMANDS["attach"], [*options, container.id])


def wants_terminal(session: Session) -> bool:
    """A terminal inside, where there is one outside and nothing was said against it."""
    words = session.words
    if words["no-TTY"] or words["detach"] or not words["tty"]:
        return False
    return "tty" in words.given or (os.isatty(0) and os.isatty(1))


def copy(session: Session) -> int:
    """To a service: to each of its containers; from one: out of the first."""
    words = session.words
    source, target = session.services
    places = [_service(source), _service(target)]
    if bool(places[0]) == bool(places[1]):
        raise Failed("copying between services is not supported" if places[0] else "unknown copy direction")
    options = [f"--{name}" for name in ("archive", "follow-link") if words[name]]
    containers = running_of(session, places[0] or places[1])
    for item in containers[:1] if places[0] else containers:
        pair = [_in(item, source), target] if places[0] else [source, _in(item, target)]
        docker(session.client, "cp", COMMANDS["cp"], [*options, *pair])
    return 0


def _service(text: str) -> str:
    """The service of `web:/etc`; "" for a path of this machine."""
    service, colon, _ = text.partition(":")
    return service if colon and not service.startswith((".", "/")) else ""


def _in(item: Container, text: str) -> str:
    return f"{item.name}:{text.partition(':')[2]}"


def port(session: Session) -> int:
    service, private = session.services
    if not private.isdigit() or not 0 < int(private) <= 65535:
        raise Failed(f'strconv.ParseUint: parsing "{private}": invalid syntax')
    protocol = session.words["protocol"]
    item = running_of(session, service)[0]
    there = item.summary.get("Ports") or ()
    for known in there:
        if known["PrivatePort"] == int(private) and known.get("Type", "tcp") == protocol and known.get("PublicPort"):
            print(joined(known.get("IP", ""), known["PublicPort"]))
            return 0
    listed = " ".join(f"{known['PrivatePort']}/{known.get('Type', 'tcp')}" for known in there)
    raise Failed(f"no port {private}/{protocol} for container {item.name}: {listed}")
