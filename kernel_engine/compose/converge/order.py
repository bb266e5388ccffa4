"""In which order services come, and which are needed with others. Which ones are meant: `selecting.py`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.model import Project, Service


def check_names(project: Project, names: Iterable[str]) -> None:
    for name in names:
        if name not in project.services:
            raise Failed(f"no such service: {name}")


def closure(services: Mapping[str, Service], names: Iterable[str]) -> list[str]:
    """The services and everything that they depend on, directly or not."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in services and name not in found:
            found.append(name)
            waiting += services[name].depends_on
    return found


def dependencies_first(services: Mapping[str, Service]) -> list[str]:
    """Names so that each comes after what it depends on, else in the file's order. Failed for a cycle."""
    order: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in services:
            return
        if name in path:
            cycle = " -> ".join([*path[path.index(name) :], name])
            raise Failed(f"dependency cycle detected: {cycle}")
        path.append(name)
        for needed in services[name].depends_on:
            visit(needed)
        path.pop()
        order.append(name)

    for name in services:
        visit(name)
    return order


def dependents(services: Mapping[str, Service], name: str) -> list[str]:
    """The services that say themselves that they depend on this one."""
    return [other.name for other in services.values() if name in other.depends_on]
