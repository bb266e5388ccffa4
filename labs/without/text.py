"""The page as text: for a terminal whole, for a notebook that is tested without anything that differs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel_engine.cli.explain import shortened
from kernel_engine.cli.explain_reading import manual
from labs.without import facts
from labs.without.table import CLEAN, SANDBOX, SANDBOX_OF_USER, WALLS

TITLE = "벽 하나를 뺀 컨테이너"
WALLED, WITHOUT = "벽이 모두 있을 때", "벽이 하나 없을 때"
SAME = "이번에는 두 컨테이너가 같은 것을 봤어요."
SAID_NOTHING = "(아무것도 출력하지 않았어요)"
NO_CALL = "(이 호출이 없어요)"
NOT_STARTED = "벽 하나가 없어서 시작하지도 못했어요."
NOT_FOUND = f"{NOT_STARTED} 명령을 이미지가 아니라 호스트의 파일에서 찾았기 때문이에요."
#: made by whoever builds the sandbox, before the container's own calls
SANDBOX_CALL = "clone3(CLONE_NEWUSER) · kernel_engine/runtime/user_namespace.py (상자를 지을 때)"
_WIDE, _GAP = 100, 2


def seen(found: Mapping[str, Any]) -> str:
    """One sentence or two: what leaked."""
    if found["Without"]["Error"]:
        return NOT_FOUND if found["Wall"] == "pivot_root" else NOT_STARTED
    return WALLS[found["Wall"]].leak if any(row.differs for row in facts.rows(found)) else SAME


def left(found: Mapping[str, Any]) -> str:
    return f"남은 것: {', '.join(found['Left'])}" if found["Left"] else CLEAN


def fixed(found: Mapping[str, Any], command: str) -> str:
    """The same on every run and every machine."""
    wall = WALLS[found["Wall"]]
    return "\n".join(
        (
            f"{TITLE}: {found['Wall']} ({command})",
            f"  본 것: {seen(found)}",
            f"  빠진 호출: {name(found)}",
            f"  왜 있을까요: {wall.why}",
            f"  어디서 봤나요: {wall.where}",
            f"  끝난 뒤: {left(found)}",
        )
    )


def whole(found: Mapping[str, Any], command: str, width: int) -> str:
    """For a terminal of so many columns."""
    wall = WALLS[found["Wall"]]
    made, instead = facts.missing(found)
    return "\n\n".join(
        (
            f"{TITLE}: {found['Wall']} · {wall.title}\n$ {command}",
            _outputs(found, width),
            f"본 것: {seen(found)}",
            "커널에 물어보니\n" + "\n".join(map(_row, facts.rows(found))),
            f"빠진 호출\n  벽이 있으면: {walls_call(found, made)}\n  벽이 없으면: {called(instead)}",
            f"왜 있을까요? {wall.why}",
            f"{wall.where} {SANDBOX_OF_USER if found['Wall'] == 'user' else SANDBOX}",
            left(found),
        )
    )


def name(found: Mapping[str, Any]) -> str:
    """The call that is the wall, as the manual names it: `clone3(2)의 CLONE_NEWPID`."""
    wall = WALLS[found["Wall"]]
    page, section = manual(wall.call, wall.flag)
    return f"{page}({section})의 {wall.flag}" if wall.flag else f"{page}({section})"


def walls_call(found: Mapping[str, Any], made: Mapping[str, Any] | None) -> str:
    return SANDBOX_CALL if found["Wall"] == "user" else called(made)


def called(step: Mapping[str, Any] | None) -> str:
    if step is None:
        return NO_CALL
    return f"{step['Name']}({shortened(step['Arguments'])}) · {step['Source']}"


def output(run: Mapping[str, Any]) -> str:
    """What a container printed, or why it did not, and how it ended."""
    text = str(run["Error"] or run["Output"].rstrip("\n") or SAID_NOTHING)
    if run["OutputCut"]:
        text += "\n… (길어서 여기까지만 보여 줘요)"
    return text


def ending(run: Mapping[str, Any]) -> str:
    if run["Error"]:
        return "시작하지 못했어요"
    if run["TimedOut"]:
        return "시간이 다 되어 엔진이 끝냈어요"
    return f"종료 코드 {run['ExitCode']}"


def _row(row: facts.Row) -> str:
    mark = "!" if row.differs else " "
    host = "" if row.host == facts.UNKNOWN else f"호스트 {row.host} / "
    return f" {mark} {row.name}: {host}있으면 {row.walled} / 없으면 {row.without}  ({row.source})"


# side by side --------------------------------------------------------------------------------------------------------
def _outputs(found: Mapping[str, Any], width: int) -> str:
    columns = [
        (f"[{title}] {ending(found[run])}", output(found[run]))
        for title, run in ((WALLED, "All"), (WITHOUT, "Without"))
    ]
    if width < _WIDE:
        return "\n\n".join(f"{head}\n{_indented(text)}" for head, text in columns)
    half = (width - 1 - _GAP) // 2
    left, right = ([head, *text.splitlines()] for head, text in columns)
    count = max(len(left), len(right))
    left += [""] * (count - len(left))
    right += [""] * (count - len(right))
    return "\n".join(f"{_cut(a, half)} │ {_cut(b, half)}".rstrip() for a, b in zip(left, right, strict=True))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _cut(line: str, width: int) -> str:
    """Filled or cut to so many columns: a Korean letter has two."""
    from wcwidth import wcwidth

    kept, used = "", 0
    for letter in line.expandtabs():
        wide = max(wcwidth(letter), 0)
        if used + wide > width:
            return kept[:-1] + "…" if wcwidth(kept[-1:] or " ") == 1 else kept
        kept, used = kept + letter, used + wide
    return kept + " " * (width - used)
