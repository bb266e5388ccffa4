"""Labs by hand, done by an ordinary user: in a room of the kernel's alone, and in a container where the kernel refuses.

The refusal is met by the room's own first step, not told: see `tests/ordinary.py`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs import build, catalogue, checks
from labs.catalogue import Lab
from labs.wall import door
from tests import ordinary
from tests.daemon import Daemon, running_daemon
from tests.labs.solving import NOTHING, SOLUTION
from tests.labs.test_notebooks import nbval

BY_HAND = [lab for lab in catalogue.labs() if lab.track == "engine"]
SOLVING = Path(__file__).with_name("solving.py")
#: a name that is asked inside a namespace; mounts, roots, and files that only the learner may read
ALWAYS = (
    "engine/01-1=이름을 짓지 않음",
    "engine/02-1=옛 루트를 떼어 내지 않음",
)
PATIENCE = 60
NO_ROOM = "확인한 곳: %walls"

if unable := ordinary.unable():
    pytest.skip(unable, allow_module_level=True)


@pytest.fixture(scope="module")
def learners_engine(hub: str, hub_maker: str) -> Iterator[Daemon]:
    """One that the ordinary user may use."""
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place:
        Path(place).chmod(0o711)  # the learner goes through to the socket
        with running_daemon(Path(place), (hub, hub_maker), "--group", ordinary.group()) as engine:
            engine.docker("pull", "-q", "busybox")
            yield engine


@pytest.fixture
def folder() -> Iterator[Path]:
    """The learner's. Not beneath pytest's own, which only root may enter."""
    with tempfile.TemporaryDirectory(prefix="learner-") as place:
        ordinary.own(Path(place))
        yield Path(place)


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def answers(kind: str, engine: Daemon, folder: Path, *wanted: str) -> dict[tuple[str, str], str]:
    """What the checks say to the learner, by exercise and what was done; the machine's own name is left out."""
    program = [*ordinary.words(kind), sys.executable, "-P", str(SOLVING), engine.host, str(folder), *wanted]
    done = subprocess.run(program, capture_output=True, text=True, cwd="/", env=environment(folder), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[tuple[str, str], str] = {}
    for name, called, answer, contained in map(json.loads, done.stdout.splitlines()):
        in_one = kind == "refused" or checks.exercise(name).room == "container"
        assert contained in (None, in_one), (name, called)
        told[name, called] = re.sub(
            rf"(?<=: )([0-9a-f]{{12}}|{re.escape(socket.gethostname())})$", "…", answer, flags=re.M
        )
    assert nothing_left(engine)
    return told


def nothing_left(engine: Daemon) -> bool:
    """Rooms go with whoever opened them: within a while."""
    until = time.monotonic() + PATIENCE
    while (left := engine.out("ps", "-aq")) and time.monotonic() < until:
        time.sleep(0.1)
    return left == ""


def hold(told: dict[tuple[str, str], str]) -> None:
    """Nothing is not yet, the solution passes, a wrong one does not, for a reason that was read in its room."""
    for (name, called), answer in told.items():
        assert answer.startswith("✓" if called == SOLUTION else "○"), (name, called, answer)
        if called != NOTHING and checks.exercise(name).wrong.get(called) != "":
            assert NO_ROOM not in answer, (name, called, answer)


def test_checks_say_the_same_in_both_kinds_of_rooms(learners_engine: Daemon, folder: Path) -> None:
    told = [answers(kind, learners_engine, folder, *ALWAYS) for kind in ordinary.KINDS]
    hold(told[0])
    assert told[0] == told[1]


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("lab", BY_HAND, ids=lambda lab: lab.number)
def test_every_exercise_of_a_lab_in_both_kinds_of_rooms(lab: Lab, learners_engine: Daemon, folder: Path) -> None:
    told = [answers(kind, learners_engine, folder, *checks.exercises(lab)) for kind in ordinary.KINDS]
    hold(told[0])
    assert told[0] == told[1]


def test_the_doctor_says_where_rooms_open() -> None:
    asks = (
        "import sys; from pathlib import Path; from labs import doctor\n"
        "print(*(finding.text for finding in doctor.check_rooms(Path(sys.argv[1]))))"
    )

    def said(kind: str, limit: str) -> str:
        program = [*ordinary.words(kind), sys.executable, "-P", "-c", asks, limit]
        return subprocess.run(program, capture_output=True, text=True, cwd="/", check=True).stdout

    assert said("refused", "/nowhere").startswith("커널이 일반 사용자의 사용자 네임스페이스")
    with tempfile.NamedTemporaryFile("w") as limit:
        limit.write("1\n")
        limit.flush()
        Path(limit.name).chmod(0o644)
        assert said("refused", limit.name).startswith("AppArmor가 일반 사용자의 사용자 네임스페이스")
    makes = subprocess.run([*ordinary.words("allowed"), "unshare", "--user", "true"], check=False).returncode == 0
    if makes and not Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        assert said("allowed", "/nowhere") == "%%wall 작업실이 이 컴퓨터의 커널만으로 열려요.\n"


# whose it is --------------------------------------------------------------------------------------------------------
OPENS = """
import sys, time
from pathlib import Path
from labs.wall import door, view
host, here = sys.argv[1], Path(sys.argv[2])
said = []
door.run("x = 1", said.append, host=host, folder=here)
door.run("x", said.append, host=host, folder=here)
found = view.find(here)
print(found.outside.pid, found.first.pid, found.worker.pid, found.worker.namespace("uts"), flush=True)
print("".join(said), end="", flush=True)
sys.stdin.read()
"""


def test_a_room_in_a_container_is_the_learners_and_nobody_elses(learners_engine: Daemon, folder: Path) -> None:
    program = [*ordinary.words("refused"), sys.executable, "-P", "-c", OPENS, learners_engine.host, str(folder)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/", env=environment(folder)
    ) as learner:
        assert learner.stdin is not None and learner.stdout is not None
        *pids, uts = learner.stdout.readline().split()
        outside, first, worker = map(int, pids)
        uid = ordinary.uid()
        assert status(outside)["Uid"] == status(first)["Uid"] == status(worker)["Uid"] == [str(uid)] * 4
        assert Path(f"/proc/{worker}/uid_map").read_text().split() == ["0", str(uid), "1"]
        assert [status(outside)[name] for name in ("CapPrm", "CapEff")] == [["0" * 16]] * 2
        assert uts == os.readlink(f"/proc/{worker}/ns/uts")
        stranger = ["setpriv", f"--reuid={uid - 1}", f"--regid={uid - 1}", "--clear-groups", "readlink"]
        for pid in (outside, first, worker):
            assert subprocess.run([*stranger, f"/proc/{pid}/ns/uts"], capture_output=True, check=False).returncode
        learner.stdin.close()
        assert learner.stdout.read() == f"{door.CONTAINED}1\n"  # told once, and why
    assert learner.returncode == 0
    assert nothing_left(learners_engine)


def status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: words.split() for name, _, words in (line.partition(":") for line in lines)}


