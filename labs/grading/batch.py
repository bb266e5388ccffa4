"""`labs grade`: all submissions of a folder, several at once, each kept as soon as it is done.

Said again after a crash, the same command goes on with what is not in the gradebook. A submission whose place could
not be made is told and tried again the next time; it stops no other.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kernel_engine.client import APIError, Client, EngineUnreachable
from labs import catalogue
from labs.catalogue import Lab, NoSuchLab
from labs.grading import booth, gradebook, house, pages, sheet, submissions
from labs.grading.booth import BoothFailed, Limits
from labs.grading.engines import Engines, forked
from labs.grading.failures import BadInput
from labs.grading.grade import PROGRAMS, Order, grade
from labs.grading.gradebook import Gradebook
from labs.grading.house import House
from labs.grading.manifest import Manifest
from labs.grading.refusals import why_not
from labs.grading.results import Graded
from labs.grading.submissions import Submission

#: where the places of submissions are: short, for unix sockets, and never in a learner's folder
PLACES = Path("/run")
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`folder`: what was handed in; `output`: where the gradebook is; `again`: also what is in it already."""

    folder: Path
    output: Path
    manifest: Manifest
    engine: Client
    limits: Limits
    jobs: int = 2
    again: bool = False


@dataclass(slots=True, kw_only=True)
class Outcome:
    """`failed`: submission → why the machine could not grade it."""

    graded: int = 0
    kept: int = 0
    failed: dict[tuple[str, str], str] = field(default_factory=dict)


def run(work: Work, say: Say) -> Outcome:
    """Raises BadInput, EngineUnreachable, APIError before anything is graded."""
    if os.geteuid() != 0:
        raise BadInput("labs grade must run as root", "채점은 root로 실행해야 해요: sudo $(command -v labs) grade …")
    labs = chosen_labs(work.manifest)
    found = submissions.find(work.folder, labs)
    work.output.mkdir(parents=True, exist_ok=True)
    with _alone(work.output):
        book = Gradebook(work.output)
        try:
            book.put_learners(work.manifest.learners)
            for path, why in found.unknown:
                say(f"채점하지 않음: {path}: {why}")
            outcome = _grade_all(work, book, tuple(_gradable(found.submissions, say)), labs, say)
            _write_pages(work, book, labs)
            return outcome
        finally:
            book.close()


def chosen_labs(of: Manifest) -> dict[str, Lab]:
    """Those of the manifest; without one the whole course."""
    if not of.labs:
        return {sheet.assignment(lab): lab for lab in catalogue.labs()}
    try:
        return {name: catalogue.lab(each.lab) for name, each in of.labs.items()}
    except NoSuchLab as error:
        raise BadInput("the manifest names a lab that is not in the course", str(error)) from None


def changed(of: Manifest, labs: Mapping[str, Lab]) -> list[str]:
    """Assignments whose lab is no more what was handed out."""
    return [name for name, each in of.labs.items() if sheet.digest(labs[name]) != each.digest]


def _gradable(found: tuple[Submission, ...], say: Say) -> Iterator[Submission]:
    """One of a lab that cannot be graded has no points at all, instead of none."""
    for submission in found:
        if why := why_not(submission.lab):
            say(f"채점하지 않음: {submission.notebook}: {why}")
        else:
            yield submission


# all of them ---------------------------------------------------------------------------------------------------------
def _grade_all(
    work: Work, book: Gradebook, found: tuple[Submission, ...], labs: Mapping[str, Lab], say: Say
) -> Outcome:
    for name in changed(work.manifest, labs):
        say(f"{name}: 나눠 준 다음에 실습이 바뀌었어요. 지금의 실습으로 채점해요.")
    orders = [_order(work.manifest, each) for each in found]
    known = {} if work.again else book.digests()
    waiting = [order for order in orders if known.get(order.submission.key) != order.digest]
    outcome = Outcome(kept=len(orders) - len(waiting))
    if outcome.kept:
        say(f"이미 채점한 {outcome.kept}개는 그대로 두어요. (다시 채점하려면 --again)")
    place = PLACES / f"labs-grading-{hashlib.sha256(str(work.output.resolve()).encode()).hexdigest()[:8]}"
    if not waiting and not place.exists():
        return outcome
    with forked() as engines:
        _clear_old(work.engine, engines, place, say)
        if waiting:
            for program in PROGRAMS:
                engines.load(program)
            try:
                with house.opened(work.engine, engines, place) as there:
                    _side_by_side(work, book, there, waiting, outcome, say)
            finally:
                _clear_old(work.engine, engines, place, say)
    return outcome


