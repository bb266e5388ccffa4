"""What the lab's checks say of a submission: the judge's container, and when it is asked.

For most labs once, when the learner's kernel has ended. Where the exercises of a lab change the same things one after
the other (`in_turn`), each has its turn when its cell has run, while the kernel stands still. What runs in the judge's
container is in judge.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernel_engine.client import APIError
from labs.build import Values
from labs.grading import booth as places
from labs.grading.booth import Booth, BoothFailed
from labs.grading.house import LEARNER
from labs.grading.submissions import content

#: MODULE:NAME
JUDGE = "labs.grading.judge:main"
#: of a report that a container wrote
_MOST_REPORT = 8 << 20
_SECONDS = 900.0
_LOOK_AGAIN = 0.1
#: exercise → what its check said, as judge.py writes it
Verdicts = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`workspace` is the lab's folder in the learner's files; `lab` its number."""

    lab: str
    values: Values
    workspace: Path


def judge(there: Booth, case: Case, exercises: Iterable[str], answers: Mapping[str, str]) -> Verdicts:
    """Raises BoothFailed where the judge could not work. An exercise that it did not come to is missing."""
    asked = list(exercises)
    if not asked:
        return {}
    desk = there.desk / f"judge-{asked[0]}"
    desk.mkdir()
    given = {
        "answers": dict(answers),
        "exercises": asked,
        "values": case.values,
        "host": f"unix://{places.SOCKET}",
        "workspace": str(case.workspace),
        "user": LEARNER,
    }
    container = there.start(
        "judge",
        user=0,
        binds=(*places.engine_binds(there), f"{desk}:{desk}", f"{there.work}:{there.work}:ro"),
        CapAdd=["SETUID", "SETGID"],
    )
    words = (case.lab, str(desk / "report"), json.dumps(given, ensure_ascii=False))
    done = there.run_in(container, JUDGE, words, {"HOME": "/tmp", "DOCKER_CONFIG": "/tmp/docker"})
    code = done.wait(_SECONDS)
    told = {str(line.get("exercise")): line for line in lines(desk / "report")}
    if code and not told:
        raise BoothFailed(f"the judge did not run: {done.said.strip()[-800:]}")
    there.kill(container)
    return told


def lines(report: Path) -> list[dict[str, Any]]:
    """As many whole lines of JSON as a container has written there."""
    found = []
    try:
        data = content(report)[:_MOST_REPORT]
    except OSError:
        return []
    for line in data.decode("utf-8", "replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            found.append(told)
    return found


@dataclass(slots=True, kw_only=True)
class Turns:
    """Judges an exercise as soon as `report` tells of its cell; the replay waits for the file in `folder` that is
    called as the cell. `checks`: cell → exercise. `verdicts` is whole when the `with` block has ended."""

    there: Booth
    case: Case
    kernel: str
    report: Path
    folder: Path
    checks: Mapping[str, str]
    verdicts: Verdicts = field(default_factory=dict)
    failure: BoothFailed | APIError | OSError | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Turns:
        self._thread = threading.Thread(target=self._judge_all, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Raises what kept the judge from its work."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _judge_all(self) -> None:
        had: set[str] = set()
        while not self._over.wait(_LOOK_AGAIN):
            for line in lines(self.report):
                cell = str(line.get("cell"))
                if cell in had or cell not in self.checks or self._over.is_set():
                    continue
                had.add(cell)
                try:
                    self._judge(self.checks[cell], line.get("answer"))
                except (BoothFailed, APIError, OSError) as failure:
                    self.failure = failure
                (self.folder / cell).touch()

    def _judge(self, exercise: str, answer: object) -> None:
        path = f"/containers/{self.kernel}"
        with suppress(APIError):  # it has ended
            self.there.house.engine.post(f"{path}/pause").close()
        try:
            answers = {exercise: answer} if isinstance(answer, str) else {}
            self.verdicts |= judge(self.there, self.case, (exercise,), answers)
        finally:
            with suppress(APIError):
                self.there.house.engine.post(f"{path}/unpause").close()
