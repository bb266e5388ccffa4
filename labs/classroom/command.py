"""The words of `labs serve`. What they do is imported when they are said."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--learners", required=True, metavar="파일", help="한 줄에 한 사람: 이름 또는 이름,비밀번호")
    parser.add_argument("--listen", default="127.0.0.1", metavar="주소", help="기다릴 주소 (기본값 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="포트 (기본값 8000)")
    parser.add_argument(
        "--memory", default="2g", help="한 사람의 컨테이너 모두, 그리고 JupyterLab의 메모리 (기본값 2g)"
    )
    parser.add_argument("--cpus", type=float, default=2.0, help="한 사람이 쓸 프로세서 (기본값 2)")
    parser.add_argument("--processes", type=int, default=512, help="한 사람의 프로세스 수 (기본값 512)")


def run_serve(options: argparse.Namespace) -> int:
    from labs.classroom.engines import Limits
    from labs.classroom.learners import BadClass
    from labs.classroom.network import NetworkFailed
    from labs.classroom.serve import Wish, serve

    limits = Limits(memory=options.memory, cpus=options.cpus, processes=options.processes)
    try:
        return serve(Wish(file=Path(options.learners), listen=options.listen, port=options.port, limits=limits))
    except (BadClass, NetworkFailed) as error:
        print(error, file=sys.stderr)
        return 2
