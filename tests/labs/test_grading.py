"""`labs grade` as a teacher runs it: one batch of all kinds, killed in the middle and run again; nobody gets more or
less than their points, and nothing is left.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labs.grading import manifest
from labs.grading.batch import PLACES
from labs.grading.house import LABEL
from tests.daemon import REPOSITORY, Daemon
from tests.labs import submitted
from tests.labs.submitted import POINTS, notebook, right

COURSE = REPOSITORY / "tests" / "testdata" / "grading"
NAME = "90_practice"
IN_TURN = "91_in_turn"
ALL = sum(POINTS.values())
SEED = "시험"
#: nine notebooks, on a machine that does much else
pytestmark = pytest.mark.timeout(1500)
PATIENCE = 1200


@dataclass(slots=True, kw_only=True)
class Class:
    """A teacher's folders and engine; `said` is what the command printed, run by run."""

    engine: Daemon
    place: Path
    said: list[str] = field(default_factory=list)

    @property
    def forever(self) -> int:
        """How long a learner's process would like to live: nobody else's on this machine."""
        return 10**8 + self.place.stat().st_ino

    @property
    def book(self) -> Path:
        return self.place / "book"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "labs.cli", *words]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.engine.host, "DOCKER_LABS_COURSE": str(COURSE)}

    def labs(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, env=self.environment(), check=False, cwd=self.place,
            timeout=PATIENCE,
        )  # fmt: skip

    def grade(self, *words: str, folder: str = "in") -> subprocess.CompletedProcess[str]:
        done = self.labs("grade", folder, "-o", "book", "--assigned", "out", "--disk", "300m", *words)
        self.said.append(done.stdout + done.stderr)
        return done

    def submit(self, learner: str, data: bytes) -> None:
        (self.place / "in").mkdir(exist_ok=True)
        (self.place / "in" / f"{learner}.ipynb").write_bytes(data)

    def released(self, lab: str) -> Path:
        """The folder that was handed out to everybody."""
        return self.place / "out" / "release" / lab

    def own(self, learner: str) -> tuple[Path, str]:
        """The learner's folder, and the name that their first container must have."""
        folder = self.place / "out" / "learners" / learner / NAME
        return folder, manifest.choose(SEED, learner, "90-1", _varied())

    def scores(self) -> dict[str, dict[str, float]]:
        """Learner → exercise → points, as the teacher's table has them."""
        found: dict[str, dict[str, float]] = {}
        for row in csv.DictReader((self.book / "exercises.csv").read_text(encoding="utf-8").splitlines()):
            found.setdefault(row["student_id"], {})[row["exercise"]] = float(row["score"])
        return found

    def ask(self, query: str, *values: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.book / "gradebook.db") as file:
            return file.execute(query, values).fetchall()

    def failed_cells(self, learner: str) -> list[str]:
        return [f"{line}: {why}" for line, why in self.ask("SELECT line, why FROM cells WHERE learner = ?", learner)]

    def findings(self, learner: str) -> set[str]:
        return {kind for (kind,) in self.ask("SELECT kind FROM findings WHERE learner = ?", learner)}

    def trouble(self, learner: str) -> str:
        return self.ask("SELECT trouble FROM submissions WHERE learner = ?", learner)[0][0]


