"""Checks of lab engine/03: a file that was deleted and is still there, and layers of which the upper one is seen."""

from __future__ import annotations

import os
import stat

from labs.checks import EngineView, Exercise, NotYet, Passed, Result, Work, missing, no_room
from labs.wall.view import Mount, Process


def _overlay(worker: Process, place: str, hints: tuple[str, ...]) -> Mount | NotYet:
    found = worker.mount(place)
    if found is None or found.kind != "overlay":
        return NotYet(
            expected=f"`{place}`에 마운트한 오버레이",
            found="아무것도 마운트되어 있지 않아요." if found is None else f"마운트의 종류: {found.kind}",
            read_from="작업 프로세스의 /proc/PID/mountinfo",
            hints=hints,
        )
    return found


def _folders(found: Mount, name: str) -> list[str]:
    """lowerdir, top first; upperdir."""
    for word in found.data:
        if word.startswith(f"{name}="):
            return word.partition("=")[2].split(":")
    # lowerdir+= of newer kernels: one word for each
    return [word.partition("=")[2] for word in sorted(found.data) if word.startswith(f"{name}+=")]


# engine/03-1 --------------------------------------------------------------------------------------------------------
DELETED = (
    "폴더 넷을 만들고 겹친 다음, 겹친 쪽에서 지우세요. 아래 폴더에서 지우면 안 돼요.",
    "아래 폴더에 note.txt를 쓰고, lowerdir, upperdir, workdir를 적어 /mnt/one에 마운트하세요. 그다음 "
    "/mnt/one/note.txt를 os.remove로 지우세요.",
    'for name in ("l", "u", "w", "one"):\n    os.mkdir(f"/mnt/{name}")\nPath("/mnt/l/note.txt").write_text("글")\n'
    'mounts.mount("overlay", "/mnt/one", "overlay",\n'
    '             data="lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w,userxattr")\nos.remove("/mnt/one/note.txt")',
)