# whole notebooks ----------------------------------------------------------------------------------------------------
REPLAYS = """
import os, subprocess, sys
from pathlib import Path
from labs import build
host, workspace, *words = sys.argv[1:]
with build.kernel_environment(host, Path(workspace)):
    os.environ.pop("DOCKER_LABS_STILL")
    sys.exit(subprocess.run(words).returncode)
"""


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ordinary.KINDS)
@pytest.mark.parametrize("lab", BY_HAND, ids=lambda lab: lab.number)
def test_the_notebook_shows_the_same_in_both_kinds_of_rooms(
    lab: Lab, kind: str, learners_engine: Daemon, folder: Path
) -> None:
    """All but the picture of the walls, which has the container's between, and the line that says why."""
    with build.learners_folder(lab) as prepared:
        for image in json.loads(learners_engine.api.get("/images/json").read()):
            learners_engine.api.delete(f"/images/{image['Id']}", query={"force": "1"}).close()
        notebook = prepared / lab.notebook.name
        expected(notebook, contained=kind == "refused")
        workspace = build.workspace_of(lab, prepared)
        for path in (workspace, *workspace.rglob("*")):
            if not path.is_symlink():
                ordinary.own(path)
        words = [*ordinary.words(kind), sys.executable, "-P", "-c", REPLAYS, learners_engine.host, str(workspace)]
        done = subprocess.run(
            [*words, *nbval(notebook, folder)], capture_output=True, text=True, cwd="/", env=environment(folder),
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def expected(notebook: Path, *, contained: bool) -> None:
    """Writes into the notebook what it shows in such a room."""
    found = json.loads(notebook.read_text(encoding="utf-8"))
    cells = [("".join(cell["source"]), cell) for cell in found["cells"]]
    asked = any(source == "%wall reset --container" for source, _ in cells)
    if contained and not asked:
        first = next(cell for source, cell in cells if source.startswith("%%wall"))
        first["outputs"].insert(0, {"output_type": "stream", "name": "stdout", "text": door.CONTAINED})
        for source, cell in cells:
            if source == "%walls":
                cell["metadata"]["tags"] = ["nbval-ignore-output"]
    notebook.write_text(json.dumps(found), encoding="utf-8")
