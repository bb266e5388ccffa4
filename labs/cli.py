"""The `labs` command: list, build, check, hint, solve, step, reset, progress, hub, server, doctor, serve, assign,
grade.

Exit codes: 0 done, 1 not yet, 2 misused.

Speaks to the engine that DOCKER_HOST names, and only to this project's engine unless `--host` names another.
"""

from __future__ import annotations

import argparse
import os
import sys

from kernel_engine.cli import korean
from kernel_engine.client import APIError, Client, EngineUnreachable
from kernel_engine.paths import DEFAULT_SOCKET
from labs import catalogue, checks, overview, practice, progress, servers
from labs.catalogue import COURSE, Lab, NoSuchLab
from labs.classroom import command as classroom
from labs.directives import BadSource
from labs.engine_view import CommandFailed, EngineView
from labs.grading import command as teacher
from labs.grading.failures import BadInput
from labs.notebook.server import WrongServer
from labs.progress import Progress
from labs.servers import NameTaken
from labs.without.table import NAMES as WALL_NAMES

PLAYGROUND = "놀이터"
#: what stands before the verbs in a terminal
WAY = "labs "


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.work(options))
    except (NoSuchLab, BadSource, WrongServer, CommandFailed, NameTaken, BadInput) as error:
        print(error, file=sys.stderr)
    except EngineUnreachable as error:
        print(f"{error.message}\n엔진이 돌고 있지 않아요. ./lab up 을 실행해 주세요.", file=sys.stderr)
    except APIError as error:
        print("\n".join(filter(None, (error.message, korean.line(error.message)))), file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labs", description="도커 실습의 목록을 보고, 과제를 확인하고, 되돌려요.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="명령")

    def verb(name: str, help: str, work: object) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=help)
        made.add_argument("--host", help="확인할 엔진의 주소 (기본값: $DOCKER_HOST)")
        made.set_defaults(work=work)
        return made

    verb("list", "실습과 과제의 목록", _list)
    build = verb("build", "lab.md를 실행해서 lab.ipynb를 만들어요 (저자용)", _build)
    build.add_argument("lab", nargs="*", help=f"실습 번호 또는 {PLAYGROUND}. 없으면 모두")
    build.add_argument("--dry-run", action="store_true", help="실행하지 않고 두 파일이 맞는지만 봐요")
    build.add_argument("--refresh", action="store_true", help="실행하지 않고 글과 강의 지도만 새로 고쳐요")
    check = verb("check", "과제를 확인해요", _check)
    check.add_argument("exercise", help="과제 번호. 예: 01-3")
    check.add_argument("answer", nargs="*", help="과제가 묻는 답")
    hint = verb("hint", "힌트를 하나씩 보여 줘요", _hint)
    hint.add_argument("exercise", help="과제 번호")
    hint.add_argument("answer", nargs="*", help="과제가 묻는 답")
    solve = verb("solve", "해 본 과제의 풀이를 실행해요", _solve)
    solve.add_argument("exercise", help="과제 번호")
    solve.add_argument("--untried", action="store_true", help="해 보지 않았어도 실행해요 (저자용)")
    step = verb("step", "docker run을 커널 단계마다 멈춰 가며 실행하고, 그때마다 안과 밖을 견줘 봐요", _step)
    step.add_argument("--all", action="store_true", help="묻지 않고 끝까지 가면서 멈춘 곳마다 보여 줘요")
    step.add_argument("--calls", action="store_true", help="같은 일끼리 묶지 않고, 커널 호출 하나마다 멈춰요")
    step.add_argument("words", nargs=argparse.REMAINDER, metavar="docker run …", help="실행할 명령")
    verb("progress", "강의 전체에서 무엇을 통과했는지 봐요", _progress)
    hub = verb("hub", "오프라인 허브가 만들 수 있는 이미지를 보고, 수업 전에 미리 만들어요", _hub)
    hub.add_argument("what", choices=("list", "fill"))
    hub.add_argument("image", nargs="*", help="미리 만들 이미지. 없으면 모두")
    there = verb("server", "옆에 둘 다른 서버를 만들고, 보고, 지워요", _server)
    there.add_argument(
        "what", choices=("create", "list", "rm", "env"), help="env는 셸 변수로 보여요: eval $(labs server env)"
    )
    there.add_argument("name", nargs="?", default="", help="서버의 이름. 예: second")
    teacher.add_assign(verb("assign", "나눠 줄 과제를 만들어요 (선생님용)", _assign))
    doctor = verb("doctor", "이 컴퓨터에서 실습이 되는지, 안 되면 무엇을 할지 봐요", _doctor)
    doctor.add_argument("--format", choices=("text", "json"), default="text", help="json은 프로그램을 위한 것이에요")
    without = verb("without", "벽 하나를 뺀 컨테이너를, 벽이 모두 있는 것과 나란히 실행해 봐요", _without)
    without.add_argument("words", nargs=argparse.REMAINDER, metavar="벽 docker run …", help=f"벽: {WALL_NAMES}")
    classroom.add_serve(
        verb("serve", "수업을 열어요: 학습자마다 자기 JupyterLab과 엔진을 가져요 (선생님용)", classroom.run_serve)
    )
    teacher.add_grade(verb("grade", "낸 노트북을 채점해요 (선생님용)", _grade))
    reset = verb("reset", "과제를 처음으로 되돌리거나, 실습의 과제들이 남긴 것을 지워요", _reset)
    reset.add_argument("what", help="과제 번호(01-3) 또는 실습 번호(01)")
    return parser


