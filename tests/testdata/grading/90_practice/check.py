"""Checks of a lab that is there to be graded in tests."""

from __future__ import annotations

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Varied, missing, not_running

NAME = Varied("name", ("apple", "pear", "plum"))
HINTS = ("방향", "방법", "SECRET-HINT")


def named(engine: EngineView) -> Result:
    name = engine.value(NAME)
    return not_running(name, engine.container(name), HINTS) or Passed(f"`{name}`가 실행 중이에요.")


def counted(engine: EngineView) -> Result:
    found = engine.container("counted")
    if found is None:
        return not_running("counted", found, HINTS) or Passed("")
    if engine.answer != str(found["State"]["Pid"]):
        return NotYet(expected="호스트에서의 PID", found=f"`{engine.answer}`", read_from="%check 90-2", hints=HINTS)
    return Passed("맞는 번호예요.")


def box(engine: EngineView) -> Result:
    return Passed("`box`가 있어요.") if engine.volume("box") else missing("볼륨 `box`", "docker volume ls", HINTS)


def _pid(engine: EngineView) -> str:
    found = engine.container("counted")
    return str(found["State"]["Pid"]) if found else ""


checks = {
    "90-1": Exercise(
        check=named,
        solve=lambda engine: engine.must(f"docker run -d --name {engine.value(NAME)} busybox sleep 1000"),
        wrong={"끝남": "docker run -d --name apple busybox true"},
        containers=NAME.choices,
        varied=(NAME,),
    ),
    "90-2": Exercise(
        check=counted,
        solve="docker run -d --name counted busybox sleep 1000",
        wrong={"없음": ""},
        containers=("counted",),
        answer=_pid,
        wrong_answers={"안쪽의 번호": "1"},
    ),
    "90-3": Exercise(check=box, solve="docker volume create box", wrong={"없음": ""}, volumes=("box",)),
}
