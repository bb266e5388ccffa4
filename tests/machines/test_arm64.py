"""The engine on another processor: a Debian 12 for arm64 with systemd and cgroup v2, in QEMU's emulation.

One machine, booted once, with this Python's packages for arm64 in it; what it is asked is in `inside_arm64.py`.
"""

from __future__ import annotations

import sys

import pytest

from tests.conftest import needs_root
from tests.machines import asking, inside_arm64, machine
from tests.machines.asking import Run
from tests.machines.inside_cgroup_v2 import name_of

TIMEOUT = 3 * 60 * 60
PROJECT = "/root/docker-labs"
#: what the engine and its tests use
PACKAGES = ("nftables", "busybox-static", "curl", "tini", "libseccomp2", "python3", "strace", "e2fsprogs")
LACKING = machine.missing(machine.AARCH64)

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(TIMEOUT + 3600),
    needs_root,
    pytest.mark.skipif(bool(LACKING), reason=f"this machine lacks: {LACKING}"),
    pytest.mark.skipif(sys.version_info[:2] != machine.PYTHON, reason="needs the Python of Debian 12, 3.11"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    scratch = tmp_path_factory.mktemp("machine")
    name, processor = inside_arm64.__name__, machine.AARCH64
    return asking.asked(scratch, PACKAGES, name, project=PROJECT, timeout=TIMEOUT, processor=processor)


@pytest.mark.parametrize("asked", inside_arm64.ASKED)
def test_on_arm64(run: Run, asked: str) -> None:
    asking.judge(run.of(name_of(asked)))


def test_the_script_came_to_its_end(run: Run) -> None:
    assert run.result.status == 0, run.result.console[-4000:]
