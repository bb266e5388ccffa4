"""`push`: the images that services build, to the registries that their names say. `build --push` too."""

from __future__ import annotations

from kernel_engine.cli.failures import Failed, raise_error
from kernel_engine.client import APIError, Client
from kernel_engine.compose.converge.carry_out import carry_out
from kernel_engine.compose.converge.plan import Step
from kernel_engine.compose.model import Project
from kernel_engine.compose.progress import DONE, ERROR, WARNING, Silent
from kernel_engine.compose.selecting import selected
from kernel_engine.compose.session import Session


def push(session: Session) -> int:
    """Images that are built for services, to the registry that their names say."""
    words = session.words
    project = selected(session.project(session.services), session.services, dependencies=words["include-deps"])
    push_all(session, project, quiet=words["quiet"], ignore_failures=words["ignore-push-failures"])
    return 0


def push_all(session: Session, project: Project, *, quiet: bool, ignore_failures: bool = False) -> None:
    display = Silent() if quiet else session.display("Pushing")
    wanted = {service.image: service.name for service in project.services.values() if service.build and service.image}

    def send(step: Step) -> None:
        name = wanted[step.name]
        display.show(name, "Pushing")
        try:
            push_image(session.client, step.name)
        except (APIError, Failed) as error:
            display.show(name, f"Error {error.message}", WARNING if ignore_failures else ERROR)
            if not ignore_failures:
                raise
        else:
            display.show(name, "Pushed", DONE)

    with display:
        display.expect(wanted.values())
        for service in project.services.values():
            if service.name not in wanted.values():
                display.show(service.name, "Skipped", DONE)
        carry_out([Step(what="keep", name=image) for image in wanted], send, parallel=session.parallel)


def push_image(client: Client, image: str) -> None:
    from kernel_engine.cli.login import auth_header
    from kernel_engine.cli.pull import read_reference

    reference = read_reference(image).tagged()
    headers = auth_header(reference.name)
    with client.post(f"/images/{reference.name}/push", query={"tag": reference.tag}, headers=headers) as response:
        for message in response.objects():
            raise_error(message)
