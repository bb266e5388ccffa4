"""Containers that do not run are started, in their order: what `up`, `start` and `run` share."""

from __future__ import annotations

import time

from kernel_engine.compose.converge.beginning import Beginner
from kernel_engine.compose.converge.carry_out import Halt
from kernel_engine.compose.converge.observed import observe
from kernel_engine.compose.converge.plan import Step
from kernel_engine.compose.converge.plan_running import starting
from kernel_engine.compose.converge.watching import Watch
from kernel_engine.compose.model import Project
from kernel_engine.compose.progress import Silent
from kernel_engine.compose.session import Session


def start_all(
    session: Session, project: Project, display: Silent, *, wait: bool = False, limit: int = 0, before: str = ""
) -> None:
    """Starts what does not run; with `wait` until all is as it should be, at most `limit` seconds (0: no limit).

    `before`: only what this service depends on, until it could be started.
    """
    deadline = time.monotonic() + limit if limit else 0
    watch = Watch(session.client, project.name)
    try:
        observed = observe(session.client, project)
        steps = starting(project, observed.of, wait=wait, before=before)
        start_steps(session, project, watch, display, steps, Halt(), deadline, limit)
    finally:
        watch.close()


def start_steps(
    session: Session,
    project: Project,
    watch: Watch,
    display: Silent,
    steps: tuple[Step, ...],
    halt: Halt,
    deadline: float = 0,
    limit: int = 0,
) -> None:
    halt.on_call(watch.nudge)
    beginner = Beginner(
        client=session.client, project=project, watch=watch, display=display, halt=halt, deadline=deadline, limit=limit
    )
    with display:
        display.expect(name for step in steps for name in beginner.subjects(step))
        session.carry_out(steps, beginner.do, halt=halt, parallel=max(session.parallel, len(steps)))
