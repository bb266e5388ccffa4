"""What is to be done, as a plan: steps with the steps that must be over before them. Pure values.

`plan_creation.py` and `plan_running.py` decide which steps there are; `carry_out.py` does them, as many at once as the
plan allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from kernel_engine.compose.converge.observed import Container

What = Literal[
    "create network", "remove network", "create volume", "remove volume", "remove image", "create", "recreate",
    "keep", "rename", "remove", "stop", "start", "wait",
]  # fmt: skip
Recreate = Literal["diverged", "force", "never"]
STARTED, HEALTHY, COMPLETED = "service_started", "service_healthy", "service_completed_successfully"
RUNNING_OR_HEALTHY = "running_or_healthy"  #: what --wait waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do. Which fields say more depends on `what`."""

    what: What
    name: str  #: the container's, network's, volume's or image's; of a wait the service's
    cause: str = ""
    after: tuple[int, ...] = ()  #: places in the plan of the steps before it
    key: str = ""  #: of the network or volume in the project
    service: str = ""
    replica: int = 0
    container: Container | None = None  #: that is there already
    containers: tuple[Container, ...] = ()  #: waited for
    condition: str = ""
    required: bool = True

    def describe(self) -> str:
        return f"{self.what} {self.name}" + (f" ({self.cause})" if self.cause else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What `up` and its like were asked for. `targets`: the services named, all when empty."""

    targets: frozenset[str] = frozenset()
    recreate: Recreate = "diverged"
    recreate_dependencies: Recreate = "diverged"
    remove_orphans: bool = False
    images: Mapping[str, str] = field(default_factory=dict)  #: service → ID of the image that it is to run


class Plan:
    """Steps in the making: `add` gives the place that later steps name in `after`."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: Step, after: Iterable[int] = ()) -> int:
        self.steps.append(replace(step, after=tuple(sorted(set(after)))))
        return len(self.steps) - 1