def _list(options: argparse.Namespace) -> int:
    for lab in catalogue.labs():
        names = ", ".join(checks.exercises(lab))
        print(f"{lab.number}  {lab.title} ({lab.minutes}분)" + (f"  과제 {names}" if names else ""))
    return 0


def _check(options: argparse.Namespace) -> int:
    result = practice.check(options.exercise, _asked(options), _kept())
    return _told(options.exercise, result)


def _hint(options: argparse.Namespace) -> int:
    found = practice.hint(options.exercise, _asked(options), _kept())
    if isinstance(found, checks.Passed):
        return _told(options.exercise, found)
    print(practice.hints_as_text(found, WAY))
    return 0


def _solve(options: argparse.Namespace) -> int:
    kept = _kept()
    if not options.untried and (why := practice.why_not_yet(options.exercise, kept, WAY)):
        print(why)
        return 1
    try:
        result = practice.solve(options.exercise, _address(options), kept, lambda text: print(text, flush=True))
    except KeyboardInterrupt:
        print(f"풀이를 멈췄어요. 처음으로 되돌리려면: {WAY}reset {options.exercise}", file=sys.stderr)
        return 130
    code = _told(options.exercise, result)
    print(practice.after_solution(options.exercise, WAY))
    return code


def _told(name: str, result: checks.Result) -> int:
    print(checks.as_text(name, result))
    return 0 if isinstance(result, checks.Passed) else 1


def _reset(options: argparse.Namespace) -> int:
    print(practice.reset(options.what, _address(options), _kept()))
    return 0


def _progress(options: argparse.Namespace) -> int:
    print(overview.as_text(overview.overview(catalogue.labs(), _kept().records())))
    return 0


def _step(options: argparse.Namespace) -> int:
    from labs.stepping.command import command

    given = [name for name in ("all", "calls") if getattr(options, name)]
    return command(Client(_address(options)), [*(f"--{name}" for name in given), *options.words])


def _kept() -> Progress:
    return Progress(folder=progress.folder(), say=lambda text: print(text, file=sys.stderr))


def _assign(options: argparse.Namespace) -> int:
    with teacher.plain_errors():
        return teacher.run_assign(options)


def _grade(options: argparse.Namespace) -> int:
    try:
        with teacher.plain_errors():
            return teacher.run_grade(options, _address(options))
    except KeyboardInterrupt:
        print("채점을 멈췄어요. 같은 명령을 다시 실행하면 이어서 해요.", file=sys.stderr)
        return 130


