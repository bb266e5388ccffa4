"""Checks of lab engine/02: a process whose root is an image's, with no way back, and what it must not see."""

from __future__ import annotations

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, missing, no_room
from labs.wall.view import Process, Room

WORDS = ("sleep", "1000")


def _sleeper(room: Room, hints: tuple[str, ...]) -> Process | NotYet:
    """The process that is to be looked at: the one of the image's root, where there are several."""
    found = [each for each in room.processes() if each.command == WORDS]
    if not found:
        return missing("실행 중인 `sleep 1000`", "/proc/PID/cmdline", hints)
    return next((each for each in found if _is_image(each)), found[0])


def _is_image(found: Process) -> bool:
    return found.stat("/bin/busybox") is not None and found.stat("/usr/bin/apt-get") is None


# engine/02-1 --------------------------------------------------------------------------------------------------------
ROOTED = (
    "자식에게 마운트의 벽을 주고, 그 안에서 2장의 순서대로 하세요: bind, proc, pivot_root, chdir, umount2, "
    "마지막에 execve.",
    "process.clone3에 CloneFlag.CLONE_NEWNS를 주세요. 새 루트는 /mnt/root를 자기 자신에 bind 마운트해서 만들고, "
    "pivot_root 다음에 옛 루트를 MNT_DETACH로 떼어 내세요.",
    'mounts.mount("/mnt/root", "/mnt/root", "", MountFlag.MS_BIND)\nmounts.mount("proc", "/mnt/root/proc", "proc")\n'
    'mounts.pivot_root("/mnt/root", "/mnt/root/old")\nmounts.chdir("/")\n'
    'mounts.umount2("/old", UmountFlag.MNT_DETACH)\nprocess.execve("/bin/sleep", ["sleep", "1000"], {})',
)


