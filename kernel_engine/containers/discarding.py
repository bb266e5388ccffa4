"""Limits that this machine, or this engine's user, has no control groups for: left out, and said so. Pure.

What Docker does, in its words (moby, verifyPlatformContainerResources).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kernel_engine.containers.options import HostOptions
from kernel_engine.errors import InvalidRequest

_NO_CGROUP = "or the cgroup is not mounted"
_V1 = "freezing at an end of memory"  #: v2 has none of it
#: the controller and the options of one limit, and what is said when one of them was asked for
_LIMITS = (
    (
        "memory",
        ("memory", "memory_swap"),
        f"Your kernel does not support memory limit capabilities {_NO_CGROUP}. Limitation discarded.",
    ),
    (
        "memory",
        ("memory_reservation",),
        f"Your kernel does not support memory soft limit capabilities {_NO_CGROUP}. Limitation discarded.",
    ),
    (_V1, ("oom_kill_disable",), "Your kernel does not support OomKillDisable. OomKillDisable discarded."),
    (
        "pids",
        ("pids_limit",),
        f"Your kernel does not support PIDs limit capabilities {_NO_CGROUP}. PIDs limit discarded.",
    ),
    ("cpu", ("cpu_shares",), f"Your kernel does not support CPU shares {_NO_CGROUP}. Shares discarded."),
    ("cpu", ("cpu_period",), "Your kernel does not support CPU CFS scheduler. CPU period discarded."),
    ("cpu", ("cpu_quota",), "Your kernel does not support CPU CFS scheduler. CPU quota discarded."),
    ("cpuset", ("cpuset_cpus", "cpuset_mems"), f"Your kernel does not support cpuset {_NO_CGROUP}. Cpuset discarded."),
)


def without_limits(host: HostOptions, controllers: frozenset[str]) -> tuple[HostOptions, tuple[str, ...]]:
    """For an engine that has these controllers only. InvalidRequest for --cpus, which Docker refuses."""
    if host.nano_cpus and "cpu" not in controllers:
        raise InvalidRequest(f"NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler {_NO_CGROUP}")
    plain = HostOptions()
    changes: dict[str, Any] = {}
    warnings = []
    for controller, names, warning in _LIMITS:
        if controller not in controllers and any(getattr(host, name) != getattr(plain, name) for name in names):
            changes |= {name: getattr(plain, name) for name in names}
            warnings.append(warning)
    return replace(host, **changes), tuple(warnings)
