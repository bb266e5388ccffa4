"""Checks of lab engine/05: a child who is somebody else inside, one with two capabilities, one behind a filter."""

from __future__ import annotations

from pathlib import Path

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, no_program, no_room
from labs.wall.view import Process

#: CAP_KILL and CAP_SETUID, by their bits in linux/capability.h
KEPT = 1 << 5 | 1 << 7


# engine/05-1 --------------------------------------------------------------------------------------------------------
USER = (
    "새 사용자 네임스페이스는 자식 쪽에서 만드세요. 안에서 몇 번인지는 지도(uid_map)의 첫째 칸이 정해요.",
    "unshare(CLONE_NEWUSER) 다음에 setgroups에 deny, uid_map과 gid_map에 지도를 쓰고, 그다음에 sleep으로 바꾸세요.",
    'process.unshare(CloneFlag.CLONE_NEWUSER)\nopen("/proc/self/uid_map", "w").write("1000 0 1")',
)


def user(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(USER)
    found = next(iter(room.running("sleep", "1000")), None)
    if found is None:
        return no_program("sleep 1000", USER)
    if found.namespace("user") == room.worker.namespace("user"):
        return NotYet(
            expected="작업 프로세스와 다른 사용자 네임스페이스",
            found="같은 사용자 네임스페이스에 있어요.",
            read_from="/proc/PID/ns/user",
            hints=USER,
        )
    inside = _inside(found)
    if inside != "1000":
        said = f"안의 번호가 {inside}번이에요." if inside else "지도가 비어 있어서 아무도 아니에요(nobody)."
        return NotYet(expected="안에서 1000번", found=said, read_from="/proc/PID/uid_map", hints=USER)
    return Passed("`sleep 1000`은 자기 사용자 네임스페이스에서 1000번이에요.")


def _inside(found: Process) -> str:
    """The first column of the only line of its map; "" for an empty one."""
    try:
        words = Path(f"/proc/{found.pid}/uid_map").read_text(encoding="ascii").split()
    except OSError:
        return ""
    return words[0] if words else ""


# engine/05-2 --------------------------------------------------------------------------------------------------------
TWO = (
    "capset은 지금 가진 조각을, 한계(bounding)는 exec 다음에 얻을 조각을 정해요. 둘 다 줄이세요.",
    "먼저 남길 두 개가 아닌 비트마다 PR_CAPBSET_DROP을 부르고, 그다음에 capset, 마지막에 execve예요.",
    'keep = mask(["CAP_KILL", "CAP_SETUID"])\nfor bit in range(len(NAMES)):\n    if not keep >> bit & 1:\n'
    "        process.prctl(Prctl.PR_CAPBSET_DROP, bit)\nprocess.capset(keep, keep, 0)",
)


def two(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(TWO)
    found = next(iter(room.running("sleep", "2000")), None)
    if found is None:
        return no_program("sleep 2000", TWO)
    for field, name in (("CapBnd", "한계(bounding)"), ("CapEff", "쓰는 조각(effective)")):
        held = int(found.status(field) or "0", 16)
        if held != KEPT:
            return NotYet(
                expected=f"{name}: CAP_KILL, CAP_SETUID",
                found=_said(held),
                read_from=f"/proc/PID/status의 {field}",
                hints=TWO,
            )
    return Passed("`sleep 2000`이 가진 조각은 CAP_KILL과 CAP_SETUID뿐이고, 더 얻을 수도 없어요.")


def _said(held: int) -> str:
    missing_one = "" if held & KEPT == KEPT else " 그 둘 가운데 없는 것이 있어요."
    return f"조각 {held.bit_count()}개가 있어요.{missing_one}"


# engine/05-3 --------------------------------------------------------------------------------------------------------
FILTER = (
    "거르개는 exec를 해도 그대로 남아요. 자식 쪽에서 약속(no_new_privs), 거르개, 셸 순서로 하세요.",
    "5장의 refusing(MKDIR, REFUSE | errno.EPERM)을 process.seccomp에 주고, process.execve로 /bin/sh가 되세요.",
    "process.prctl(Prctl.PR_SET_NO_NEW_PRIVS, 1)\nprocess.seccomp(refusing(MKDIR, REFUSE | errno.EPERM))\n"
    'process.execve("/bin/sh", ["sh", "-c", "mkdir /mnt/no || exec sleep 3000"], {"PATH": "/usr/bin:/bin"})',
)


def filtered(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(FILTER)
    if room.worker.stat("/mnt/no") is not None:
        return NotYet(
            expected="`/mnt/no` 폴더가 없음",
            found="폴더가 만들어졌어요. mkdir이 거절되지 않았어요.",
            read_from="/mnt/no",
            hints=FILTER,
        )
    found = next(iter(room.running("sleep", "3000")), None)
    if found is None:
        return no_program("sleep 3000", FILTER)
    for field, wanted, name in (("Seccomp", "2", "거르개(seccomp)"), ("NoNewPrivs", "1", "약속(no_new_privs)")):
        if found.status(field) != wanted:
            return NotYet(
                expected=f"{name}: {wanted}",
                found=f"{field}: {found.status(field)}",
                read_from=f"/proc/PID/status의 {field}",
                hints=FILTER,
            )
    return Passed("셸은 폴더를 만들지 못했고, 거르개와 약속을 지닌 채 `sleep 3000`이 되었어요.")


# solutions ----------------------------------------------------------------------------------------------------------
IMPORTS = """import errno, os, struct, time
from kernel_engine.runtime.capabilities import NAMES, mask
from kernel_engine.syscalls import process
from kernel_engine.syscalls.process import CloneFlag, Prctl

"""
#: until the child has become what it shall be, or has ended
WAITS = """
while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and not any(
    word in open(f"/proc/{pid}/cmdline").read().split("\\0") for word in ("1000", "2000", "3000", "300")
):
    time.sleep(0.01)
"""


def _child(*lines: str) -> Work:
    body = "\n".join(f"    {line}" for line in lines)
    return lambda engine: engine.wall(f"{IMPORTS}pid = os.fork()\nif pid == 0:\n{body}{WAITS}")


def _sleeps(seconds: str) -> str:
    return f'process.execve("/bin/sleep", ["sleep", "{seconds}"], {{}})'


def _mapped(inside: str) -> tuple[str, ...]:
    rows = (("setgroups", "deny"), ("uid_map", f"{inside} 0 1"), ("gid_map", f"{inside} 0 1"))
    return (
        "process.unshare(CloneFlag.CLONE_NEWUSER)",
        *(f'with open("/proc/self/{name}", "w") as file: file.write("{line}")' for name, line in rows),
    )


BOUND = (
    "for bit in range(len(NAMES)):",
    "    if not keep >> bit & 1: process.prctl(Prctl.PR_CAPBSET_DROP, bit)",
)
KEEP = 'keep = mask(["CAP_KILL", "CAP_SETUID"])'
CAPSET = "process.capset(keep, keep, 0)"
PROMISE = "process.prctl(Prctl.PR_SET_NO_NEW_PRIVS, 1)"
LOADED = (
    'number = {"x86_64": 83, "aarch64": 34}[os.uname().machine]',
    "lines = ((0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | errno.EPERM), (6, 0, 0, 0x7FFF0000))",
    'process.seccomp(b"".join(struct.pack("=HBBI", *line) for line in lines))',
)
SHELL = 'process.execve("/bin/sh", ["sh", "-c", "mkdir /mnt/no || exec sleep 3000"], {"PATH": "/usr/bin:/bin"})'

checks = {
    "engine/05-1": Exercise(
        check=user,
        solve=_child(*_mapped("1000"), _sleeps("1000")),
        wrong={
            "안에서도 0번": _child(*_mapped("0"), _sleeps("1000")),
            "지도를 쓰지 않음": _child(_mapped("0")[0], _sleeps("1000")),
            "네임스페이스를 만들지 않음": _child(_sleeps("1000")),
            "작업실을 열지 않음": "",
        },
        room="own",
    ),
    "engine/05-2": Exercise(
        check=two,
        solve=_child(KEEP, *BOUND, CAPSET, _sleeps("2000")),
        wrong={
            "capset만 함": _child(KEEP, CAPSET, _sleeps("2000")),
            "약속으로 막음": _child(KEEP, CAPSET, PROMISE, _sleeps("2000")),
            "다른 조각": _child(KEEP.replace("CAP_KILL", "CAP_CHOWN"), *BOUND, CAPSET, _sleeps("2000")),
        },
        room="own",
    ),
    "engine/05-3": Exercise(
        check=filtered,
        solve=_child(PROMISE, *LOADED, SHELL),
        wrong={
            "거르개 없이": _child(PROMISE, SHELL),
            "약속 없이": _child(*LOADED, SHELL),
            "셸 없이": _child(PROMISE, *LOADED, _sleeps("300")),
        },
        room="own",
    ),
}
