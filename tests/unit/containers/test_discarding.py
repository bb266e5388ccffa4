from __future__ import annotations

from dataclasses import replace

import pytest

from kernel_engine.containers.discarding import without_limits
from kernel_engine.containers.options import HostOptions
from kernel_engine.errors import InvalidRequest

PLAIN = HostOptions()
NONE = frozenset[str]()
MANY = HostOptions(
    memory=64 << 20,
    memory_swap=-1,
    memory_reservation=32 << 20,
    oom_kill_disable=True,
    pids_limit=10,
    cpu_shares=512,
    cpu_period=1000,
    cpu_quota=1000,
    cpuset_cpus="0",
    cpuset_mems="0",
)


def test_nothing_asked_nothing_said() -> None:
    asked = replace(PLAIN, privileged=True, oom_score_adj=100)
    assert without_limits(asked, NONE) == (asked, ())


def test_every_limit_is_left_out_and_told_once() -> None:
    host, warnings = without_limits(MANY, NONE)
    assert host == PLAIN
    assert warnings[0] == (
        "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded."
    )
    assert len(warnings) == len(set(warnings)) == 8
    assert all(text.endswith("discarded.") for text in warnings)


def test_cpus_are_refused_as_docker_does() -> None:
    with pytest.raises(InvalidRequest, match="NanoCPUs can not be set"):
        without_limits(replace(PLAIN, nano_cpus=1_000_000_000), NONE)


def test_what_there_are_controllers_for_is_kept() -> None:
    host, warnings = without_limits(replace(MANY, nano_cpus=0), frozenset(("memory", "pids")))
    assert (host.memory, host.memory_swap, host.memory_reservation, host.pids_limit) == (64 << 20, -1, 32 << 20, 10)
    assert (host.cpu_shares, host.cpu_quota, host.cpuset_cpus, host.oom_kill_disable) == (0, 0, "", False)
    assert len(warnings) == 5
    asked = replace(PLAIN, nano_cpus=1_000_000_000)
    assert without_limits(asked, frozenset(("cpu",))) == (asked, ())
