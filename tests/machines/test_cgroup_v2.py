"""The suite's tests of control groups, walls, steps and machines in containers, on a Debian 12 with cgroup v2.

What every learner's machine has, and the machines that this is written and judged on have not. One machine, booted
once, with this Python's packages and this machine's hub in it; what it is asked is in `inside_cgroup_v2.py`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labs.hub.registry import DEFAULT_DATA
from tests.conftest import HUB, needs_root
from tests.machines import inside_cgroup_v2, machine
from tests.machines.test_systemd import Answer, answers_in, copy_project

TIMEOUT = 3 * 60 * 60
PROJECT, ENVIRONMENT = "/root/docker-labs", "/opt/tests"
#: docker.io: what machines in containers are made of; the others are what the engine and its tests use
PACKAGES = (
    "nftables", "busybox-static", "docker-registry", "curl", "tini", "libseccomp2", "python3", "docker.io", "iptables",
    "strace", "e2fsprogs",
)  # fmt: skip
SCRIPT = f"""
systemctl disable --now docker.service docker.socket containerd.service docker-registry.service
ip link delete docker0
nft flush ruleset
cd {PROJECT} || exit 1
export PATH={ENVIRONMENT}/bin:$PATH DOCKER_LABS_SLOWNESS=10
python -m tests.machines.inside_cgroup_v2
"""

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(TIMEOUT + 1200),
    needs_root,
    pytest.mark.skipif(bool(machine.missing()), reason=f"this machine lacks: {machine.missing()}"),
    pytest.mark.skipif(sys.version_info[:2] != machine.PYTHON, reason="needs the Python of Debian 12, 3.11"),
    pytest.mark.skipif(not (HUB / "registry").is_dir(), reason=f"needs the offline hub's images in {HUB}"),
]


@dataclass(frozen=True, slots=True)
class Run:
    result: machine.Result
    answers: dict[str, Answer]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    scratch = tmp_path_factory.mktemp("machine")
    root = scratch / "root"
    filling = [sys.executable, "-m", "labs.hub", "--data", str(HUB), "fill", "docker:dind"]
    subprocess.run(filling, check=True, cwd=Path(__file__).resolve().parents[2])
    try:
        machine.make_root(root, *PACKAGES)
        machine.copy_environment(root, ENVIRONMENT, PROJECT)
        copy_project(root / PROJECT.lstrip("/"))
        shutil.copytree(HUB, root / str(DEFAULT_DATA).lstrip("/"))
        result = machine.boot(root, SCRIPT, scratch, timeout=TIMEOUT)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(result.output)
    yield Run(result, answers_in(result.output))


@pytest.mark.parametrize("asked", inside_cgroup_v2.ASKED)
def test_on_cgroup_v2(run: Run, asked: str) -> None:
    mine = {name: one for name, one in run.answers.items() if name.startswith(inside_cgroup_v2.name_of(asked))}
    assert mine, f"it was never asked; the console's end:\n{run.result.console[-4000:]}"
    failed = {name: one.reason.replace(" | ", "\n") for name, one in mine.items() if one.word != "ok"}
    assert failed == {}, "\n\n".join(f"{name}:\n{reason}" for name, reason in failed.items())


def test_the_script_came_to_its_end(run: Run) -> None:
    assert run.result.status == 0, run.result.console[-4000:]