def rooted(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(ROOTED)
    found = _sleeper(room, ROOTED)
    if isinstance(found, NotYet):
        return found
    if not _is_image(found):
        return NotYet(
            expected="루트가 `busybox` 이미지인 `sleep 1000`",
            found="그 프로세스의 루트에는 아직 호스트의 파일이 있어요.",
            read_from="/proc/PID/root",
            hints=ROOTED,
        )
    if found.root() != "/":
        return NotYet(
            expected="`pivot_root`로 바꾼 루트",
            found=f"마운트 네임스페이스의 루트는 그대로이고, 그 프로세스만 `{found.root()}`을 루트로 봐요(chroot).",
            read_from="/proc/PID/root",
            hints=ROOTED,
        )
    if doors := _ways_out(found, room.outside):
        return NotYet(
            expected="호스트의 루트로 가는 길이 없음",
            found=f"호스트의 루트가 아직 `{doors[0]}`에 있어요.",
            read_from="/proc/PID/mountinfo",
            hints=ROOTED,
        )
    return Passed("`sleep 1000`의 루트는 이미지이고, 호스트의 루트로 가는 길은 없어요.")


def _ways_out(found: Process, outside: Process) -> list[str]:
    """Where it sees the file system that is the root of whoever is outside."""
    host = outside.mount("/")
    return [
        each.place
        for each in found.mounts()
        if host is not None and (each.device, each.root) == (host.device, host.root)
    ]


# engine/02-2 --------------------------------------------------------------------------------------------------------
MASKED = (
    "가리는 것도 읽기 전용으로 하는 것도 마운트예요. 루트를 바꾼 다음, sleep이 되기 전에 하세요.",
    "/dev/null을 /proc/keys에 bind 마운트하고, /proc/sys는 자기 자신에 bind 마운트한 다음 MS_REMOUNT와 MS_RDONLY로 "
    "다시 마운트하세요. 새 루트의 dev/null은 pivot_root보다 먼저 만들어 두세요.",
    'mounts.mount("/dev/null", "/proc/keys", "", MountFlag.MS_BIND)\n'
    'mounts.mount("/proc/sys", "/proc/sys", "", MountFlag.MS_BIND)\n'
    'mounts.mount("none", "/proc/sys", "", MountFlag.MS_BIND | MountFlag.MS_REMOUNT | MountFlag.MS_RDONLY)',
)


def masked(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(MASKED)
    found = _sleeper(room, MASKED)
    if isinstance(found, NotYet):
        return found
    if not _is_image(found):
        return NotYet(
            expected="루트가 `busybox` 이미지인 `sleep 1000`",
            found="그 프로세스의 루트에는 아직 호스트의 파일이 있어요.",
            read_from="/proc/PID/root",
            hints=MASKED,
        )
    if found.mount("/proc/keys") is None:
        return NotYet(
            expected="가려진 `/proc/keys`",
            found="`/proc/keys` 위에 아무것도 마운트되어 있지 않아요.",
            read_from="/proc/PID/mountinfo",
            hints=MASKED,
        )
    settings = found.mount("/proc/sys")
    if settings is None or "ro" not in settings.options:
        return NotYet(
            expected="읽기 전용으로 마운트한 `/proc/sys`",
            found="마운트하지 않았어요." if settings is None else "아직 쓸 수 있게 마운트되어 있어요.",
            read_from="/proc/PID/mountinfo",
            hints=MASKED,
        )
    return Passed("`/proc/keys`는 가려졌고 `/proc/sys`는 읽기만 할 수 있어요.")


# solutions ----------------------------------------------------------------------------------------------------------
EXPORT = "id=$(docker create busybox) && docker export -o rootfs.tar $id && docker rm $id"
BEGINS = """import os, subprocess, time
from kernel_engine.syscalls import mounts, process
from kernel_engine.syscalls.mounts import MountFlag, UmountFlag
from kernel_engine.syscalls.process import CloneFlag

os.makedirs("/mnt/root", exist_ok=True)
subprocess.run(["tar", "-xf", "rootfs.tar", "-C", "/mnt/root", "--no-same-owner"], check=True)
os.makedirs("/mnt/root/old", exist_ok=True)
open("/mnt/root/dev/null", "w").close()
reading, writing = os.pipe()
pid, _ = process.clone3(CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_NEWNS)
if pid == 0:
    os.close(reading)
    mounts.mount("/mnt/root", "/mnt/root", "", MountFlag.MS_BIND | MountFlag.MS_REC)
    mounts.mount("proc", "/mnt/root/proc", "proc")
    mounts.mount("/dev/null", "/mnt/root/dev/null", "", MountFlag.MS_BIND)
"""
PIVOTS = """    mounts.pivot_root("/mnt/root", "/mnt/root/old")
    mounts.chdir("/")
"""
DETACHES = """    mounts.umount2("/old", UmountFlag.MNT_DETACH)
"""
MASKS = """    mounts.mount("/dev/null", "/proc/keys", "", MountFlag.MS_BIND)
"""
LOCKS = """    mounts.mount("/proc/sys", "/proc/sys", "", MountFlag.MS_BIND | MountFlag.MS_REC)
    mounts.mount("none", "/proc/sys", "", MountFlag.MS_BIND | MountFlag.MS_REMOUNT | MountFlag.MS_RDONLY)
"""
#: the pipe's end closes with the exec: then the program runs
SLEEPS = """    process.execve("/bin/sleep", ["sleep", "1000"], {})
os.close(writing)
os.read(reading, 1)
None
"""


def _cells(*parts: str) -> Work:
    def work(engine: EngineView) -> None:
        engine.must(EXPORT)
        engine.wall("".join(parts))

    return work


checks = {
    "engine/02-1": Exercise(
        check=rooted,
        solve=_cells(BEGINS, PIVOTS, DETACHES, SLEEPS),
        wrong={
            "옛 루트를 떼어 내지 않음": _cells(BEGINS, PIVOTS, SLEEPS),
            "chroot": _cells(BEGINS, '    os.chroot("/mnt/root")\n    os.chdir("/")\n', SLEEPS),
            "루트를 바꾸지 않음": _cells(BEGINS, SLEEPS),
            "다른 명령": _cells(BEGINS, PIVOTS, DETACHES, SLEEPS.replace("1000", "10")),
        },
        room="own",
    ),
    "engine/02-2": Exercise(
        check=masked,
        solve=_cells(BEGINS, PIVOTS, DETACHES, MASKS, LOCKS, SLEEPS),
        wrong={
            "가리지 않음": _cells(BEGINS, PIVOTS, DETACHES, LOCKS, SLEEPS),
            "쓸 수 있음": _cells(BEGINS, PIVOTS, DETACHES, MASKS, LOCKS.partition("\n")[0] + "\n", SLEEPS),
            "아무것도 하지 않음": _cells(BEGINS, PIVOTS, DETACHES, SLEEPS),
        },
        room="own",
    ),
}
