"""Which cgroup namespace a container gets when nobody says."""

from __future__ import annotations

import pytest

from kernel_engine.containers.options import HostOptions
from kernel_engine.containers.spec import cgroup_namespace, namespaces


@pytest.mark.parametrize(
    ("asked", "privileged", "unified", "got"),
    [
        ("", False, False, "private"),
        ("", False, True, "private"),
        ("", True, False, "host"),
        ("", True, True, "private"),
        ("host", False, True, "host"),
        ("host", True, True, "host"),
        ("private", True, False, "private"),
    ],
)
def test_docker_s_default(asked: str, privileged: bool, unified: bool, got: str) -> None:
    host = HostOptions(cgroupns_mode=asked, privileged=privileged)
    assert cgroup_namespace(host, unified=unified) == got


def test_a_private_one_is_new() -> None:
    assert "cgroup" in namespaces(HostOptions(cgroupns_mode="private", privileged=True))
    assert "cgroup" not in namespaces(HostOptions(cgroupns_mode="host"))
