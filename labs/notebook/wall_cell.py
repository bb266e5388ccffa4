"""`%%wall`: a cell that runs in the room (`labs.wall`), not in the notebook; `%wall reset`: a room begun anew."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kernel_engine.cli.explain import explained
from kernel_engine.cli.explain_table import GROUPS
from labs.notebook import server
from labs.notebook.kernel import walls
from labs.wall import door
from labs.wall.view import find, this_process

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

USAGE = (
    "%%wall 아래에 파이썬을 쓰면 작업실에서 실행해요. 커널에 부탁한 일까지 보려면 %%wall --explain이에요.\n"
    "작업실을 처음부터 다시 시작하려면: %wall reset (cgroup 실습에서는 %wall reset --container)"
)
EXPLAIN, RESET, CONTAINER = "--explain", "reset", "--container"
RENEWED = "작업실을 새로 열어요. 변수, 네임스페이스, 마운트는 모두 처음부터예요."
RENEWED_CONTAINED = "작업실을 엔진의 컨테이너 안에 새로 열어요. 변수, 네임스페이스, 마운트는 모두 처음부터예요."
NOTHING_ASKED = "이 셀은 엔진의 함수로 커널에 부탁한 일이 없어요."


class WallMagic:
    """Bound to one shell, whose `_exit_code` variable it sets."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def wall(self, line: str, cell: str | None = None) -> None:
        words = line.split()
        if cell is None:
            self._line(words)
        elif words not in ([], [EXPLAIN]):
            _say(f"{USAGE}\n")
        else:
            self._cell(cell, explained=bool(words))

    def _line(self, words: list[str]) -> None:
        if words[:1] != [RESET] or words[1:] not in ([], [CONTAINER]):
            _say(f"{USAGE}\n")
            return
        contained = words[1:] == [CONTAINER]
        door.reset(contained=contained)
        _say(f"{RENEWED_CONTAINED if contained else RENEWED}\n")

    def _cell(self, source: str, *, explained: bool) -> None:
        try:
            ran = door.run(source, _say, host=server.host(), folder=Path.cwd())
        except door.NoRoom as error:
            _say(f"{error}\n")
            code = 1
        except KeyboardInterrupt:
            _say("작업실을 여는 것을 멈췄어요.\n")
            code = door.INTERRUPTED
        else:
            code = ran.code
            if explained:
                _say(f"\n{as_text(ran.steps)}\n")
        self._shell.user_ns["_exit_code"] = code


def show_walls(line: str) -> None:
    """%walls: which walls the room has by now."""
    if line.strip():
        _say("%walls는 다른 말 없이 쓰세요.\n")
        return
    walls.show(find(door.folder() or Path.cwd()), this_process())


def as_text(steps: Sequence[Mapping[str, Any]]) -> str:
    """What was asked of the kernel, in the words and groups of `docker run --explain`; nothing that differs from run
    to run."""
    if not steps:
        return NOTHING_ASKED
    lines = explained(steps)
    told = [f"커널에 부탁한 일 {len(steps)}번"]
    for group in GROUPS:
        told += [f"  [{group}] {_line(line)}" for line in lines if line.group == group]
    return "\n".join(told)


def _line(line: Any) -> str:
    refused = "" if line.ok else f" → {line.result} (커널이 거절했어요)"
    more = f" 등 {line.count}번" if line.count > 1 else ""
    return f"{line.text or line.call}{refused}\n      {line.call}{more} · man {line.manual[1]} {line.manual[0]}"


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def register(shell: InteractiveShell) -> None:
    add = cast("Any", shell).register_magic_function  # IPython's own annotations of it are wrong
    add(WallMagic(shell).wall, magic_kind="line_cell", magic_name="wall")
    add(show_walls, magic_kind="line", magic_name="walls")
