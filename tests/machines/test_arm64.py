"""The engine on another processor: a Debian 12 for arm64 with systemd and cgroup v2, in QEMU's emulation.

One machine, booted once, with this Python's packages for arm64 in it; what it is asked is in `inside_arm64.py`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import needs_root
from tests.machines import inside_arm64, machine
from tests.machines.inside_cgroup_v2 import name_of
from tests.machines.test_cgroup_v2 import ENVIRONMENT, PROJECT, Run
from tests.machines.test_systemd import answers_in, copy_project

TIMEOUT = 3 * 60 * 60
#: what the engine and its tests use
PACKAGES = ("nftables", "busybox-static", "curl", "tini", "libseccomp2", "python3", "strace", "e2fsprogs")
SCRIPT = f"""
cd {PROJECT} || exit 1
export PATH={ENVIRONMENT}/bin:$PATH DOCKER_LABS_SLOWNESS=10
python -m tests.machines.inside_arm64
"""
LACKING = machine.missing(machine.AARCH64)

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(TIMEOUT + 3600),
    needs_root,
    pytest.mark.skipif(bool(LACKING), reason=f"this machine lacks: {LACKING}"),
    pytest.mark.skipif(sys.version_info[:2] != machine.PYTHON, reason="needs the Python of Debian 12, 3.11"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    scratch = tmp_path_factory.mktemp("machine")
    root = scratch / "root"
    try:
        machine.make_root(root, *PACKAGES, processor=machine.AARCH64)
        machine.copy_environment(root, ENVIRONMENT, PROJECT, processor=machine.AARCH64)
        copy_project(root / PROJECT.lstrip("/"))
        result = machine.boot(root, SCRIPT, scratch, timeout=TIMEOUT, processor=machine.AARCH64)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(result.output)
    yield Run(result, answers_in(result.output))


@pytest.mark.parametrize("asked", inside_arm64.ASKED)
def test_on_arm64(run: Run, asked: str) -> None:
    mine = {name: one for name, one in run.answers.items() if name.startswith(name_of(asked))}
    assert mine, f"it was never asked; the console's end:\n{run.result.console[-4000:]}"
    failed = {name: one.reason.replace(" | ", "\n") for name, one in mine.items() if one.word != "ok"}
    assert failed == {}, "\n\n".join(f"{name}:\n{reason}" for name, reason in failed.items())


def test_the_script_came_to_its_end(run: Run) -> None:
    assert run.result.status == 0, run.result.console[-4000:]
