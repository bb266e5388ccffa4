"""Checks of lab engine/01: a name of one's own, a process that believes to be alone, a guest."""

from __future__ import annotations

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, missing, no_room
from labs.wall.view import Process, Room

# engine/01-1 --------------------------------------------------------------------------------------------------------
KITCHEN = (
    "이름의 벽은 UTS 네임스페이스예요. 작업 프로세스가 아니라 자식이 그 벽을 가져야 해요.",
    "process.clone3에 CloneFlag.CLONE_NEWUTS를 주고, 자식 쪽에서 process.sethostname을 부른 다음 끝나지 않게 하세요.",
    "pid, _ = process.clone3(CloneFlag.CLONE_NEWUTS)\nif pid == 0:\n"
    '    process.sethostname("kitchen")\n    signal.pause()',
)


def kitchen(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(KITCHEN)
    own = [each for each in room.children() if each.namespace("uts") not in ("", room.worker.namespace("uts"))]
    names = [_hostname(each) for each in own]
    if "kitchen" not in names:
        return NotYet(
            expected="UTS 네임스페이스를 따로 가진 자식, 호스트 이름은 `kitchen`",
            found=f"자식의 이름: {', '.join(names)}" if own else "UTS 네임스페이스를 따로 가진 자식이 없어요.",
            read_from="/proc/PID/ns/uts, 그 안에서 실행한 uname -n",
            hints=KITCHEN,
        )
    if _hostname(room.worker) == "kitchen":
        return NotYet(
            expected="작업 프로세스의 이름은 그대로",
            found="작업 프로세스의 이름도 `kitchen`이에요.",
            read_from="작업 프로세스의 UTS 네임스페이스에서 실행한 uname -n",
            hints=KITCHEN,
        )
    return Passed("자식은 `kitchen`이라는 이름을 쓰고, 작업 프로세스의 이름은 그대로예요.")


def _hostname(found: Process) -> str:
    return found.run(("uts",), "uname", "-n").strip()


# engine/01-2 --------------------------------------------------------------------------------------------------------
ALONE = (
    "벽이 둘 필요해요. 번호의 벽, 그리고 /proc을 새로 마운트해도 밖으로 새지 않게 하는 마운트의 벽이에요.",
    "CLONE_NEWPID와 CLONE_NEWNS를 함께 주고, 자식 쪽에서 proc을 /proc에 마운트한 다음 process.execve로 sleep이 되게 "
    "하세요.",
    "pid, _ = process.clone3(CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_NEWNS)\nif pid == 0:\n"
    '    mounts.mount("proc", "/proc", "proc")\n    process.execve("/bin/sleep", ["sleep", "1000"], {})',
)


def alone(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(ALONE)
    found = _first(room)
    if found is None:
        running = [each for each in room.children() if each.command == ("sleep", "1000")]
        return NotYet(
            expected="자기 PID 네임스페이스에서 1번인 `sleep 1000`",
            found=f"`sleep 1000`의 번호: {running[0].inside}" if running else "실행 중인 `sleep 1000`이 없어요.",
            read_from="/proc/PID/status의 NSpid",
            hints=ALONE,
        )
    if _proc_of_its_own(found) != ("sleep", "1000"):
        return NotYet(
            expected="1번이 `sleep 1000`인 `/proc`",
            found="그 프로세스가 보는 `/proc`은 아직 작업실의 것이에요.",
            read_from="그 프로세스가 보는 /proc/1/cmdline",
            hints=ALONE,
        )
    return Passed("`sleep 1000`은 자기가 1번이고 혼자인 줄 알아요.")


def _first(room: Room) -> Process | None:
    """The one that is process 1 of a pid namespace of its own."""
    for found in room.children():
        if found.command == ("sleep", "1000") and found.inside == 1 and found.depth > room.worker.depth:
            return found
    return None


def _proc_of_its_own(found: Process) -> tuple[str, ...]:
    """Who is number 1 in the /proc that it sees."""
    return tuple((found.text("/proc/1/cmdline") or "").split("\0")[:-1])


# engine/01-3 --------------------------------------------------------------------------------------------------------
GUEST = (
    "먼저 주인 sleep 1000이 있어야 해요(01-2). 손님은 밖에서 그 네임스페이스로 들어간 다음 프로세스를 하나 더 나눠요.",
    "process.pidfd_open(주인의 번호)과 process.setns를 쓰세요. PID 네임스페이스는 들어간 프로세스가 아니라 "
    "그 뒤에 나눈 자식부터 바뀌어요.",
    "pidfd = process.pidfd_open(pid)\nif os.fork() == 0:\n    process.setns(pidfd, CloneFlag.CLONE_NEWPID)\n"
    '    if os.fork() == 0:\n        process.execve("/bin/sleep", ["sleep", "3000"], {})\n    os.wait()',
)


def guest(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(GUEST)
    host = _first(room)
    if host is None:
        return NotYet(
            expected="주인: 자기 PID 네임스페이스에서 1번인 `sleep 1000`",
            found="주인이 없어요.",
            read_from="/proc/PID/status의 NSpid",
            hints=GUEST,
        )
    guests = [each for each in room.children() if each.command == ("sleep", "3000")]
    if not guests:
        return missing("손님 `sleep 3000`", "/proc/PID/cmdline", GUEST)
    inside = [each for each in guests if each.namespace("pid") == host.namespace("pid") and each.inside != 1]
    if not inside:
        return NotYet(
            expected="주인과 같은 PID 네임스페이스에 있는 손님",
            found="`sleep 3000`이 있지만 다른 PID 네임스페이스에 있어요.",
            read_from="두 프로세스의 /proc/PID/ns/pid",
            hints=GUEST,
        )
    return Passed(f"주인은 1번, 손님은 {inside[0].inside}번으로 같은 네임스페이스에 있어요.")


# solutions ----------------------------------------------------------------------------------------------------------
IMPORTS = """import os, signal, time
from kernel_engine.syscalls import mounts, process
from kernel_engine.syscalls.process import CloneFlag

def keep(flags, work):
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    pid, _ = process.clone3(flags)
    if pid == 0:
        os.close(reading)
        work(writing)
    os.close(writing)
    os.read(reading, 1)
    return pid
"""
NAMED = """
def stay(writing):
    process.sethostname("kitchen")
    os.write(writing, b".")
    while True:
        signal.pause()

pid = keep(CloneFlag.CLONE_NEWUTS, stay)
"""
SLEEPS = """
def sleeps(_):
    mounts.mount("proc", "/proc", "proc")
    process.execve("/bin/sleep", ["sleep", "1000"], {})

pid = keep(CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_NEWNS, sleeps)
"""
VISITS = """
pidfd = process.pidfd_open(pid)

def visits(writing):
    process.setns(pidfd, CloneFlag.CLONE_NEWPID)
    if os.fork() == 0:
        process.execve("/bin/sleep", ["sleep", "3000"], {})
    os.close(writing)
    os.wait()

keep(CloneFlag(0), visits)
None
"""


def _cells(source: str) -> Work:
    return lambda engine: engine.wall(f"{IMPORTS}{source}")


checks = {
    "engine/01-1": Exercise(
        check=kitchen,
        solve=_cells(NAMED),
        wrong={
            "작업 프로세스의 이름을 바꿈": _cells(
                'process.unshare(CloneFlag.CLONE_NEWUTS)\nprocess.sethostname("kitchen")'
            ),
            "자식까지 물려받음": _cells(
                'process.unshare(CloneFlag.CLONE_NEWUTS)\nprocess.sethostname("kitchen")\n' + NAMED
            ),
            "다른 이름": _cells(NAMED.replace("kitchen", "garden")),
            "이름을 짓지 않음": _cells(NAMED.replace('    process.sethostname("kitchen")\n', "")),
        },
        room="own",
    ),
    "engine/01-2": Exercise(
        check=alone,
        solve=_cells(SLEEPS),
        wrong={
            "번호의 벽이 없음": _cells(SLEEPS.replace("CloneFlag.CLONE_NEWPID | ", "")),
            "proc을 마운트하지 않음": _cells(SLEEPS.replace('    mounts.mount("proc", "/proc", "proc")\n', "")),
            "다른 명령": _cells(SLEEPS.replace("1000", "100")),
        },
        room="own",
    ),
    "engine/01-3": Exercise(
        check=guest,
        solve=_cells(SLEEPS + VISITS),
        wrong={
            "손님이 없음": _cells(SLEEPS),
            "들어가지 않음": _cells(SLEEPS + VISITS.replace("    process.setns(pidfd, CloneFlag.CLONE_NEWPID)\n", "")),
            "주인이 없음": _cells('if os.fork() == 0:\n    process.execve("/bin/sleep", ["sleep", "3000"], {})'),
        },
        room="own",
    ),
}
