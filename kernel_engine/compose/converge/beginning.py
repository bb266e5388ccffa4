"""Does what `plan_running.starting` decided: starts containers, and waits until others are as dependents need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel_engine.cli.failures import Failed
from kernel_engine.client import APIError, Client
from kernel_engine.compose.converge.carry_out import Halt
from kernel_engine.compose.converge.hooks import run_hooks
from kernel_engine.compose.converge.observed import Container
from kernel_engine.compose.converge.plan import COMPLETED, HEALTHY, RUNNING_OR_HEALTHY, Step
from kernel_engine.compose.converge.watching import Watch
from kernel_engine.compose.model import Project
from kernel_engine.compose.progress import DONE, ERROR, WARNING, Silent


@dataclass(kw_only=True)
class Beginner:
    """Steps of one plan; `do` may be called from several threads at once."""

    client: Client
    project: Project
    watch: Watch
    display: Silent
    halt: Halt = field(default_factory=Halt)
    deadline: float = 0  #: monotonic; 0: none
    limit: int = 0  #: the seconds that led to the deadline

    def do(self, step: Step) -> None:
        if step.what == "wait":
            self._wait(step)
        else:
            self._start(step)

    @staticmethod
    def subjects(step: Step) -> list[str]:
        """What the display calls those that it is about."""
        return [f"Container {item.name}" for item in step.containers] or [f"Container {step.name}"]

    def _start(self, step: Step) -> None:
        assert step.container is not None
        subject = f"Container {step.name}"
        self.display.show(subject, "Starting")
        try:
            self.client.post(f"/containers/{step.container.id}/start").read()
        except APIError as error:
            self.display.show(subject, f"Error response from daemon: {error.message}", ERROR)
            raise
        service = self.project.services[step.service]
        try:
            run_hooks(self.client, step.container.id, service, service.post_start)
        except Failed as failure:
            self.display.show(subject, failure.message, ERROR)
            raise
        self.display.show(subject, "Started", DONE)

    def _wait(self, step: Step) -> None:
        for item in step.containers:
            self.display.show(f"Container {item.name}", "Waiting")
        left = list(step.containers)
        try:
            while left:
                self._wait_for(left[0], step)
                text = "Exited" if step.condition == COMPLETED else "Healthy"
                self.display.show(f"Container {left.pop(0).name}", text, DONE)
        except Failed as failure:
            if step.required:
                self.display.show(f"Container {left[0].name}", "Error", ERROR)
                raise
            for item in left:
                reason = f"optional dependency {failure.about}"
                self.display.show(f"Container {item.name}", f"Skipped: {reason}", WARNING)

    def _wait_for(self, item: Container, step: Step) -> None:
        def arrived() -> bool:
            found = self.client.get(f"/containers/{item.id}/json").json()
            return is_as_wanted(found, step.condition, step.service)

        if not self.watch.until(item.id, arrived, self.halt, self.deadline):
            raise Failed(f"application not healthy after {self.limit}s")


def is_as_wanted(found: Mapping[str, Any], condition: str, service: str) -> bool:
    """Whether the container (GET /containers/ID/json) meets the condition. Failed when it never will."""
    state = found["State"]
    name = found["Name"].removeprefix("/")
    ended = state["Status"] in ("exited", "dead")
    if condition == COMPLETED:
        if ended and state["ExitCode"]:
            text = f'"{service}" didn\'t complete successfully: exit {state["ExitCode"]}'
            raise Failed(f"service {text}", about=text)
        return ended
    if ended:
        raise _failed(condition, f"container {name} exited ({state['ExitCode']})")
    health = state.get("Health") or {}
    status = health.get("Status", "none")
    if status == "none":
        if condition == RUNNING_OR_HEALTHY:
            return bool(state["Status"] == "running")
        raise _failed(condition, f"container {name} has no healthcheck configured")
    if status == "unhealthy":
        raise _failed(condition, f"container {name} is unhealthy")
    return bool(status == "healthy")


def _failed(condition: str, reason: str) -> Failed:
    return Failed(f"dependency failed to start: {reason}" if condition == HEALTHY else reason, about=reason)
