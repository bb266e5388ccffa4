"""What to write into control groups for limits and device rules: pure. The writing is `making`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernel_engine.runtime.cgroups.tree import CPUSET
from kernel_engine.runtime.spec import DeviceRule, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One write: `controller` names the v1 hierarchy ("" on v2)."""

    controller: str
    file: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of all containers of an instance together; 0 = none."""

    memory: int = 0  #: bytes, with swap
    nano_cpus: int = 0
    pids: int = 0
    containers: int = 0


NO_LIMITS = Limits()


def plan_v1(resources: Resources) -> tuple[Setting, ...]:
    found: list[Setting] = []

    def put(controller: str, file: str, value: object) -> None:
        found.append(Setting(controller=controller, file=f"{controller}.{file}", value=str(value)))

    if resources.memory:
        put("memory", "limit_in_bytes", resources.memory)
    if resources.memory_swap:
        put("memory", "memsw.limit_in_bytes", resources.memory_swap)
    if resources.memory_reservation:
        put("memory", "soft_limit_in_bytes", resources.memory_reservation)
    if resources.oom_kill_disable:
        put("memory", "oom_control", 1)
    if resources.cpu_shares:
        put("cpu", "shares", resources.cpu_shares)
    if resources.cpu_period:
        put("cpu", "cfs_period_us", resources.cpu_period)
    if resources.cpu_quota:
        put("cpu", "cfs_quota_us", resources.cpu_quota)
    if resources.cpuset_cpus:
        put(CPUSET, "cpus", resources.cpuset_cpus)
    if resources.cpuset_mems:
        put(CPUSET, "mems", resources.cpuset_mems)
    if resources.pids:
        put("pids", "max", resources.pids if resources.pids > 0 else "max")
    return tuple(found)


def plan_v2(resources: Resources) -> tuple[Setting, ...]:
    found: list[Setting] = []

    def put(file: str, value: object) -> None:
        found.append(Setting(controller="", file=file, value=str(value)))

    if resources.memory:
        put("memory.max", resources.memory)
    if resources.memory_swap:
        # v2 counts swap alone, Docker memory and swap together
        put("memory.swap.max", "max" if resources.memory_swap < 0 else resources.memory_swap - resources.memory)
    if resources.memory_reservation:
        put("memory.low", resources.memory_reservation)
    if resources.cpu_shares:
        put("cpu.weight", weight(resources.cpu_shares))
    if resources.cpu_quota or resources.cpu_period:
        quota = resources.cpu_quota if resources.cpu_quota > 0 else "max"
        put("cpu.max", f"{quota} {resources.cpu_period or 100_000}")
    if resources.cpuset_cpus:
        put("cpuset.cpus", resources.cpuset_cpus)
    if resources.cpuset_mems:
        put("cpuset.mems", resources.cpuset_mems)
    if resources.pids:
        put("pids.max", resources.pids if resources.pids > 0 else "max")
    return tuple(found)


def weight(shares: int) -> int:
    """cpu.shares (2 to 262144) as cpu.weight (1 to 10000), by the line that every OCI runtime draws."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def device_lines(rules: Sequence[DeviceRule]) -> Iterator[Setting]:
    """v1's devices.allow and devices.deny, one write a rule."""
    for rule in rules:
        file = "devices.allow" if rule.allow else "devices.deny"
        numbers = ":".join("*" if number < 0 else str(number) for number in (rule.major, rule.minor))
        whole = rule.type == "a" and rule.major < 0 and rule.minor < 0
        yield Setting(controller="devices", file=file, value="a" if whole else f"{rule.type} {numbers} {rule.access}")


def plan_limits_v1(limits: Limits) -> tuple[Setting, ...]:
    """What to write for the instance's own groups. What is not limited (any more) is written too."""
    memory = str(limits.memory or -1)
    quota = limits.nano_cpus * 100_000 // 1_000_000_000
    return (
        # memory may never exceed memory + swap, so the latter is out of the way first
        Setting(controller="memory", file="memory.memsw.limit_in_bytes", value="-1"),
        Setting(controller="memory", file="memory.limit_in_bytes", value=memory),
        Setting(controller="memory", file="memory.memsw.limit_in_bytes", value=memory),
        Setting(controller="cpu", file="cpu.cfs_period_us", value="100000"),
        Setting(controller="cpu", file="cpu.cfs_quota_us", value=str(quota or -1)),
        Setting(controller="pids", file="pids.max", value=str(limits.pids or "max")),
    )


def plan_limits_v2(limits: Limits) -> tuple[Setting, ...]:
    quota = limits.nano_cpus * 100_000 // 1_000_000_000
    return (
        Setting(controller="", file="memory.max", value=str(limits.memory or "max")),
        Setting(controller="", file="memory.swap.max", value="0" if limits.memory else "max"),
        Setting(controller="", file="cpu.max", value=f"{quota or 'max'} 100000"),
        Setting(controller="", file="pids.max", value=str(limits.pids or "max")),
    )
