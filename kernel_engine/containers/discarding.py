"""Limits that this machine, or this engine's user, has no control groups for: left out, and said so. Pure.

What Docker does, in its words (moby, verifyPlatformContainerResources).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kernel_engine.containers.options import HostOptions
from kernel_engine.errors import InvalidRequest

_NO_CGROUP = "or the cgroup is not mounted"
#: the options of one limit, and what is said when one of them was asked for
_LIMITS = (
    (
        ("memory", "memory_swap"),
        f"Your kernel does not support memory limit capabilities {_NO_CGROUP}. Limitation discarded.",
    ),
    (
        ("memory_reservation",),
        f"Your kernel does not support memory soft limit capabilities {_NO_CGROUP}. Limitation discarded.",
    ),
    (("oom_kill_disable",), "Your kernel does not support OomKillDisable. OomKillDisable discarded."),
    (
        ("pids_limit",),
        f"Your kernel does not support PIDs limit capabilities {_NO_CGROUP}. PIDs limit discarded.",
    ),
    (("cpu_shares",), f"Your kernel does not support CPU shares {_NO_CGROUP}. Shares discarded."),
    (("cpu_period",), "Your kernel does not support CPU CFS scheduler. CPU period discarded."),
    (("cpu_quota",), "Your kernel does not support CPU CFS scheduler. CPU quota discarded."),
    (("cpuset_cpus", "cpuset_mems"), f"Your kernel does not support cpuset {_NO_CGROUP}. Cpuset discarded."),
)


def without_limits(host: HostOptions) -> tuple[HostOptions, tuple[str, ...]]:
    """For an engine without control groups. InvalidRequest for --cpus, which Docker refuses."""
    if host.nano_cpus:
        raise InvalidRequest(f"NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler {_NO_CGROUP}")
    plain = HostOptions()
    changes: dict[str, Any] = {}
    warnings = []
    for names, warning in _LIMITS:
        if any(getattr(host, name) != getattr(plain, name) for name in names):
            changes |= {name: getattr(plain, name) for name in names}
            warnings.append(warning)
    return replace(host, **changes), tuple(warnings)
