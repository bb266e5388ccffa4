"""Checks of lab engine/00: a child that became a program, one that nobody has reaped, one that lost its parent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, no_room
from labs.wall.view import Process


def _said(found: Iterable[Process]) -> str:
    """The commands that run there, for the line "찾은 것"."""
    told = [f"`{' '.join(each.command[:3])}`" for each in found if each.command and "-m" not in each.command]
    return ", ".join(told) or "그런 프로세스가 없어요."


# engine/00-1 --------------------------------------------------------------------------------------------------------
CHILD = (
    "새 프로세스는 나누기(fork)로 만들고, 다른 프로그램은 바꾸기(exec)로 돼요. 바꾸는 일은 자식 쪽에서 하세요.",
    "os.fork()가 0을 준 쪽에서 process.execve를 부르세요. 부모 쪽에서는 아무것도 하지 않으면 자식이 계속 실행돼요.",
    'if os.fork() == 0:\n    process.execve("/bin/sleep", ["sleep", "1000"], {})',
)


def child(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(CHILD)
    found = room.running("sleep", "1000")
    own = [each for each in found if each.parent == room.worker.pid]
    if not own:
        orphaned = "`sleep 1000`이 있지만 부모가 작업 프로세스가 아니에요." if found else _said(room.children())
        return NotYet(
            expected="작업 프로세스의 자식인 `sleep 1000`",
            found=orphaned,
            read_from="/proc/PID/cmdline, /proc/PID/status의 PPid",
            hints=CHILD,
        )
    return Passed(f"작업실의 {own[0].inside}번이 `sleep 1000`이고, 부모는 작업 프로세스예요.")


# engine/00-2 --------------------------------------------------------------------------------------------------------
ZOMBIE = (
    "끝난 자식은 부모가 거두기 전까지 이름표가 남아요. 그러니 끝내기만 하고 기다리지 마세요.",
    "자식 쪽에서 os._exit에 종료 코드를 주어 끝내고, 부모 쪽에서는 os.waitpid를 부르지 마세요.",
    "if os.fork() == 0:\n    os._exit(3)",
)


def zombie(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(ZOMBIE)
    codes = [_exit_code(each) for each in room.children() if each.status("State").startswith("Z")]
    if 3 not in codes:
        found = f"좀비의 종료 코드: {', '.join(map(str, codes))}" if codes else "좀비가 없어요."
        return NotYet(
            expected="종료 코드 3으로 끝난 좀비",
            found=found,
            read_from="/proc/PID/status의 State, /proc/PID/stat의 exit_code",
            hints=ZOMBIE,
        )
    return Passed("종료 코드 3으로 끝난 자식이 거두어지기를 기다리고 있어요.")


def _exit_code(found: Process) -> int:
    """The last field of /proc/PID/stat is the wait status; -1 where it cannot be read."""
    try:
        return int(Path(f"/proc/{found.pid}/stat").read_text(encoding="utf-8").split()[-1]) >> 8
    except (OSError, ValueError):
        return -1


# engine/00-3 --------------------------------------------------------------------------------------------------------
ORPHAN = (
    "고아가 되려면 부모가 먼저 끝나야 해요. 작업 프로세스가 끝나면 작업실이 닫히니, 사이에 부모를 하나 더 두세요.",
    "두 번 나누세요. 가운데 프로세스는 os._exit로 끝내고, 손자가 sleep 2000이 되게 하세요.",
    'if os.fork() == 0:\n    if os.fork() == 0:\n        process.execve("/bin/sleep", ["sleep", "2000"], {})\n    '
    "os._exit(0)\nos.wait()",
)


def orphan(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(ORPHAN)
    found = room.running("sleep", "2000")
    if not found:
        return NotYet(
            expected="실행 중인 `sleep 2000`", found=_said(room.children()), read_from="/proc/PID/cmdline", hints=ORPHAN
        )
    if not any(each.parent == room.first.pid for each in found):
        return NotYet(
            expected="작업실의 1번이 부모인 `sleep 2000`",
            found="부모가 아직 살아 있어요.",
            read_from="/proc/PID/status의 PPid",
            hints=ORPHAN,
        )
    return Passed("`sleep 2000`은 부모를 잃고 작업실의 1번이 맡았어요.")


# solutions ----------------------------------------------------------------------------------------------------------
IMPORTS = "import os, time\nfrom kernel_engine.syscalls import process\n\n"
#: until the program runs: execve comes a moment after the fork
WAITS = """
def runs(pid, word):
    while word not in open(f"/proc/{pid}/cmdline").read():
        time.sleep(0.01)

"""


def _cells(source: str) -> Work:
    return lambda engine: engine.wall(f"{IMPORTS}{source}")


def _becomes(words: list[str]) -> str:
    return f"process.execve({'/bin/' + words[0]!r}, {words!r}, {{}})"


SLEEP = f"{WAITS}pid = os.fork()\nif pid == 0:\n    {_becomes(['sleep', '1000'])}\nruns(pid, 'sleep')"
ALONE = f"""
middle = os.fork()
if middle == 0:
    if os.fork() == 0:
        while os.getppid() != 1:
            time.sleep(0.01)
        {_becomes(["sleep", "2000"])}
    os._exit(0)
os.waitpid(middle, 0)
while not any("2000" in open(f"/proc/{{name}}/cmdline").read() for name in os.listdir("/proc") if name.isdigit()):
    time.sleep(0.01)
"""

checks = {
    "engine/00-1": Exercise(
        check=child,
        solve=_cells(SLEEP),
        wrong={
            "다른 시간": _cells(SLEEP.replace("1000", "10")),
            "바꾸지 않고 기다리기만 함": _cells("if os.fork() == 0:\n    time.sleep(1000)"),
            "고아로 만듦": _cells(ALONE.replace("2000", "1000")),
            "작업실을 열지 않음": "",
        },
        room="own",
    ),
    "engine/00-2": Exercise(
        check=zombie,
        solve=_cells(
            "pid = os.fork()\nif pid == 0:\n    os._exit(3)\n"
            "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # 끝났는지만 보고 거두지는 않아요\nNone"
        ),
        wrong={
            "다른 종료 코드": _cells(
                "pid = os.fork()\nif pid == 0:\n    os._exit(1)\nos.waitid(os.P_PID, pid, "
                "os.WEXITED | os.WNOWAIT)\nNone"
            ),
            "거둠": _cells("pid = os.fork()\nif pid == 0:\n    os._exit(3)\nos.waitpid(pid, 0)\nNone"),
            "아직 실행 중": _cells("if os.fork() == 0:\n    time.sleep(1000)"),
        },
        room="own",
    ),
    "engine/00-3": Exercise(
        check=orphan,
        solve=_cells(ALONE),
        wrong={
            "부모가 살아 있음": _cells(SLEEP.replace("1000", "2000")),
            "다른 명령": _cells(ALONE.replace("2000", "200")),
            "작업실을 열지 않음": "",
        },
        room="own",
    ),
}
