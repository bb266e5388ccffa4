"""Compose's words as Kubernetes': names, quantities, seconds, labels. Pure."""

from __future__ import annotations

import math
import re

from kernel_engine.compose.model import Project, Service

NAME = "app.kubernetes.io/name"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
LONGEST = 63


def object_name(text: str) -> str:
    """An RFC 1123 label: small letters, digits and `-` within, at most 63."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:LONGEST].strip("-") or "x"


def selector(service: Service, project: Project) -> dict[str, str]:
    return {NAME: object_name(service.name), PART_OF: object_name(project.name)}


def labels(name: str, project: Project) -> dict[str, str]:
    return {NAME: object_name(name), PART_OF: object_name(project.name), MANAGED_BY: "docker-compose"}


def seconds(nanoseconds: int) -> int:
    """Whole seconds, rounded up: Kubernetes knows no shorter ones."""
    return max(1, math.ceil(nanoseconds / 1e9))


def processors(nano: int) -> str:
    """`2`, `500m`."""
    milli = max(1, round(nano / 1e6))
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def size(count: int) -> str:
    """`64Mi`, `1000`."""
    for unit, step in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if count % step == 0:
            return f"{count // step}{unit}"
    return str(count)


def literal(text: str) -> str:
    """Kubernetes replaces `$(NAME)` in commands and values of variables; `$$(` keeps it as it is."""
    return text.replace("$(", "$$(")
