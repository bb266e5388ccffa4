"""`labs assign` and `labs grade`: what a teacher types, understood. The work is imported when it is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

from labs import catalogue
from labs.grading.failures import BadInput


def add_assign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", nargs="+", metavar="NN", help="실습 번호")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="나눠 줄 것을 둘 폴더")
    parser.add_argument("--learners", type=Path, metavar="FILE", help="명단: 한 줄에 한 사람의 id (CSV도 돼요)")
    parser.add_argument("--seed", default="", metavar="TEXT", help="사람마다 이름과 포트를 다르게 하는 비밀 글자")


def run_assign(options: argparse.Namespace) -> int:
    from labs.grading import manifest
    from labs.grading.assign import assign

    labs = tuple({lab.number: lab for lab in map(catalogue.lab, options.lab)}.values())
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
