"""`labs assign` and `labs grade`: what a teacher types, understood. The work is imported when it is asked for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labs import catalogue
from labs.grading.failures import BadInput


def add_assign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", nargs="+", metavar="NN", help="실습 번호")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="나눠 줄 것을 둘 폴더")
    parser.add_argument("--learners", type=Path, metavar="FILE", help="명단: 한 줄에 한 사람의 id (CSV도 돼요)")
    parser.add_argument("--seed", default="", metavar="TEXT", help="사람마다 이름과 포트를 다르게 하는 비밀 글자")


@contextmanager
def plain_errors() -> Iterator[None]:
    """What the system says of a folder or file, as a sentence. Raises BadInput."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise BadInput(
            f"{error.filename}: {error.strerror}", f"{error.filename}을(를) 쓸 수 없어요. 폴더와 권한을 확인하세요."
        ) from error


def add_grade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="낸 것이 있는 폴더")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="GRADEBOOK", help="성적부를 둘 폴더")
    parser.add_argument("--assigned", type=Path, metavar="FOLDER", help="labs assign이 쓴 폴더 (명단, 시드, 점수)")
    parser.add_argument("--jobs", type=_count, default=_jobs(), metavar="N", help=f"한꺼번에 채점할 수 ({_jobs()})")
    parser.add_argument("--memory", type=_size, default=768 << 20, metavar="SIZE", help="한 사람의 메모리 (768m)")
    parser.add_argument(
        "--disk", type=_size, default=4 << 30, metavar="SIZE", help="한 사람의 디스크 (4g, 0은 제한 없음)"
    )
    parser.add_argument("--minutes", type=_minutes, default=30.0, metavar="N", help="노트북 하나의 시간 (30)")
    parser.add_argument("--cell-minutes", type=_minutes, default=5.0, metavar="N", help="셀 하나의 시간 (5)")
    parser.add_argument("--again", action="store_true", help="이미 채점한 것도 다시 채점해요")


def _jobs() -> int:
    """One more than there are processors: each waits now and then. Many would want much memory."""
    return min(len(os.sched_getaffinity(0)) + 1, 8)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 64 (1부터 64까지의 수를 쓰세요)")
    return int(text)


def _size(text: str) -> int:
    from kernel_engine.formats.sizes import parse_size

    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size like 512m or 4g (512m, 4g처럼 쓰세요)") from None


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0
    if not 0 < minutes <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes (0보다 큰 수를 쓰세요)")
    return minutes


def run_grade(options: argparse.Namespace, host: str) -> int:
    from kernel_engine.client import Client
    from labs.grading import batch, manifest
    from labs.grading.booth import Limits

    work = batch.Work(
        folder=options.submissions,
        output=options.output,
        manifest=manifest.read(options.assigned) if options.assigned else manifest.Manifest(),
        engine=Client(host),
        limits=Limits(
            memory=options.memory,
            disk=options.disk,
            seconds=options.minutes * 60,
            cell_seconds=options.cell_minutes * 60,
        ),
        jobs=options.jobs,
        again=options.again,
    )
    outcome = batch.run(work, lambda text: print(text, flush=True))
    print(
        f"성적부: {options.output}/grades.csv · 반: {options.output}/class.html · 사람마다: {options.output}/feedback/"
    )
    if outcome.failed:
        print(f"채점하지 못한 것 {len(outcome.failed)}개: 같은 명령을 다시 실행하면 이어서 해요.")
    return 1 if outcome.failed else 0


def run_assign(options: argparse.Namespace) -> int:
    from labs.grading import manifest, refusals
    from labs.grading.assign import assign

    labs = tuple({lab.number: lab for lab in map(catalogue.lab, options.lab)}.values())
    for lab in labs:
        if why := refusals.why_not(lab):
            raise BadInput(f"{lab.number}: this lab cannot be graded", why)
    if options.seed and not options.learners:
        raise BadInput("--seed needs --learners", "--seed는 명단(--learners)과 함께 쓰세요.")
    learners = manifest.learners(options.learners) if options.learners else ()
    made = assign(labs, options.output, learners, options.seed)
    for lab in labs:
        told = made.labs[lab.folder.name]
        print(f"{lab.number} {lab.title}: 과제 {len(told.points)}개, {sum(told.points.values()):g}점")
    where = "learners" if learners else "release"
    print(f"나눠 줄 것: {options.output / where}" + (f" ({len(learners)}명)" if learners else ""))
    print(f"채점할 때 쓸 것: {options.output / manifest.FILE} (나눠 주지 마세요)")
    return 0
