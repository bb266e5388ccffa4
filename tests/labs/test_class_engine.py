"""Each lab as a learner of a class has it: on a restricted, limited engine (`labs serve`), as an ordinary user.

Strictly replayed, as on an ordinary engine. What such an engine refuses, a lab says beforehand.
"""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labs import build, catalogue
from labs.catalogue import Lab
from labs.wall import door
from tests.conftest import needs_root
from tests.daemon import Daemon, running_daemon
from tests.labs.test_notebooks import SANITIZE

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200), needs_root]
#: nobody has it on this machine, and no container
LEARNER = 61001
#: privileged containers, and rooms that make cgroups: said in the lab and in docs/class.md
REFUSED = ("10", "engine/04", "engine/08")
LABS = [lab for lab in catalogue.labs() if lab.number not in REFUSED]
#: containers of such an engine are remapped, which is what this lab looks at; its text says so
OTHERWISE = {"engine/05": ("docker run --rm busybox cat /proc/self/uid_map",)}


@dataclass(frozen=True, slots=True)
class Desk:
    """A learner's workspace, and the engine that mounts nothing else."""

    engine: Daemon
    workspace: Path


@pytest.fixture
def desk(hub: str, hub_maker: str) -> Iterator[Desk]:
    with build.fixed_ports(), tempfile.TemporaryDirectory(prefix="docker-labs-") as place:
        os.chmod(place, 0o755)
        workspace = Path(place, "home")
        workspace.mkdir()
        os.chown(workspace, LEARNER, LEARNER)
        words = ("--restrict", "--own-network", "--restrict-binds", str(workspace), "--socket-user", str(LEARNER))
        limits = ("--limit-memory", "2g", "--limit-cpus", "2", "--limit-pids", "512", "--limit-containers", "50")
        with running_daemon(Path(place), (hub, hub_maker), *words, *limits) as engine:
            yield Desk(engine, workspace)


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.number)
def test_a_learner_of_a_class_can_do_it(lab: Lab, desk: Desk) -> None:
    done = replayed(lab, desk)
    _, *failed = done.stdout.split("Notebook cell execution failed\nCell ")
    other = OTHERWISE.get(lab.number, ())
    assert len(failed) == len(other) and all(map(operator.contains, failed, other)), done.stdout


def test_a_room_with_cgroups_is_refused_with_what_to_do(desk: Desk) -> None:
    done = replayed(catalogue.lab("engine/04"), desk)
    assert done.returncode != 0
    assert door.RESTRICTED in done.stdout, done.stdout


def replayed(lab: Lab, desk: Desk) -> subprocess.CompletedProcess[str]:
    """`pytest --nbval` of the learner's own copy, as the learner."""
    home = desk.workspace
    profile = home / "ipython" / "profile_default"
    settings = home.with_name("docker")  # where the course's own replays have it
    settings.mkdir()
    os.chown(settings, LEARNER, LEARNER)
    environment = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin",
        "LANG": "C.UTF-8",
        "IPYTHONDIR": str(profile.parent),
        "DOCKER_HOST": desk.engine.host,
        "DOCKER_LABS_HOST": desk.engine.host,
        "DOCKER_CONFIG": str(settings),
        "DOCKER_LABS_STILL": "1",
        "DOCKER_LABS_WORKSPACE": str(home / "labs"),
    }
    prepared = "import sys, pathlib; from labs.workspace import prepare; prepare(pathlib.Path(sys.argv[1]))"
    extension = 'get_config().InteractiveShellApp.extensions = ["labs"]'
    script = (
        f"mkdir -p {profile} labs && echo '{extension}' > {profile}/ipython_config.py && "
        f"{sys.executable} -P -c '{prepared}' labs && "
        f"exec {sys.executable} -P -m pytest --nbval --nbval-sanitize-with {SANITIZE} --nbval-cell-timeout 300 "
        "-p no:cacheprovider -p no:xdist -p no:asyncio -c /dev/null --rootdir . --color no -q "
        f"labs/{lab.place}/{lab.notebook.name}"
    )
    become = ("setpriv", "--reuid", str(LEARNER), "--regid", str(LEARNER), "--clear-groups")
    return subprocess.run(
        [*become, "bash", "-c", script],
        cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