def _hub(options: argparse.Namespace) -> int:
    from labs.hub.dockerfiles import BUILT, named
    from labs.hub.need import HubFailed, addresses, holds, need_all

    wanted = list(BUILT)
    if options.image:
        unknown = [name for name in options.image if named(name) is None]
        if unknown:
            print(f"허브가 만들 수 없는 이미지예요: {', '.join(unknown)}", file=sys.stderr)
            return 2
        wanted = [image for name in options.image if (image := named(name))]
    try:
        if options.what == "fill":
            need_all(wanted, lambda text: print(text, flush=True))
            return 0
        hub, _ = addresses()
        for image in wanted:
            print(f"{image.title:22} {'있어요' if holds(image, hub) else '처음 찾을 때 만들어요'}")
    except HubFailed as error:
        print(f"{error}\n허브가 돌고 있지 않다면 ./lab up 을 실행해 주세요.", file=sys.stderr)
        return 1
    return 0


def _server(options: argparse.Namespace) -> int:
    client = Client(_address(options))
    if options.what in ("create", "rm") and not options.name:
        print(f"서버의 이름을 써 주세요. 예: labs server {options.what} second", file=sys.stderr)
        return 2
    if options.what == "env":
        print("\n".join(f"export {name}={value}" for name, value in servers.variables(client).items()))
        return 0
    if options.what == "rm":
        servers.remove(client, options.name)
        print(f"서버 {options.name}을(를) 지웠어요.")
        return 0
    found = servers.create(client, options.name) if options.what == "create" else servers.read(client)
    print(servers.as_text(found))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from kernel_engine.formats.findings import as_json, as_text, lacking
    from labs import doctor

    host = options.host or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    findings = tuple(doctor.examine(Client(host)))
    print(as_json(findings) if options.format == "json" else as_text(findings, doctor.WELL))
    return 1 if lacking(findings) else 0


def _without(options: argparse.Namespace) -> int:
    import shutil

    from labs.without import text
    from labs.without.asking import Refused, ask, understood

    try:
        wish = understood(options.words, f"{WAY}without ")
        found = ask(Client(_address(options)), wish, lambda words: print(words, flush=True))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("멈췄어요. 두 컨테이너도 끝났어요.", file=sys.stderr)
        return 130
    print(text.whole(found, wish.command, shutil.get_terminal_size().columns))
    return 0


def _build(options: argparse.Namespace) -> int:
    from labs import build

    wanted = options.lab or [*(lab.number for lab in catalogue.labs()), PLAYGROUND]
    if PLAYGROUND in wanted and not options.dry_run:
        build.write(build.playground(), COURSE / f"{PLAYGROUND}.ipynb")
    chosen = [catalogue.lab(name) for name in wanted if name != PLAYGROUND]
    if options.dry_run or options.refresh:
        all_labs = catalogue.labs()
        looked = [build.refresh(lab, all_labs) if options.refresh else build.difference(lab) for lab in chosen]
        differences = [f"{lab.number}: {found}" for lab, found in zip(chosen, looked, strict=True) if found]
        print("\n".join(differences) or "맞아요.")
        return 1 if differences else 0
    return max((_build_one(lab, _address(options)) for lab in chosen), default=0)


def _build_one(lab: Lab, host: str) -> int:
    from nbclient.exceptions import CellExecutionError

    from labs import build

    made = build.notebook(lab)
    try:
        with build.fixed_ports():
            took = build.execute(made, lab, host)
    except CellExecutionError as error:
        print(f"{lab.source}: {error}", file=sys.stderr)
        return 1
    build.write(made, lab.notebook)
    print(f"{lab.notebook}: 셀 {len(made.cells)}개, {sum(took.values()):.0f}초")
    for cell in made.cells:
        if took.get(cell.id, 0) > build.SLOW_SECONDS:
            print(f"  {took[cell.id]:.0f}초 걸렸어요: {cell.source.splitlines()[0][:80]}")
    return 0


def _asked(options: argparse.Namespace) -> EngineView:
    """With the learner's answer."""
    return practice.view(options.exercise, _address(options), " ".join(options.answer))


def _address(options: argparse.Namespace) -> str:
    """The engine's address. Raises WrongServer when it is another Docker that nobody named with --host."""
    named: str = options.host or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    client = Client(named)
    try:
        client.get("/_ping" if options.host else "/kernel-engine/info").close()
    except APIError:
        raise WrongServer(f"{named}에는 이 실습의 엔진이 아니라 다른 도커가 있어요. 그래서 멈췄어요.") from None
    return named


if __name__ == "__main__":
    sys.exit(main())
