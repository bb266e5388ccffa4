"""Checks of a lab whose exercises undo each other."""

from __future__ import annotations

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, not_running

HINTS = ("방향", "방법", "SECRET-HINT")
RUN = "docker run -d --name {} busybox sleep 1000"


def first(engine: EngineView) -> Result:
    return not_running("first", engine.container("first"), HINTS) or Passed("`first`가 실행 중이에요.")


def second(engine: EngineView) -> Result:
    if engine.container("first") is not None:
        return NotYet(expected="`first`가 없어요.", found="있어요.", read_from="docker ps -a", hints=HINTS)
    return not_running("second", engine.container("second"), HINTS) or Passed("`second`만 실행 중이에요.")


def number(engine: EngineView) -> Result:
    found = engine.container("second")
    if found is None or engine.answer != str(found["State"]["Pid"]):
        return NotYet(expected="`second`의 PID", found=f"`{engine.answer}`", read_from="%check 91-3", hints=HINTS)
    return Passed("맞는 번호예요.")


checks = {
    "91-1": Exercise(check=first, solve=RUN.format("first"), wrong={"없음": ""}, containers=("first",)),
    "91-2": Exercise(
        check=second,
        solve="docker rm -f first\n" + RUN.format("second"),
        wrong={"없음": ""},
        containers=("first", "second"),
    ),
    "91-3": Exercise(
        check=number,
        solve=RUN.format("second"),
        wrong={"없음": ""},
        containers=("second",),
        answer=lambda engine: str((engine.container("second") or {"State": {"Pid": ""}})["State"]["Pid"]),
        wrong_answers={"안쪽의 번호": "1"},
    ),
}