def deleted(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(DELETED)
    found = _overlay(room.worker, "/mnt/one", DELETED)
    if isinstance(found, NotYet):
        return found
    lower = [place for place in _folders(found, "lowerdir") if room.worker.stat(f"{place}/note.txt") is not None]
    if not lower:
        return NotYet(
            expected="아래 레이어에 있는 `note.txt`",
            found="아래 레이어에 `note.txt`가 없어요.",
            read_from=f"{', '.join(_folders(found, 'lowerdir'))}",
            hints=DELETED,
        )
    if room.worker.stat("/mnt/one/note.txt") is not None:
        return NotYet(
            expected="`/mnt/one`에서 보이지 않는 `note.txt`",
            found="`/mnt/one/note.txt`가 아직 보여요.",
            read_from="/mnt/one",
            hints=DELETED,
        )
    cover = [room.worker.stat(f"{place}/note.txt") for place in _folders(found, "upperdir")]
    if not any(each is not None and _is_whiteout(each) for each in cover):
        return missing("위 레이어의 가림막(문자 장치 0:0)", "upperdir의 note.txt", DELETED)
    return Passed("`note.txt`는 가림막에 가려 보이지 않고, 아래 레이어에는 그대로 있어요.")


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


# engine/03-2 --------------------------------------------------------------------------------------------------------
THREE = (
    "레이어마다 폴더를 하나씩 만들고, lowerdir에 콜론으로 이어 쓰세요. 어느 쪽이 위인지 생각해 보세요.",
    "왼쪽이 위예요. version.txt가 2인 폴더를 왼쪽에 쓰세요. 겹친 쪽에서 고치면 쓰기 레이어에 남으니 고치지 마세요.",
    'mounts.mount("overlay", "/mnt/three", "overlay",\n'
    '             data="lowerdir=/mnt/v2:/mnt/v1,upperdir=/mnt/top,workdir=/mnt/w3,userxattr")',
)


def three(engine: EngineView) -> Result:
    room = engine.room()
    if room is None:
        return no_room(THREE)
    found = _overlay(room.worker, "/mnt/three", THREE)
    if isinstance(found, NotYet):
        return found
    lower = _folders(found, "lowerdir")
    told = [(room.worker.text(f"{place}/version.txt") or "").strip() for place in lower]
    if len(lower) < 2 or "1" not in told or "2" not in told:
        return NotYet(
            expected="`version.txt`가 `2`인 레이어와 `1`인 레이어",
            found=f"아래 레이어 {len(lower)}개, 내용: {', '.join(each or '없음' for each in told)}",
            read_from="작업 프로세스의 /proc/PID/mountinfo에 적힌 lowerdir",
            hints=THREE,
        )
    seen = (room.worker.text("/mnt/three/version.txt") or "").strip()
    if seen != "2":
        return NotYet(
            expected="겹쳐서 보이는 `version.txt`의 내용 `2`",
            found=f"내용: `{seen}`",
            read_from="/mnt/three/version.txt",
            hints=THREE,
        )
    upper = _folders(found, "upperdir")
    if not upper:
        return missing("쓰기 레이어(upperdir)", "작업 프로세스의 /proc/PID/mountinfo", THREE)
    if room.worker.stat(f"{upper[0]}/version.txt") is not None:
        return NotYet(
            expected="비어 있는 쓰기 레이어",
            found="`version.txt`가 쓰기 레이어에 있어요. 겹친 쪽에서 고친 것 같아요.",
            read_from=upper[0],
            hints=THREE,
        )
    return Passed("두 레이어 가운데 위의 것이 보이고, 쓰기 레이어에는 아무것도 없어요.")


# solutions ----------------------------------------------------------------------------------------------------------
IMPORTS = """import os
from pathlib import Path
from kernel_engine.syscalls import mounts

os.chdir("/mnt")
"""
ONE = """for name in ("l", "u", "w", "one"):
    os.mkdir(name)
Path("l/note.txt").write_text("글")
mounts.mount("overlay", "/mnt/one", "overlay", data="lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w,userxattr")
"""
STACK = """for name in ("v1", "v2", "top", "w3", "three"):
    os.mkdir(name)
Path("v1/version.txt").write_text("1")
Path("v2/version.txt").write_text("2")
mounts.mount("overlay", "/mnt/three", "overlay",
             data="lowerdir=/mnt/v2:/mnt/v1,upperdir=/mnt/top,workdir=/mnt/w3,userxattr")
"""


def _cells(source: str) -> Work:
    return lambda engine: engine.wall(f"{IMPORTS}{source}")


checks = {
    "engine/03-1": Exercise(
        check=deleted,
        solve=_cells(ONE + 'os.remove("one/note.txt")'),
        wrong={
            "지우지 않음": _cells(ONE),
            "아래 레이어에서 지움": _cells(ONE + 'os.remove("l/note.txt")'),
            "오버레이가 아님": _cells('os.mkdir("one")\nmounts.mount("t", "/mnt/one", "tmpfs")'),
            "마운트하지 않음": _cells('os.mkdir("one")'),
        },
        room="own",
    ),
    "engine/03-2": Exercise(
        check=three,
        solve=_cells(STACK),
        wrong={
            "위아래를 바꿈": _cells(STACK.replace("/mnt/v2:/mnt/v1", "/mnt/v1:/mnt/v2")),
            "겹친 쪽에서 고침": _cells(
                STACK.replace("/mnt/v2:/mnt/v1", "/mnt/v1:/mnt/v2") + 'Path("three/version.txt").write_text("2")'
            ),
            "레이어가 하나": _cells(STACK.replace("/mnt/v2:/mnt/v1", "/mnt/v2")),
            "쓰기 레이어가 없음": _cells(STACK.replace(",upperdir=/mnt/top,workdir=/mnt/w3", "")),
        },
        room="own",
    ),
}
