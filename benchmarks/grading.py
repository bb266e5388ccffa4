"""Forty submissions, graded by one `labs grade` and by `nbgrader autograde`: `python -m benchmarks.grading`.

Right, wrong, broken and hostile ones; every score is compared with what it must be. nbgrader, where `--nbgrader` names
its program, gets those that are not hostile: it runs them with the teacher's rights, on one engine for all of them.
With `--rounds` the two take turns, each time with a part of the notebooks. Prints a Markdown table of notebooks a
minute, and of the processor time of everything that ran for them: a machine that does much else changes that less.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kernel_engine.syscalls.process import Prctl, prctl
from labs.grading import manifest
from labs.grading.manifest import choose
from tests.busybox_registry import registry
from tests.daemon import REPOSITORY, Daemon, running_daemon
from tests.labs import submitted
from tests.labs.submitted import POINTS, notebook, right

COURSE = REPOSITORY / "tests" / "testdata" / "grading"
NAME = "90_practice"
SEED = "benchmark"
NONE = dict.fromkeys(POINTS, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """One submission, and the points that it must have."""

    data: bytes
    points: Mapping[str, float]
    hostile: bool = False


def forty(assigned: Path, learners: list[str], choices: tuple[str, ...]) -> Iterator[tuple[str, Handed]]:
    """22 right, 8 wrong, 5 broken, 5 hostile."""
    for learner in learners:
        number = int(learner[-2:])
        release = assigned / "learners" / learner / NAME
        name = choose(SEED, learner, "90-1", manifest.checks.Varied("name", choices))
        other = next(each for each in choices if each != name)
        yield learner, _one(number, release, name, other)


def _one(number: int, release: Path, name: str, other: str) -> Handed:
    work = right(name)
    hostile = (
        submitted.FORK_BOMB,
        submitted.FILL,
        submitted.FILL_ENGINE,
        submitted.OUTLIVE.format(seconds=5000),
    )
    if number < 22:
        return Handed(data=notebook(release, work), points=POINTS)
    if number < 26:
        return Handed(data=notebook(release, right(other)), points={**POINTS, "90-1": 0.0})
    if number < 30:
        wrong = {**work, "90-2": "docker ps", "90-3": "1 / 0"}
        return Handed(data=notebook(release, wrong), points={**NONE, "90-1": 2.0})
    if number < 32:
        return Handed(data=notebook(release, work, submitted.mangled), points=POINTS)
    if number < 34:
        return Handed(data=notebook(release, {**work, "90-3": submitted.EXIT}), points={**POINTS, "90-3": 0.0})
    if number < 35:
        return Handed(data=notebook(release, work)[:800], points=NONE)
    if number < 36:  # behind everything, in the part of the exercise that says that its cells must not fail
        endless = notebook(release, work, *map(submitted.last, (submitted.ENDLESS, submitted.KILL)))
        return Handed(data=endless, points={**POINTS, "90-3": 0.0}, hostile=True)
    return Handed(data=notebook(release, work, submitted.first(hostile[number - 36])), points=POINTS, hostile=True)


def environment(engine: Daemon) -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_LABS_COURSE": str(COURSE)}


def labs_grade(engine: Daemon, place: Path, jobs: int) -> float:
    """Seconds."""
    words = ["grade", "in", "-o", "book", "--assigned", "out", "--jobs", str(jobs), "--disk", "300m"]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "labs.cli", *words], cwd=place, env=environment(engine), check=True)
    return time.monotonic() - began


def wrong_scores(place: Path, handed: Mapping[str, Handed]) -> list[str]:
    """Those that are not what they must be, to the point."""
    found: dict[str, dict[str, float]] = {}
    for row in csv.DictReader((place / "book" / "exercises.csv").read_text(encoding="utf-8").splitlines()):
        found.setdefault(row["student_id"], {})[row["exercise"]] = float(row["score"])
    return [f"{name}: {found.get(name)}" for name, each in handed.items() if found.get(name) != each.points]


def nbgrader_autograde(engine: Daemon, place: Path, program: Path, handed: Mapping[str, Handed]) -> tuple[float, float]:
    """Seconds of the one command, and the processor's before it, in which the assignment is told to nbgrader."""
    course = place / "course"
    (course / "source").mkdir(parents=True)
    (place / "out" / "source" / NAME).rename(course / "source" / NAME)
    for learner, each in handed.items():
        folder = course / "submitted" / learner / NAME
        folder.mkdir(parents=True)
        (folder / "lab.ipynb").write_bytes(each.data)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"  # it calls alembic by its name
    told = {**environment(engine), **_kernel(place, engine), "PATH": path}
    root = f"--CourseDirectory.root={course}"
    before = processor()
    subprocess.run([program, "generate_assignment", root, NAME], env=told, cwd=course, check=True, capture_output=True)
    telling = processor() - before
    began = time.monotonic()
    subprocess.run([program, "autograde", root, NAME], env=told, cwd=course, check=False, capture_output=True)
    return time.monotonic() - began, telling


