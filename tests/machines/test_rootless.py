"""An ordinary user's engine on a Debian 12 with systemd: logins, a manager of his own, what it gives him of cgroup v2.

One machine, booted once, with this Python's packages in it; what it is asked is in `inside_rootless.py`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import needs_root
from tests.machines import inside_rootless, machine
from tests.machines.inside_cgroup_v2 import name_of
from tests.machines.test_cgroup_v2 import ENVIRONMENT, Run
from tests.machines.test_systemd import answers_in, copy_project

TIMEOUT = 60 * 60
PROJECT = "/srv/docker-labs"  # where an ordinary user may read it
PACKAGES = (
    "dbus-user-session", "libpam-systemd", "uidmap", "slirp4netns", "nftables", "busybox-static", "tini",
    "libseccomp2", "python3",
)  # fmt: skip
SCRIPT = f"""
cd {PROJECT} || exit 1
export PATH={ENVIRONMENT}/bin:$PATH DOCKER_LABS_SLOWNESS=10
python -m tests.machines.inside_rootless
"""
ASKED = tuple(name for name in vars(inside_rootless) if name.startswith("test_"))

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(TIMEOUT + 1200),
    needs_root,
    pytest.mark.skipif(bool(machine.missing()), reason=f"this machine lacks: {machine.missing()}"),
    pytest.mark.skipif(sys.version_info[:2] != machine.PYTHON, reason="needs the Python of Debian 12, 3.11"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    scratch = tmp_path_factory.mktemp("machine")
    root = scratch / "root"
    try:
        machine.make_root(root, *PACKAGES)
        machine.copy_environment(root, ENVIRONMENT, PROJECT)
        copy_project(root / PROJECT.lstrip("/"))
        result = machine.boot(root, SCRIPT, scratch, timeout=TIMEOUT)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(result.output)
    yield Run(result, answers_in(result.output))


@pytest.mark.parametrize("asked", ASKED)
def test_an_ordinary_user(run: Run, asked: str) -> None:
    name = name_of(f"tests/machines/inside_rootless.py::{asked}")
    assert name in run.answers, f"it was never asked; the console's end:\n{run.result.console[-4000:]}"
    answer = run.answers[name]
    assert answer.word == "ok", answer.reason.replace(" | ", "\n")


def test_the_script_came_to_its_end(run: Run) -> None:
    assert run.result.status == 0, run.result.console[-4000:]
