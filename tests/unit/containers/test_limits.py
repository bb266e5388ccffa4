"""Options that cannot be: Docker's refusals before anything is made."""

from __future__ import annotations

import os

import pytest

from kernel_engine.containers.limits import check_options
from kernel_engine.containers.options import ContainerOptions, HostOptions, RestartPolicy
from kernel_engine.errors import EngineError, InvalidRequest


def check(**host: object) -> None:
    check_options(ContainerOptions(image="x", host=HostOptions(**host)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ({"memory": 1024}, "Minimum memory limit allowed is 6MB"),
        ({"memory": 2**24, "memory_swap": 2**23}, "Minimum memoryswap limit should be larger than memory limit"),
        ({"memory_swap": 2**24}, "You should always set the Memory limit when using Memoryswap limit"),
        ({"nano_cpus": 10**12}, "range of CPUs is from 0.01 to"),
        ({"nano_cpus": 10**9, "cpu_quota": 5000}, "Nano CPUs and CPU Quota cannot both be set"),
        ({"cpu_period": 10}, "CPU cfs period can not be less than 1ms"),
        ({"restart": RestartPolicy(name="sometimes")}, "invalid restart policy 'sometimes'"),
        ({"restart": RestartPolicy(name="always", maximum_retry_count=3)}, "maximum retry count cannot be used"),
        ({"restart": RestartPolicy(name="always"), "auto_remove": True}, "can't create 'AutoRemove' container"),
    ],
)
def test_refusals(host: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidRequest, match=text.replace("(", r"\(")):
        check(**host)


def test_possible_options_pass() -> None:
    check(
        memory=2**26,
        memory_swap=-1,
        nano_cpus=(os.cpu_count() or 1) * 10**9,
        restart=RestartPolicy(name="on-failure", maximum_retry_count=3),
        binds=("/a:/b:ro",),
    )


@pytest.mark.parametrize("name", ["-x", "a" * 80, "a b"])
def test_hostnames(name: str) -> None:
    with pytest.raises(EngineError, match="invalid hostname format"):
        check_options(ContainerOptions(image="x", hostname=name))
