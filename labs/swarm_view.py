"""What a Swarm's manager says: nodes, services, and tasks with their history. Facts for checks and pictures.

`read` asks the manager's API through `inside`; everything else is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.inside import Inside

#: a task's state → whether it is over (moby's api/types/swarm/task.go)
OVER = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
_EXIT = re.compile(r"non-zero exit \((\d+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`role`: "manager" | "worker"; `availability`: "active" | "pause" | "drain"; `state`: "ready" | "down" | …"""

    id: str
    name: str
    role: str
    availability: str
    state: str
    leader: bool
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`node`: its name, "" where none was chosen; `slot`: 0 for a service with one task on every node; `image` without
    digest; `changed`: when its state did."""

    id: str
    service: str
    slot: int
    node: str
    node_id: str
    state: str
    desired: str
    error: str
    image: str
    changed: str
    on_lost_node: bool

    @property
    def is_wanted(self) -> bool:
        return self.desired in ("running", "ready")

    @property
    def runs(self) -> bool:
        """And not only as far as a node knew that does not answer any more."""
        return self.is_wanted and self.state == "running" and not self.on_lost_node

    @property
    def exit_code(self) -> int | None:
        found = _EXIT.search(self.error)
        return int(found[1]) if found else None

    @property
    def title(self) -> str:
        return f"{self.service}.{self.slot or self.node}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`wanted`: how many tasks it should have, `previous_wanted`: before its last change (None where there was none);
    `update`: "" | "updating" | "completed" | "rollback_completed" | …; `networks`: ids; `stack`: "" without one."""

    id: str
    name: str
    image: str
    wanted: int
    update: str
    stack: str
    networks: tuple[str, ...]
    constraints: tuple[str, ...]
    previous_wanted: int | None
    tasks: tuple[Task, ...]

    @property
    def running(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.runs)

    @property
    def history(self) -> tuple[Task, ...]:
        """What is over, or was lost with its node; the newest first."""
        over = (task for task in self.tasks if not task.is_wanted or task.on_lost_node)
        return tuple(sorted(over, key=lambda task: task.changed, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """Managers first, then by name. `networks`: id → what the manager says of it."""

    nodes: tuple[Node, ...]
    services: tuple[Service, ...]
    networks: Mapping[str, Mapping[str, Any]] = field(repr=False)

    def service(self, name: str) -> Service | None:
        return next((service for service in self.services if service.name == name), None)

    def node(self, name: str) -> Node | None:
        """The one that answers where two have the same name."""
        found = sorted((node for node in self.nodes if node.name == name), key=lambda node: node.state != "ready")
        return found[0] if found else None

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(task for service in self.services for task in service.tasks)


def read(manager: Inside) -> Swarm:
    """Raises APIError (503: it is no manager) and EngineUnreachable."""
    nodes, services, tasks = (manager.get(path) for path in ("/nodes", "/services", "/tasks"))
    return understood(nodes, services, tasks, manager.get("/networks", scope="swarm"))


# pure ----------------------------------------------------------------------------------------------------------------
def understood(
    nodes: Iterable[Mapping[str, Any]],
    services: Iterable[Mapping[str, Any]],
    tasks: Iterable[Mapping[str, Any]],
    networks: Iterable[Mapping[str, Any]] = (),
) -> Swarm:
    """Answers of GET /nodes, /services, /tasks and /networks → the Swarm."""
    known = {row["ID"]: _node(row) for row in nodes}
    rows = list(tasks)
    found = tuple(sorted((_service(row, rows, known) for row in services), key=lambda service: service.name))
    return Swarm(
        nodes=tuple(sorted(known.values(), key=lambda node: (node.role != "manager", node.name, node.id))),
        services=found,
        networks={row["Id"]: row for row in networks},
    )


def _node(row: Mapping[str, Any]) -> Node:
    return Node(
        id=row["ID"],
        name=(row.get("Description") or {}).get("Hostname") or row["ID"][:12],  # a node that is just joining
        role=row["Spec"]["Role"],
        availability=row["Spec"]["Availability"],
        state=row["Status"]["State"],
        leader=bool((row.get("ManagerStatus") or {}).get("Leader")),
        address=row["Status"].get("Addr", ""),
    )


def _service(row: Mapping[str, Any], tasks: list[Mapping[str, Any]], nodes: Mapping[str, Node]) -> Service:
    spec = row["Spec"]
    name, template = spec["Name"], spec["TaskTemplate"]
    mine = [_task(task, name, nodes) for task in tasks if task.get("ServiceID") == row["ID"]]
    mine.sort(key=lambda task: (task.slot, task.node, task.changed))
    replicated = spec["Mode"].get("Replicated")
    previous = ((row.get("PreviousSpec") or {}).get("Mode") or {}).get("Replicated")
    return Service(
        id=row["ID"],
        name=name,
        image=_image(template),
        wanted=replicated.get("Replicas", 0) if replicated else sum(task.is_wanted for task in mine),
        update=(row.get("UpdateStatus") or {}).get("State", ""),
        stack=(spec.get("Labels") or {}).get("com.docker.stack.namespace", ""),
        networks=tuple(network["Target"] for network in template.get("Networks") or ()),
        constraints=tuple((template.get("Placement") or {}).get("Constraints") or ()),
        previous_wanted=previous.get("Replicas", 0) if previous else None,
        tasks=tuple(mine),
    )


def _task(row: Mapping[str, Any], service: str, nodes: Mapping[str, Node]) -> Task:
    node = nodes.get(row.get("NodeID", ""))
    status = row["Status"]
    return Task(
        id=row["ID"],
        service=service,
        slot=row.get("Slot", 0),
        node=node.name if node else "",
        node_id=node.id if node else "",
        state=status["State"],
        desired=row["DesiredState"],
        error=status.get("Err", ""),
        image=_image(row["Spec"]),
        changed=status.get("Timestamp", ""),
        on_lost_node=node is not None and node.state == "down" and status["State"] not in OVER,
    )


def _image(template: Mapping[str, Any]) -> str:
    return str((template.get("ContainerSpec") or {}).get("Image", "")).partition("@")[0]
