"""Commands that do one thing to the containers that there are: start, stop, restart, kill, pause, unpause, rm."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError
from kernel_engine.compose.converge.making import Maker
from kernel_engine.compose.converge.observed import RUNNING, Container, Observed, containers_of
from kernel_engine.compose.converge.order import check_names
from kernel_engine.compose.converge.plan import Step
from kernel_engine.compose.converge.plan_running import stopping
from kernel_engine.compose.model import Project
from kernel_engine.compose.progress import DONE, ERROR
from kernel_engine.compose.selecting import selected
from kernel_engine.compose.session import Session
from kernel_engine.compose.verbs.starting import start_all


def start(session: Session) -> int:
    project, _ = session.known_project()
    if session.services:
        project = selected(project, session.services)
    words = session.words
    start_all(session, project, session.display(), wait=words["wait"], limit=words["wait-timeout"] or 0)
    return 0


def stop(session: Session) -> int:
    project, there = _there(session)
    maker = _maker(session, project, there, "Stopping")
    steps = stopping(project, lambda name: [item for item in there.of(name) if item.state != "created"])
    with maker.display as display:
        display.expect(maker.subject(step) for step in steps)
        session.carry_out(steps, maker.do)
    return 0


def _maker(session: Session, project: Project, there: Observed, title: str) -> Maker:
    timeout = session.words.values.get("timeout")
    return Maker(
        client=session.client, project=project, observed=there, display=session.display(title), timeout=timeout
    )


def _there(session: Session) -> tuple[Project, Observed]:
    """The project and its containers; only those of the services named, where some are."""
    project, _ = session.known_project()
    check_names(project, session.services)
    found = containers_of(session.client, project.name)
    named = session.services or [*project.services]
    return project, Observed(containers=tuple(item for item in found if item.service in named and not item.one_off))


def restart(session: Session) -> int:
    """Dependencies first; what says of itself that it restarts with another one does so."""
    project, there = _there(session)
    if session.services and not session.words["no-deps"]:
        more = [
            other.name
            for other in project.services.values()
            for name, needed in other.depends_on.items()
            if name in session.services and needed.restart and other.name not in session.services
        ]
        found = containers_of(session.client, project.name)
        named = [*session.services, *more]
        there = replace(there, containers=tuple(item for item in found if item.service in named and not item.one_off))
    timeout = session.words["timeout"]

    def do(item: Container) -> None:
        session.client.post(f"/containers/{item.id}/restart", query={"t": timeout}).read()

    return _each(session, _upwards(project, there), do, "Restarting", "Started")


def kill(session: Session) -> int:
    project, there = _there(session)
    words = session.words
    running = [item for item in there.containers if item.state == RUNNING]
    if not running:
        raise Failed("no container to kill")

    def do(item: Container) -> None:
        session.client.post(f"/containers/{item.id}/kill", query={"signal": words["signal"]}).read()

    code = _each(session, _at_once(running), do, "Killing", "Killed")
    if words["remove-orphans"]:
        from kernel_engine.compose.verbs.down import remove_orphans

        remove_orphans(session, project)
    return code


def pause(session: Session) -> int:
    return _posts(session, "pause", RUNNING, "Pausing", "Paused")


def unpause(session: Session) -> int:
    return _posts(session, "unpause", "paused", "Unpausing", "Unpaused")


def _posts(session: Session, verb: str, state: str, doing: str, done: str) -> int:
    _, there = _there(session)
    chosen = [item for item in there.containers if item.state == state]
    return _each(session, _at_once(chosen), lambda item: _post(session, item, verb), doing, done)


def _post(session: Session, item: Container, verb: str) -> None:
    session.client.post(f"/containers/{item.id}/{verb}").read()


def _at_once(items: list[Container]) -> list[Step]:
    return [Step(what="keep", name=item.name, container=item) for item in items]


def _upwards(project: Project, there: Observed) -> list[Step]:
    """Each service after what it depends on."""
    from kernel_engine.compose.converge.order import dependencies_first

    steps: list[Step] = []
    places: dict[str, tuple[int, ...]] = {}
    for name in dependencies_first(project.services):
        needed = project.services[name].depends_on
        after = tuple(sorted({place for other in needed for place in places.get(other, ())}))
        items = there.of(name)
        places[name] = tuple(range(len(steps), len(steps) + len(items))) or after
        steps += [Step(what="keep", name=item.name, container=item, after=after) for item in items]
    return steps


def _each(session: Session, steps: list[Step], do: Callable[[Container], None], doing: str, done: str) -> int:
    with session.display(doing) as display:
        display.expect(f"Container {step.name}" for step in steps)

        def carry(step: Step) -> None:
            assert step.container is not None
            display.show(f"Container {step.name}", doing)
            try:
                do(step.container)
            except APIError as error:
                display.show(f"Container {step.name}", f"Error response from daemon: {error.message}", ERROR)
                raise
            display.show(f"Container {step.name}", done, DONE)

        session.carry_out(steps, carry, told=lambda step: f"Container {step.name}  {doing}")
    return 0


def remove(session: Session) -> int:
    """Stopped ones; with --stop the others are stopped before."""
    words = session.words
    if words["stop"]:
        stop(session)
    _, there = _there(session)
    gone = [item for item in there.containers if item.state not in (RUNNING, "paused", "restarting")]
    if not gone:
        print("No stopped containers", file=sys.stderr)
        return 0
    print(f"Going to remove {', '.join(item.name for item in gone)}", flush=True)
    if not words["force"] and not _agrees("? Are you sure? [yN] "):
        return 0

    def do(item: Container) -> None:
        session.client.delete(f"/containers/{item.id}", query={"v": words["volumes"] or None}).read()

    return _each(session, _at_once(gone), do, "Removing", "Removed")


def _agrees(question: str) -> bool:
    print(question, end="", flush=True)
    answer = sys.stdin.readline().strip().lower()
    if not sys.stdin.isatty():
        print()
    return answer in ("y", "yes")
