"""Checks of lab engine/04: limits of memory and of processes, read in the control groups' own files."""

from __future__ import annotations

from pathlib import Path

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, missing, no_room
from labs.wall.view import Process

CGROUPS = Path("/sys/fs/cgroup")


def _group(found: Process, controller: str) -> Path:
    """Where this machine keeps the control group that the process is in, v1 or v2."""
    groups = found.cgroups()
    if controller in groups:
        return CGROUPS / controller / groups[controller].lstrip("/")
    return CGROUPS / groups.get("", "/").lstrip("/")


def _number(file: Path) -> int | None:
    """None for `max`, and where there is no such file."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


# engine/04-1 --------------------------------------------------------------------------------------------------------
WANTED = 64 * 2**20
MEMORY = (
    "폴더를 만들고, 한도를 쓰고, 번호를 쓰는 세 단계예요. sleep이 될 프로세스가 먼저 들어가야 해요.",
    "cgroupfs.mkdir로 폴더를 만들고 메모리 한도 파일에 바이트 수를 쓰세요. 자식이 자기 번호를 cgroup.procs에 쓴 다음 "
    "process.execve로 sleep이 되면 돼요.",
    'room = group("memory", "room64")\ncgroupfs.mkdir(room)\ncgroupfs.write(f"{room}/{LIMIT}", str(64 * 2**20))\n'
    'if os.fork() == 0:\n    cgroupfs.write(f"{room}/cgroup.procs", str(os.getpid()))\n'
    '    process.execve("/bin/sleep", ["sleep", "1000"], {})',
)


def memory(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(MEMORY)
    found = [each for each in room.processes() if each.command == ("sleep", "1000")]
    if not found:
        return missing("실행 중인 `sleep 1000`", "/proc/PID/cmdline", MEMORY)
    limits = [
        _number(_group(each, "memory") / name) for each in found for name in ("memory.max", "memory.limit_in_bytes")
    ]
    if WANTED not in limits:
        known = [limit for limit in limits if limit is not None]
        return NotYet(
            expected=f"메모리 한도 {WANTED}바이트(64MB)인 cgroup에 든 `sleep 1000`",
            found=f"`sleep 1000`이 든 cgroup의 한도: {known[0]}바이트" if known else "한도가 없는 cgroup에 있어요.",
            read_from="/proc/PID/cgroup, 그 cgroup의 메모리 한도 파일",
            hints=MEMORY,
        )
    return Passed("`sleep 1000`은 메모리를 64MB까지만 쓸 수 있는 cgroup에 들어 있어요.")


# engine/04-2 --------------------------------------------------------------------------------------------------------
PIDS = (
    "한도를 3으로 쓰고 프로세스 셋을 넣으세요. 셋 다 같은 cgroup에 있어야 해요.",
    "pids.max에 3을 쓰세요. 자식 셋이 저마다 자기 번호를 cgroup.procs에 쓰고 sleep이 되면 돼요.",
    'seats = group("pids", "seats")\ncgroupfs.mkdir(seats)\ncgroupfs.write(f"{seats}/pids.max", "3")\n'
    'for _ in range(3):\n    if os.fork() == 0:\n        cgroupfs.write(f"{seats}/cgroup.procs", str(os.getpid()))\n'
    '        process.execve("/bin/sleep", ["sleep", "2000"], {})',
)


def pids(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(PIDS)
    found = [each for each in room.processes() if each.command == ("sleep", "2000")]
    if not found:
        return missing("실행 중인 `sleep 2000`", "/proc/PID/cmdline", PIDS)
    groups = {_group(each, "pids") for each in found}
    limited = [group for group in groups if _number(group / "pids.max") == 3]
    if not limited:
        return NotYet(
            expected="한도가 3인 cgroup에 든 `sleep 2000`",
            found="`sleep 2000`이 든 cgroup의 한도가 3이 아니에요.",
            read_from="/proc/PID/cgroup, 그 cgroup의 pids.max",
            hints=PIDS,
        )
    inside = [each for each in found if _group(each, "pids") in limited]
    if _number(limited[0] / "pids.current") != 3 or len(inside) != 3:
        return NotYet(
            expected="꽉 찬 cgroup: `sleep 2000` 셋",
            found=f"그 cgroup의 `sleep 2000`: {len(inside)}개",
            read_from="그 cgroup의 pids.current와 cgroup.procs",
            hints=PIDS,
        )
    return Passed("자리가 셋인 cgroup이 `sleep 2000` 셋으로 꽉 찼어요.")


# solutions ----------------------------------------------------------------------------------------------------------
IMPORTS = """import os
from kernel_engine.syscalls import cgroupfs, process

V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")

def group(controller, name):
    return f"/sys/fs/cgroup/{name}" if V2 else f"/sys/fs/cgroup/{controller}/{name}"

def sleeps(place, seconds):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        cgroupfs.write(f"{place}/cgroup.procs", str(os.getpid()))
        process.execve("/bin/sleep", ["sleep", seconds], {})
    os.close(writing)
    os.read(reading, 1)

"""
ROOM = """room = group("memory", "room64")
cgroupfs.mkdir(room)
cgroupfs.write(f"{room}/memory.{'max' if V2 else 'limit_in_bytes'}", str(64 * 2**20))
"""
SEATS = """seats = group("pids", "seats")
cgroupfs.mkdir(seats)
cgroupfs.write(f"{seats}/pids.max", "3")
"""


def _cells(source: str) -> Work:
    return lambda engine: engine.wall(f"{IMPORTS}{source}")


THREE = 'for _ in range(3):\n    sleeps(seats, "2000")'

checks = {
    "engine/04-1": Exercise(
        check=memory,
        solve=_cells(f'{ROOM}sleeps(room, "1000")'),
        wrong={
            "다른 명령": _cells(f'{ROOM}sleeps(room, "100")'),
            "다른 한도": _cells(f'{ROOM}sleeps(room, "1000")'.replace("64 * 2**20", "96 * 2**20")),
            "넣지 않음": _cells(ROOM + 'if os.fork() == 0:\n    process.execve("/bin/sleep", ["sleep", "1000"], {})'),
        },
        room="container",
    ),
    "engine/04-2": Exercise(
        check=pids,
        solve=_cells(SEATS + THREE),
        wrong={
            "둘만 넣음": _cells(SEATS + THREE.replace("range(3)", "range(2)")),
            "한도가 큼": _cells((SEATS + THREE).replace('"3"', '"30"')),
            "아무도 없음": _cells(SEATS),
        },
        room="container",
    ),
}
