"""An ordinary user's engine on a Debian 12 with systemd: logins, a manager of his own, what it gives him of cgroup v2.

One machine, booted once, with this Python's packages in it; what it is asked is in `inside_rootless.py`.
"""

from __future__ import annotations

import pytest

from tests.machines import asking, inside_rootless
from tests.machines.asking import Run
from tests.machines.inside_cgroup_v2 import name_of

TIMEOUT = 60 * 60
PROJECT = "/srv/docker-labs"  # where an ordinary user may read it
PACKAGES = (
    "dbus-user-session", "libpam-systemd", "uidmap", "slirp4netns", "nftables", "busybox-static", "tini",
    "libseccomp2", "python3",
)  # fmt: skip
ASKED = tuple(name for name in vars(inside_rootless) if name.startswith("test_"))

pytestmark = [*asking.MARKS, pytest.mark.timeout(TIMEOUT + 1200)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    scratch = tmp_path_factory.mktemp("machine")
    return asking.asked(scratch, PACKAGES, inside_rootless.__name__, project=PROJECT, timeout=TIMEOUT)


@pytest.mark.parametrize("asked", ASKED)
def test_an_ordinary_user(run: Run, asked: str) -> None:
    asking.judge(run.of(name_of(f"tests/machines/inside_rootless.py::{asked}")))


def test_the_script_came_to_its_end(run: Run) -> None:
    assert run.result.status == 0, run.result.console[-4000:]
