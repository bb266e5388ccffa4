"""What `%volumes` knows: what holds data beside the containers' own layers, and which container has it where.

Reading and drawing are apart: `read` asks the engine, `holding_picture` draws the frozen answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernel_engine.client import APIError, Client
from labs.notebook.learning.facts import Container, containers

#: the label that the engine gives to a volume that nobody has named
ANONYMOUS = "com.docker.volume.anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One container that has it mounted: where, and whether it may write."""

    container: Container
    target: str
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """`kind`: volume | unnamed | bind | tmpfs. `name`: of a volume, or the host's path; "" for tmpfs."""

    kind: str
    name: str
    uses: tuple[Use, ...]


def read(client: Client) -> tuple[Holding, ...]:
    """Raises EngineUnreachable when nobody answers."""
    rows = client.get("/volumes").json()["Volumes"] or ()
    found = []
    for container in containers(client):
        try:
            found.append((container, client.get(f"/containers/{container.id}/json").json()))
        except APIError:  # removed meanwhile
            continue
    return holdings(rows, found)


# pure ----------------------------------------------------------------------------------------------------------------
def holdings(
    volumes: Iterable[Mapping[str, Any]], found: Sequence[tuple[Container, Mapping[str, Any]]]
) -> tuple[Holding, ...]:
    """Named volumes by name, then those without, then folders of the host, then memory."""
    kinds = {row["Name"]: "unnamed" if ANONYMOUS in (row.get("Labels") or {}) else "volume" for row in volumes}
    uses: dict[tuple[str, str], list[Use]] = {(kind, name): [] for name, kind in kinds.items()}
    for container, facts in found:
        for kind, name, use in _mounts(container, facts, kinds):
            uses.setdefault((kind, name), []).append(use)
    made = [Holding(kind=kind, name=name, uses=tuple(found)) for (kind, name), found in uses.items()]
    return tuple(sorted(made, key=_place))


def _mounts(container: Container, facts: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterable[tuple[str, str, Use]]:
    for mount in facts["Mounts"]:
        use = Use(container=container, target=mount["Destination"], writable=mount["RW"])
        if mount["Type"] == "volume":
            yield kinds.get(mount["Name"], "volume"), mount["Name"], use
        elif mount["Type"] == "tmpfs":
            yield "tmpfs", f"{container.id}:{use.target}", use
        else:
            yield "bind", mount["Source"], use
    for target in facts["HostConfig"].get("Tmpfs") or {}:
        yield "tmpfs", f"{container.id}:{target}", Use(container=container, target=target, writable=True)


def _place(holding: Holding) -> tuple[int, str, str, str]:
    """A volume without a name is known by who has it, so that the order is the same on every run."""
    rank = ("volume", "unnamed", "bind", "tmpfs").index(holding.kind)
    first = holding.uses[0] if holding.uses else None
    user = (first.container.name, first.target) if first and holding.kind in ("unnamed", "tmpfs") else ("", "")
    return rank, *user, holding.name