def _order(of: Manifest, submission: Submission) -> Order:
    values = of.values(submission.lab, submission.learner)
    given = f"{sheet.digest(submission.lab)}\0{json.dumps(values, sort_keys=True)}"
    facts = catalogue.front_matter(submission.lab.source.read_text(encoding="utf-8")).get("docker_labs") or {}
    return Order(
        submission=submission,
        values=values,
        digest=submission.digest(given),
        network=bool(facts.get("network", False)),
        in_turn=bool(facts.get("in_turn", False)),
    )


def _side_by_side(work: Work, book: Gradebook, there: House, waiting: list[Order], outcome: Outcome, say: Say) -> None:
    began = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=max(work.jobs, 1), thread_name_prefix="grade")
    try:
        doing = {
            pool.submit(grade, there, f"{number:03}", order, work.limits): order for number, order in enumerate(waiting)
        }
        for done, future in enumerate(as_completed(doing), 1):
            order = doing[future]
            told = _kept(book, future, order, outcome)
            left = (time.monotonic() - began) / done * (len(waiting) - done)
            say(f"[{done}/{len(waiting)}] {' · '.join(order.submission.key)}: {told}{_left(left)}")
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        booth.interrupt(work.engine, there.place)  # what waits for them comes to its end, and takes its place away
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _kept(book: Gradebook, future: Future[Graded], order: Order, outcome: Outcome) -> str:
    """Writes it down; what to say of it."""
    try:
        graded = future.result()
    except (BoothFailed, APIError, EngineUnreachable, OSError) as error:
        outcome.failed[order.submission.key] = str(error) or type(error).__name__
        return f"채점하지 못했어요. 같은 명령을 다시 실행하면 이어서 해요. ({outcome.failed[order.submission.key]})"
    book.put(graded)
    outcome.graded += 1
    trouble = f" · {graded.trouble}" if graded.trouble else ""
    return f"{graded.points:g}/{graded.most:g}점 ({graded.seconds:.0f}초){trouble}"


def _left(seconds: float) -> str:
    if seconds < 1:
        return ""
    return f" · 남은 시간 약 {seconds / 60:.0f}분" if seconds > 90 else f" · 남은 시간 약 {seconds:.0f}초"


# what a killed grader left -------------------------------------------------------------------------------------------
def _clear_old(engine: Client, engines: Engines, place: Path, say: Say) -> None:
    if not place.exists():
        return
    for each in sorted(place.iterdir()):
        if each.name.isdigit():
            say(f"지난번에 남은 자리를 치워요: {each.name}")
            booth.clear(engine, engines, each)
    house.clear(place)


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    with (output / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"{output}: another labs grade is at work there", f"{output}에서 다른 labs grade가 채점하고 있어요."
            ) from None
        yield


# what a teacher opens ------------------------------------------------------------------------------------------------
def _write_pages(work: Work, book: Gradebook, labs: Mapping[str, Lab]) -> None:
    graded, learners = book.all(), book.learners()
    handed_in = {(each.learner, each.assignment) for each in graded}
    most = {name: sum(each.points.values()) for name, each in work.manifest.labs.items()}
    missing = [(name, learner, most[name]) for name in most for learner in learners if (learner, name) not in handed_in]
    _write(work.output / "grades.csv", gradebook.grades(graded, learners, missing))
    _write(work.output / "exercises.csv", gradebook.exercises(graded))
    _write(work.output / "class.html", pages.class_page(graded, learners, missing, labs))
    (work.output / "feedback").mkdir(exist_ok=True)
    for learner in {each.learner for each in graded}:
        own = tuple(each for each in graded if each.learner == learner)
        _write(work.output / "feedback" / f"{learner}.html", pages.feedback(own, labs))


def _write(path: Path, text: str) -> None:
    half = path.with_name(f".{path.name}.half")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
