"""`run`: one more container of a service, for one command; what the service depends on is started before."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace

from kernel_engine.cli import run as docker_run
from kernel_engine.cli.attachment import Attachment, await_exit
from kernel_engine.cli.body import environment
from kernel_engine.cli.failures import Failed
from kernel_engine.cli.ports import split
from kernel_engine.cli.terminal import need_terminal
from kernel_engine.client import APIError
from kernel_engine.compose import labels
from kernel_engine.compose.converge.body import Making, resolved
from kernel_engine.compose.converge.making import create_container
from kernel_engine.compose.converge.observed import observe
from kernel_engine.compose.hashes import config_hash
from kernel_engine.compose.model import Mount, Port, Project, Service
from kernel_engine.compose.progress import Silent
from kernel_engine.compose.selecting import selected
from kernel_engine.compose.session import Session
from kernel_engine.compose.verbs.images import Choice, provide
from kernel_engine.compose.verbs.one import wants_terminal
from kernel_engine.compose.verbs.starting import start_all
from kernel_engine.compose.verbs.up import Making as Wanted
from kernel_engine.compose.verbs.up import create_all


def run(session: Session) -> int:
    """The container's own exit code; 0 with -d, which prints its ID."""
    words = session.words
    name, *command = session.services
    if words["publish"] and words["service-ports"]:
        raise Failed("--service-ports and --publish are incompatible")
    project = selected(session.project([name]), [name], dependencies=not words["no-deps"])
    service = one_off(session, project, project.services[name], command)
    refusal = need_terminal(service.stdin_open, service.tty)
    if refusal and not words["detach"]:
        raise Failed(refusal)
    display = Silent() if words["quiet"] else session.display()
    choice = Choice(build=words["build"], pull=words["pull"], quiet=words["quiet-pull"])
    _dependencies(session, project, name, choice, display)
    image = provide(session, replace(project, services={name: service}), choice, display).get(name) or {}
    container = _create(session, project, service, str(image.get("Id", "")))
    if words["detach"]:
        session.client.post(f"/containers/{container}/start").read()
        print(container)
        return 0
    return _attached(session, container, service)


def _dependencies(session: Session, project: Project, name: str, choice: Choice, display: Silent) -> None:
    """Everything that the service depends on runs, and is as it wants it."""
    others = {other: service for other, service in project.services.items() if other != name}
    around = replace(project, services=others, disabled={**project.disabled, name: project.services[name]})
    remove_orphans = session.words["remove-orphans"]
    create_all(session, around, Wanted(remove_orphans=remove_orphans, choice=choice), display)
    if others:
        start_all(session, project, display, before=name)


def one_off(session: Session, project: Project, service: Service, command: list[str]) -> Service:
    """The service as the options of `run` change it."""
    words = session.words
    marks = dict(_pair(item) for item in words["label"])
    changed = replace(
        service,
        tty=wants_terminal(session),
        stdin_open=words["interactive"] and not words["detach"],
        ports=service.ports if words["service-ports"] else tuple(_ports(words["publish"])),
        volumes=(*service.volumes, *(_mount(item) for item in words["volume"])),
        environment={**service.environment, **_environment(session, project)},
        labels={**service.labels, **marks},
        restart="",
        deploy=replace(service.deploy, restart_policy=None),
        scale=1,
        cap_add=(*(item for item in service.cap_add if item not in words["cap-drop"]), *words["cap-add"]),
        cap_drop=(*(item for item in service.cap_drop if item not in words["cap-add"]), *words["cap-drop"]),
        user=words["user"] or service.user,
        working_dir=words["workdir"] or service.working_dir,
    )
    if "entrypoint" in words.given:
        import shlex

        try:
            entrypoint = tuple(shlex.split(words["entrypoint"]))
        except ValueError as error:
            raise Failed(f"invalid command line string: {error}") from error
        return replace(changed, entrypoint=entrypoint, command=tuple(command))
    return replace(changed, command=tuple(command)) if command else changed


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Failed("label must be set as KEY=VALUE")
    return name, value


def _environment(session: Session, project: Project) -> dict[str, str]:
    """A variable without a value has the one that the project's files see."""
    words = session.words
    found = {}
    for item in environment(words["env"], words["env-from-file"]):
        name, equals, value = item.partition("=")
        if equals:
            found[name] = value
        elif name in project.environment:
            found[name] = project.environment[name]
    return found


def _ports(given: list[str]) -> list[Port]:
    found = []
    for item in given:
        for container, address, host in split(item):
            number, _, protocol = container.partition("/")
            found.append(Port(target=int(number), protocol=protocol, host_ip=address, published=host))
    return found


def _mount(text: str) -> Mount:
    """`SOURCE:TARGET[:ro]`, or an anonymous volume's TARGET."""
    parts = text.split(":")
    if len(parts) == 1:
        return Mount(type="volume", target=parts[0])
    source, target, *rest = parts
    is_path = source.startswith((".", "/", "~"))
    return Mount(
        type="bind" if is_path else "volume",
        source=os.path.abspath(os.path.expanduser(source)) if is_path else source,
        target=target,
        read_only="ro" in ",".join(rest).split(","),
    )


def _create(session: Session, project: Project, service: Service, image: str) -> str:
    observed = observe(session.client, project)
    peers = {name: observed.of(name) for name in project.services}
    actual = resolved(service, peers)
    slug = secrets.token_hex(32)
    marks = labels.of_container(project, service, config_hash=config_hash(actual, project), image=image)
    marks |= {labels.ONE_OFF: "True", labels.SLUG: slug}
    name = session.words["name"] or f"{project.name}-{service.name}-run-{slug[:12]}"
    making = Making(
        name=name,
        number=0,
        labels=marks,
        peers=peers,
        aliases=session.words["use-aliases"],
        stdin=service.stdin_open,
        auto_remove=session.words["rm"],
    )
    return create_container(session.client, project, actual, making, name=name)


def _attached(session: Session, container: str, service: Service) -> int:
    removed = session.words["rm"]
    streams = (service.stdin_open, True, True)
    attachment = Attachment(session.client, container, tty=service.tty, streams=streams)
    condition = "removed" if removed else "next-exit"
    waiting = session.client.post(f"/containers/{container}/wait", query={"condition": condition})
    with attachment:
        try:
            session.client.post(f"/containers/{container}/start").read()
        except APIError as error:
            if removed:
                waiting.read()
            code = docker_run.start_code(error.message)
            message = f"Error response from daemon: {error.message}"
            raise Failed(message, 1 if code == 125 else code, about=error.message) from error
        attachment.run()
        return 0 if attachment.detached else await_exit(waiting, attachment.signals)
