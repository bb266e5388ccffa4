"""What is started, waited for, stopped and removed, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.converge.observed import RUNNING, Container, Observed
from kernel_engine.compose.converge.order import dependencies_first, dependents
from kernel_engine.compose.converge.plan import (
    COMPLETED,
    HEALTHY,
    RUNNING_OR_HEALTHY,
    STARTED,
    Plan,
    Step,
    What,
)
from kernel_engine.compose.model import Project, Service

#: a service → its containers as they are now
Containers = Callable[[str], Sequence[Container]]


def starting(project: Project, containers: Containers, *, wait: bool = False, before: str = "") -> tuple[Step, ...]:
    """Starts what does not run, each service when what it depends on is as it asks for.

    With `wait` the plan ends when all run or are healthy. `before` names a service that is left out itself: the plan
    ends when it could be started. Failed for a required dependency without containers.
    """
    return _Starting(project, containers, before).planned(wait=wait)


class _Starting:
    def __init__(self, project: Project, containers: Containers, before: str) -> None:
        self.project = project
        self.containers = containers
        self.before = before
        self.plan = Plan()
        self.started: dict[str, list[int]] = {}  #: service → the steps after which it runs
        self.waits: dict[tuple[str, str, bool], int] = {}

    def planned(self, *, wait: bool) -> tuple[Step, ...]:
        for name in dependencies_first(self.project.services):
            first = self._needed(self.project.services[name])
            self.started[name] = self._started(name, first) or first
        for name in self.project.services if wait else ():
            if self.containers(name) and (name, HEALTHY, True) not in self.waits:
                self._waited(name, _wanted(self.project, name), required=True)
        return tuple(self.plan.steps)

    def _needed(self, service: Service) -> list[int]:
        """The steps after which it may start."""
        steps: list[int] = []
        for other, needed in service.depends_on.items():
            there = self.project.services.get(other)
            if there is None or not there.scale or not service.scale:
                continue
            if not self.containers(other):
                if needed.required:
                    raise Failed(f"{service.name} is missing dependency {other}")
            elif needed.condition == STARTED:
                steps += self.started[other]
            else:
                steps.append(self._waited(other, needed.condition, required=needed.required))
        return steps

    def _waited(self, name: str, condition: str, *, required: bool) -> int:
        key = (name, condition, required)
        if key not in self.waits:
            step = Step(what="wait", name=name, service=name, condition=condition, required=required,
                        containers=tuple(self.containers(name)))  # fmt: skip
            self.waits[key] = self.plan.add(step, self.started.get(name, ()))
        return self.waits[key]

    def _started(self, name: str, first: list[int]) -> list[int]:
        if name == self.before:
            return []
        service, there = self.project.services[name], self.containers(name)
        if not there and service.scale:
            raise Failed(f'service "{name}" has no container to start')
        steps: list[int] = []
        for item in there:
            if item.state == RUNNING:
                continue
            # with a fixed port the first one has it, whoever is faster
            queue = steps[-1:] if service.ports else []
            step = Step(what="start", name=item.name, service=name, replica=item.number, container=item)
            steps.append(self.plan.add(step, [*first, *queue]))
        return steps


def _wanted(project: Project, name: str) -> str:
    """What --wait waits for: a service whose end another one waits for is done when it has ended."""
    ends = any(
        service.depends_on[name].condition == COMPLETED
        for service in project.services.values()
        if name in service.depends_on
    )
    return COMPLETED if ends else RUNNING_OR_HEALTHY


def stopping(project: Project, containers: Containers, what: What = "stop") -> tuple[Step, ...]:
    """Every container of the project's services, dependents first."""
    plan = Plan()
    _downwards(plan, project, containers, what)
    return tuple(plan.steps)


def _downwards(plan: Plan, project: Project, containers: Containers, what: What) -> dict[str, list[int]]:
    ended: dict[str, list[int]] = {}
    for name in reversed(dependencies_first(project.services)):
        after = [step for other in dependents(project.services, name) for step in ended[other]]
        steps = [
            plan.add(Step(what=what, name=item.name, service=name, container=item, replica=item.number), after)
            for item in containers(name)
        ]
        ended[name] = steps or after
    return ended


def removal(
    project: Project,
    observed: Observed,
    *,
    orphans: bool = False,
    networks: bool = True,
    volumes: bool = False,
    images: Iterable[str] = (),
) -> tuple[Step, ...]:
    """Containers, dependents first, then what only they used."""
    plan = Plan()
    _downwards(plan, project, observed.of, "remove")
    if orphans:
        for item in [*observed.orphans(project), *(item for item in observed.containers if item.one_off)]:
            if all(step.container != item for step in plan.steps):
                plan.add(Step(what="remove", name=item.name, cause="orphan", container=item))
    gone = range(len(plan.steps))
    if networks:
        for key, network in project.networks.items():
            if key in observed.networks and not network.external:
                plan.add(Step(what="remove network", name=network.name, key=key), gone)
    for image in images:
        plan.add(Step(what="remove image", name=image), gone)
    if volumes:
        for key, volume in project.volumes.items():
            if key in observed.volumes and not volume.external:
                plan.add(Step(what="remove volume", name=volume.name, key=key), gone)
    return tuple(plan.steps)