def processor() -> float:
    """Seconds of the processor that ended children, and all that they waited for, have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def adopt() -> None:
    """An engine's launcher and log writer become ours when the daemon has left them, so that they count."""
    prctl(Prctl.PR_SET_CHILD_SUBREAPER, 1)


def bury() -> None:
    """Waits for all that was adopted."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _kernel(place: Path, engine: Daemon) -> dict[str, str]:
    """A kernel called python3 that is this Python with the course's extension, as learners have it."""
    spec = place / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    profile = place / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text('get_config().InteractiveShellApp.extensions = ["labs"]\n')
    return {
        "JUPYTER_PATH": str(place / "jupyter"),
        "IPYTHONDIR": str(place / "ipython"),
        "DOCKER_LABS_HOST": engine.host,
        "DOCKER_LABS_WORKSPACE": str(place / "workspace"),
    }


@dataclass(slots=True)
class Spent:
    """On all notebooks by one grader: seconds of the clock and of the processor; the load behind each part."""

    notebooks: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    loads: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        load = f"{min(self.loads):.0f} to {max(self.loads):.0f}"
        each = self.processor / self.notebooks
        minute = self.notebooks / self.seconds * 60
        return f"| {name} | {self.notebooks} | {load} | {self.seconds:.0f} | {minute:.1f} | {each:.2f} |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """`told`: seconds of the processor that are not the grading's. `wrong`: scores that are not what they must be."""

    notebooks: int = 0
    seconds: float = 0.0
    told: float = 0.0
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    mirror: str
    jobs: int
    program: Path | None

    def spend(self, of: Spent, learners: list[str], work: Callable[[Daemon, Path, dict[str, Handed]], Done]) -> Done:
        """One engine, and what `work` does with these learners' notebooks on it."""
        before = processor()
        with (
            tempfile.TemporaryDirectory(prefix="grading-") as folder,
            running_daemon(Path(folder), (self.mirror,)) as engine,
        ):
            place = Path(folder)
            (place / "in").mkdir()
            (place / "learners").write_text("\n".join(learners))
            words = ["assign", "90", "-o", "out", "--learners", "learners", "--seed", SEED]
            assigned = processor()
            subprocess.run([sys.executable, "-m", "labs.cli", *words], cwd=place, env=environment(engine), check=True)
            assigning = processor() - assigned
            done = work(engine, place, dict(forty(place / "out", learners, ("apple", "pear", "plum"))))
        bury()
        of.notebooks += done.notebooks
        of.seconds += done.seconds
        of.processor += processor() - before - assigning - done.told
        of.loads.append(os.getloadavg()[0])
        return done

    def labs(self, engine: Daemon, place: Path, handed: dict[str, Handed]) -> Done:
        for name, each in handed.items():
            (place / "in" / f"{name}.ipynb").write_bytes(each.data)
        seconds = labs_grade(engine, place, self.jobs)
        return Done(notebooks=len(handed), seconds=seconds, wrong=tuple(wrong_scores(place, handed)))

    def nbgrader(self, engine: Daemon, place: Path, handed: dict[str, Handed]) -> Done:
        assert self.program is not None
        harmless = {name: each for name, each in handed.items() if not each.hostile}
        seconds, told = nbgrader_autograde(engine, place, self.program, harmless)
        return Done(notebooks=len(harmless), seconds=seconds, told=told)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--right", action="store_true", help="right ones only, at most 22")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--nbgrader", type=Path, help="its program, in an environment of its own")
    options = parser.parse_args()
    learners = [f"learner{number:02}" for number in range(40)]
    learners = learners[: min(options.count, 22)] if options.right else learners[-options.count :]
    adopt()
    nothing, ours, theirs = Spent(), Spent(), Spent()
    wrong: list[str] = []
    with registry() as mirror:
        bench = Bench(mirror=mirror, jobs=options.jobs, program=options.nbgrader)
        bench.spend(nothing, learners, lambda *_: Done())
        for number in range(options.rounds):
            part = learners[number :: options.rounds]
            wrong += bench.spend(ours, part, bench.labs).wrong
            ours.processor -= nothing.processor
            if options.nbgrader:
                bench.spend(theirs, part, bench.nbgrader)
                theirs.processor -= nothing.processor
    print(f"\nscores that are not right: {wrong or 'none'}\n")
    print("| | notebooks | load | seconds | notebooks a minute | processor seconds a notebook |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(ours.row(f"`labs grade --jobs {options.jobs}`, each in places of its own"))
    if options.nbgrader:
        print(theirs.row("`nbgrader autograde`, the harmless ones, no isolation"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
