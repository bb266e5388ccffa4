"""The suite's tests of control groups, walls, steps and machines in containers, on a Debian 12 with cgroup v2.

What every learner's machine has, and the machines that this is written and judged on have not. One machine, booted
once, with this Python's packages and this machine's hub in it; what it is asked is in `inside_cgroup_v2.py`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from labs.hub.registry import DEFAULT_DATA
from tests.conftest import HUB
from tests.machines import asking, inside_cgroup_v2
from tests.machines.asking import REPOSITORY, Run

TIMEOUT = 3 * 60 * 60
PROJECT = "/root/docker-labs"
#: docker.io: what machines in containers are made of; the others are what the engine and its tests use
PACKAGES = (
    "nftables", "busybox-static", "docker-registry", "curl", "tini", "libseccomp2", "python3", "docker.io", "iptables",
    "strace", "e2fsprogs",
)  # fmt: skip
BEFORE = """
systemctl disable --now docker.service docker.socket containerd.service docker-registry.service
ip link delete docker0
nft flush ruleset
"""

pytestmark = [
    *asking.MARKS,
    pytest.mark.timeout(TIMEOUT + 1200),
    pytest.mark.skipif(not (HUB / "registry").is_dir(), reason=f"needs the offline hub's images in {HUB}"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    filling = [sys.executable, "-m", "labs.hub", "--data", str(HUB), "fill", "docker:dind"]
    subprocess.run(filling, check=True, cwd=REPOSITORY)
    return asking.asked(
        tmp_path_factory.mktemp("machine"),
        PACKAGES,
        inside_cgroup_v2.__name__,
        project=PROJECT,
        timeout=TIMEOUT,
        before=BEFORE,
        bring=lambda root: shutil.copytree(HUB, root / str(DEFAULT_DATA).lstrip("/")),
    )


@pytest.mark.parametrize("asked", inside_cgroup_v2.ASKED)
def test_on_cgroup_v2(run: Run, asked: str) -> None:
    asking.judge(run.of(inside_cgroup_v2.name_of(asked)))


def test_the_script_came_to_its_end(run: Run) -> None:
    assert run.result.status == 0, run.result.console[-4000:]
