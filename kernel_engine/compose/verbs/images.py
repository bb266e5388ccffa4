"""Images of services: which are there, pulled or built before containers are made. And `pull`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.cli.failures import Failed, raise_error
from kernel_engine.client import APIError, Client
from kernel_engine.compose.converge.body import image_name
from kernel_engine.compose.converge.carry_out import carry_out
from kernel_engine.compose.converge.observed import image_of
from kernel_engine.compose.converge.plan import Step
from kernel_engine.compose.model import Project, Service
from kernel_engine.compose.progress import DONE, ERROR, WARNING, Silent
from kernel_engine.compose.selecting import selected
from kernel_engine.compose.session import Session

#: exit code when an image cannot be had
PULL_FAILED = 18
POLICIES = ("policy", "always", "missing", "never", "build", "newer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the options say of images."""

    build: bool = False
    no_build: bool = False
    pull: str = "policy"
    quiet: bool = False


def provide(session: Session, project: Project, choice: Choice, display: Silent) -> dict[str, Mapping[str, Any]]:
    """Service → its image (GET /images/NAME/json), pulled or built where it has to be. Those that cannot be had and
    need not be yet are left out: the engine says so when the container is made."""
    if choice.pull not in POLICIES:
        raise Failed(f'invalid --pull option "{choice.pull}"')
    services = project.services.values()
    there = _inspected(session, {image_name(project, service) for service in services})
    to_build = [item for item in services if is_built(item, choice, there.get(image_name(project, item)) is not None)]
    names = {image_name(project, service) for service in to_build}
    to_pull = {
        image_name(project, service): service
        for service in services
        if image_name(project, service) not in names
        and is_pulled(service, choice, there.get(image_name(project, service)) is not None)
    }
    if session.options["dry-run"]:
        for name in (*to_pull, *sorted(names)):
            session.rehearse(f"{'pull' if name in to_pull else 'build'} image {name}")
        to_pull, to_build = {}, []
    if to_pull:
        pull_all(session, to_pull, Silent() if choice.quiet else display)
    if to_build:
        from kernel_engine.compose.verbs.build import build_services

        build_services(session, project, [service.name for service in to_build])
    there |= _inspected(session, names | set(to_pull))
    found = {service.name: there.get(image_name(project, service)) for service in services}
    return {name: image for name, image in found.items() if image is not None}


def _inspected(session: Session, names: Iterable[str]) -> dict[str, Mapping[str, Any] | None]:
    """Each image by its name; several are asked for at once."""
    found: dict[str, Mapping[str, Any] | None] = {}

    def inspect(step: Step) -> None:
        found[step.name] = image_of(session.client, step.name)

    carry_out([Step(what="keep", name=name) for name in sorted(names)], inspect, parallel=session.parallel)
    return found


def is_built(service: Service, choice: Choice, there: bool) -> bool:
    """Whether the service's image is built now; `there`: the engine has one of its name."""
    if service.build is None or choice.no_build:
        return False
    return choice.build or choice.pull == "build" or service.pull_policy == "build" or not there


def is_pulled(service: Service, choice: Choice, there: bool) -> bool:
    """Whether one that is not built is pulled now."""
    if not service.image:
        return False
    policy = choice.pull if choice.pull != "policy" else service.pull_policy
    if policy in ("always", "daily", "weekly", "newer") or policy.startswith("every_"):
        return service.build is None
    return not there and policy not in ("never", "build")


def pull_all(
    session: Session, wanted: Mapping[str, Service], display: Silent, *, ignore_failures: bool = False
) -> None:
    """Image name → the service that it is for. Several at once. Failed with the registry's text."""
    client = session.client

    def pull(step: Step) -> None:
        service = wanted[step.name]
        display.show(service.name, "Pulling")
        try:
            pull_image(client, step.name, service.platform, lambda text: display.show(service.name, text))
        except (APIError, Failed) as error:
            text = error.message
            display.show(service.name, f"Error {text}", WARNING if ignore_failures else ERROR)
            if not ignore_failures:
                raise Failed(f"Error response from daemon: {text}", PULL_FAILED, about=text) from error
        else:
            display.show(service.name, "Pulled", DONE)

    with display:
        display.expect(service.name for service in wanted.values())
        carry_out([Step(what="keep", name=name) for name in wanted], pull, parallel=session.parallel)


def pull_image(client: Client, image: str, platform: str, said: Callable[[str], None]) -> None:
    """Raises Failed or APIError with the engine's text. `said` gets how far it is, no more than ten times."""
    from kernel_engine.cli.login import auth_header
    from kernel_engine.cli.pull import read_reference

    reference = read_reference(image)
    query = {"fromImage": reference.name, "tag": reference.tagged().tag_or_digest, "platform": platform or None}
    layers: dict[str, tuple[int, int]] = {}
    tenth = 0
    with client.post("/images/create", query=query, headers=auth_header(reference.name)) as response:
        for message in response.objects():
            raise_error(message)
            progress = message.get("progressDetail") or {}
            if message.get("status") == "Downloading" and progress.get("total"):
                layers[message["id"]] = (progress.get("current", 0), progress["total"])
                current, total = (sum(column) for column in zip(*layers.values(), strict=True))
                if current * 10 // total > tenth:
                    tenth = current * 10 // total
                    said(f"Pulling {tenth * 10}%")


def pull(session: Session) -> int:
    words = session.words
    if words["policy"] not in ("", "always", "missing"):
        raise Failed(f"unknown policy {words['policy']!r}")
    project = selected(session.project(session.services), session.services, dependencies=words["include-deps"])
    display = Silent() if words["quiet"] else session.display("Pulling")
    wanted: dict[str, Service] = {}
    for service in project.services.values():
        if not service.image or (service.build is not None and words["ignore-buildable"]):
            display.show(service.name, "Skipped - No image to be pulled", WARNING)
        elif service.pull_policy in ("never", "build"):
            display.show(service.name, f"Skipped - pull_policy is {service.pull_policy}", WARNING)
        elif service.image in wanted:
            display.show(
                service.name, "Skipped - Image is already being pulled by " + wanted[service.image].name, WARNING
            )
        elif words["policy"] == "missing" and image_of(session.client, service.image) is not None:
            display.show(service.name, "Skipped - Image is already present locally", WARNING)
        else:
            wanted[service.image] = service
    pull_all(session, wanted, display, ignore_failures=words["ignore-pull-failures"])
    return 0
