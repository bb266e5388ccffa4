"""`down`: everything of the project goes, what others use or own stays."""

from __future__ import annotations

from dataclasses import replace

from kernel_engine.cli.failures import Failed
from kernel_engine.client import Client
from kernel_engine.compose.converge.body import image_name
from kernel_engine.compose.converge.making import Maker
from kernel_engine.compose.converge.observed import image_of, observe
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.converge.plan import Step
from kernel_engine.compose.converge.plan_running import removal
from kernel_engine.compose.model import Project
from kernel_engine.compose.session import Session, warn


def down(session: Session) -> int:
    words = session.words
    if words["rmi"] not in ("", "local", "all"):
        raise Failed(f'invalid value for --rmi: "{words["rmi"]}"')
    project, from_files = session.known_project()
    if from_files or session.services:
        check_names(project, session.services)
    take_down(
        session,
        project,
        services=session.services,
        orphans=words["remove-orphans"] or session.says("COMPOSE_REMOVE_ORPHANS"),
        volumes=words["volumes"],
        images=words["rmi"],
        timeout=words["timeout"],
    )
    return 0


def take_down(
    session: Session,
    project: Project,
    *,
    services: list[str] | None = None,
    orphans: bool = False,
    volumes: bool = False,
    images: str = "",
    timeout: int | None = None,
) -> None:
    """`services`: only these and those that depend on them (their networks stay in use, and so they stay)."""
    observed = observe(session.client, project)
    chosen = _only(project, services) if services else project
    steps = removal(
        chosen,
        observed,
        orphans=orphans,
        volumes=volumes,
        images=_images(session.client, chosen, images),
    )
    if not steps:
        warn(f'Warning: No resource found to remove for project "{project.name}".')
        return
    maker = Maker(
        client=session.client,
        project=project,
        observed=observed,
        display=session.display(),
        timeout=timeout,
        remove_volumes=volumes,
    )
    with maker.display as display:
        display.expect(maker.subject(step) for step in steps)
        session.carry_out(steps, maker.do)


def _only(project: Project, names: list[str]) -> Project:
    """The services named, and those that cannot do without them; nothing that the others still need."""
    wanted = list(names)
    for name in wanted:
        wanted += [
            other.name for other in project.services.values() if name in other.depends_on and other.name not in wanted
        ]
    kept = {name: service for name, service in project.services.items() if name in wanted}
    left = {name: service for name, service in project.services.items() if name not in wanted}
    return replace(project, services=kept, disabled={**project.disabled, **left})


def _images(client: Client, project: Project, which: str) -> list[str]:
    """Names of the images that --rmi takes: "local" only those to which the file gives no name of their own."""
    names = [
        image_name(project, service) for service in project.services.values() if which == "all" or not service.image
    ]
    return [name for name in dict.fromkeys(names) if which and image_of(client, name) is not None]


def remove_orphans(session: Session, project: Project) -> None:
    """Only the containers of services that the project does not have."""
    observed = observe(session.client, project)
    steps = [Step(what="remove", name=item.name, container=item) for item in observed.orphans(project)]
    maker = Maker(client=session.client, project=project, observed=observed, display=session.display("Removing"))
    with maker.display as display:
        display.expect(maker.subject(step) for step in steps)
        session.carry_out(steps, maker.do)