def _varied() -> manifest.checks.Varied:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("lab_90_check", COURSE / NAME / "check.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    varied: manifest.checks.Varied = module.NAME
    return varied


LEARNERS = ("right", "copied", "wrong", "cut", "forged", "mangled", "ended", "noisy", "snoop")


def _hand_in(of: Class) -> None:
    folder, name = of.own("right")
    other = next(each for each in _varied().choices if each != of.own("copied")[1])
    of.submit("right", notebook(folder, right(name)))
    of.submit("copied", notebook(of.own("copied")[0], right(other)))
    wrong = {**right(""), "90-1": "docker run nosuch-image-at-all", "90-3": "1 / 0", "answer": "%check 90-2 7"}
    of.submit("wrong", notebook(of.own("wrong")[0], wrong))
    of.submit("cut", notebook(folder, right(name))[:500])
    of.submit("forged", notebook(of.own("forged")[0], {}, submitted.forged, submitted.first(submitted.MONKEYPATCH)))
    of.submit("mangled", notebook(of.own("mangled")[0], right(of.own("mangled")[1]), submitted.mangled))
    of.submit("ended", notebook(of.own("ended")[0], {**right(of.own("ended")[1]), "90-3": submitted.EXIT}))
    folder, name = of.own("noisy")
    cells = (*submitted.NOISE, submitted.OUTLIVE.format(seconds=of.forever))
    noise = (
        *map(submitted.first, (*cells, submitted.ENDLESS)),
        *map(submitted.last, (submitted.ENDLESS, submitted.KILL)),
    )
    of.submit("noisy", notebook(folder, right(name), *noise))
    paths = [
        of.place, of.book, of.engine.instance.root, of.engine.instance.socket, COURSE / NAME / "check.py",
        Path("/etc/shadow"),
        *(PLACES / f"labs-grading-{number}" for number in range(3)),
    ]  # fmt: skip
    snoop = submitted.SNOOP.format(paths=[str(path) for path in paths])
    folder, name = of.own("snoop")
    of.submit("snoop", notebook(folder, right(name), submitted.first(snoop)))


@pytest.fixture(scope="module")
def graded(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """All of them, graded by a command that was killed when the first was done, and run again."""
    made = Class(engine=daemon, place=tmp_path_factory.mktemp("class"))
    (made.place / "learners").write_text("\n".join((*LEARNERS, "absent")), encoding="utf-8")
    done = made.labs("assign", "90", "-o", "out", "--learners", "learners", "--seed", SEED)
    assert done.returncode == 0, done.stderr
    _hand_in(made)
    words = made.command("grade", "in", "-o", "book", "--assigned", "out", "--disk", "300m")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=made.environment(), cwd=made.place, start_new_session=True
    ) as first:
        assert first.stdout is not None
        made.said.append(next(line for line in first.stdout if line.startswith("[2/")))
        os.killpg(first.pid, signal.SIGKILL)
    done = made.grade()
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    shutil.rmtree(made.place)


def test_right_answers_have_all_points_and_no_cell_failed(graded: Class) -> None:
    assert graded.scores()["right"] == POINTS
    assert graded.failed_cells("right") == [] and graded.findings("right") == set() and graded.trouble("right") == ""


def test_a_neighbour_s_answer_has_none_and_says_why(graded: Class) -> None:
    assert graded.scores()["copied"] == {**POINTS, "90-1": 0.0}
    assert "다른 사람의 문제에 맞는 답이에요" in (graded.book / "feedback" / "copied.html").read_text(encoding="utf-8")


def test_wrong_answers_have_none_and_a_failed_cell_is_told(graded: Class) -> None:
    assert graded.scores()["wrong"] == dict.fromkeys(POINTS, 0.0)
    assert any("division by zero" in cell for cell in graded.failed_cells("wrong"))


def test_what_is_no_notebook_is_told_and_stops_nobody(graded: Class) -> None:
    assert graded.scores()["cut"] == dict.fromkeys(POINTS, 0.0)
    assert "JSON" in graded.trouble("cut")


def test_edited_cells_marks_outputs_and_checks_change_no_grade(graded: Class) -> None:
    assert graded.scores()["forged"] == dict.fromkeys(POINTS, 0.0)
    assert {"edited", "marks"} <= graded.findings("forged")


def test_a_mangled_notebook_is_mended_and_has_its_points(graded: Class) -> None:
    assert graded.scores()["mangled"] == POINTS
    assert {"missing", "moved", "twice"} <= graded.findings("mangled")


def test_whoever_ends_the_kernel_keeps_what_was_done_before(graded: Class) -> None:
    assert graded.scores()["ended"] == {**POINTS, "90-3": 0.0}
    assert any("커널이 도중에 끝나서" in cell for cell in graded.failed_cells("ended"))


def test_who_forks_fills_prints_without_end_and_kills_the_kernel_harms_nobody_and_keeps_the_points(
    graded: Class,
) -> None:
    """But those of the exercise that says that its cells must not fail."""
    assert graded.scores()["noisy"] == {**POINTS, "90-3": 0.0}
    first, last, killed = graded.failed_cells("noisy")
    assert "출력이 너무 많아서" in first and "출력이 너무 많아서" in last and "커널이 도중에 끝나서" in killed
    assert "다시 실행할 때 실패한 셀이 있어서" in (graded.book / "feedback" / "noisy.html").read_text(encoding="utf-8")


def test_a_learner_who_looks_around_finds_nothing(graded: Class) -> None:
    assert graded.failed_cells("snoop") == []
    assert graded.scores()["snoop"] == POINTS


def test_after_the_kill_the_same_command_went_on(graded: Class) -> None:
    again = graded.said[1]
    assert re.search(r"이미 채점한 [23]개는 그대로 두어요", again)
    assert "지난번에 남은 자리를 치워요" in again
    done = graded.grade()
    assert done.returncode == 0 and f"이미 채점한 {len(LEARNERS)}개는" in done.stdout


def test_nothing_is_left(graded: Class) -> None:
    assert graded.engine.api.get("/containers/json", query={"all": "1"}).json() == []
    assert not (PLACES / _place(graded)).exists()
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert not [line for line in mounts.splitlines() if _place(graded) in line]
    assert not [words for words in map(_words, os.listdir("/proc")) if str(graded.forever).encode() in words]


def _place(of: Class) -> str:
    import hashlib

    return f"labs-grading-{hashlib.sha256(str(of.book.resolve()).encode()).hexdigest()[:8]}"


def _words(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_the_tables_and_pages_are_there(graded: Class) -> None:
    rows = {
        row["student_id"]: (float(row["score"]), float(row["max_score"]))
        for row in csv.DictReader((graded.book / "grades.csv").read_text(encoding="utf-8").splitlines())
    }
    assert rows["right"] == (ALL, ALL) and rows["absent"] == (0.0, ALL)
    assert set(rows) == {*LEARNERS, "absent"}
    assert {path.stem for path in (graded.book / "feedback").iterdir()} == set(LEARNERS)
    pages = [*graded.book.glob("*.html"), *(graded.book / "feedback").iterdir()]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "SECRET-HINT" not in text and "<script" not in text
    assert "absent" in (graded.book / "class.html").read_text(encoding="utf-8")


def test_bad_input_is_one_sentence_and_its_korean(graded: Class) -> None:
    for words in (("grade", "nosuch", "-o", "book2"), ("grade", "in", "-o", "book2", "--assigned", "in")):
        done = graded.labs(*words)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 2, done.stderr
        assert LABEL not in done.stderr
    done = graded.labs("grade", "in", "-o", "book2", "--jobs", "0")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_exercises_that_undo_each_other_are_judged_in_their_turn(graded: Class, tmp_path: Path) -> None:
    """Also where the kernel ends in between: what had its turn before keeps its points."""
    made = Class(engine=graded.engine, place=tmp_path)
    assert made.labs("assign", "91", "-o", "out").returncode == 0
    work = {
        "91-1": "docker run -d --name first busybox sleep 1000",
        "91-2": "docker rm -f first\ndocker run -d --name second busybox sleep 1000",
        "answer": "%check 91-3 $(docker inspect --format '{{.State.Pid}}' second)",
    }
    made.submit("right", notebook(made.released(IN_TURN), work))
    made.submit("ended", notebook(made.released(IN_TURN), {**work, "91-2": submitted.EXIT}))
    done = made.grade()
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.scores() == {
        "right": {"91-1": 1.0, "91-2": 1.0, "91-3": 1.0},
        "ended": {"91-1": 1.0, "91-2": 0.0, "91-3": 0.0},
    }
    assert made.failed_cells("right") == [] and made.trouble("right") == ""
