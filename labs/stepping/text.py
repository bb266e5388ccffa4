"""A stop as plain text, for a terminal and for a page that nobody looks on. Pure.

`fixed`: without numbers that differ from run to run, and of a comparison that was there before only what has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kernel_engine.cli.explain import explained, shortened, spoken
from kernel_engine.cli.explain_reading import WHY, manual
from kernel_engine.cli.explain_table import meaning
from kernel_engine.cli.table import display_width
from labs.stepping.sides import Row, changed
from labs.stepping.walk import End, Standing

NAME, SIDE = 24, 30
WHO = {
    "daemon": "엔진(daemon)",
    "launcher": "낳는 프로세스(launcher)",
    "child": "컨테이너의 첫 프로세스",
}
IN_ONE_GO = "다른 컨테이너도 돌봐야 해서, 이 일은 한 번에 해요"
STARTED = "끝까지 왔어요. 컨테이너가 실행됐어요."
GAVE_UP = "그만뒀어요."
CLEARED = "컨테이너, 네임스페이스, cgroup, 네트워크, 쓰기 레이어까지 모두 치웠어요."
#: part of the engine's own sentence → why, for the learner
REASONS = {
    "nobody went on": "너무 오래 멈춰 있어서 시작을 그만뒀어요.",
    "is being removed": "컨테이너를 지워서 시작도 그만뒀어요.",
    "the engine": "엔진이 끝나서 시작도 그만뒀어요.",
}


def standing(found: Standing, now: Sequence[Row], before: Sequence[Row], *, fixed: bool) -> str:
    """The whole stop."""
    parts = [_done(found.done, fixed=fixed)] if found.done else []
    parts.append(f"[{found.number}] {found.group}: {WHY[found.group]}")
    parts += [_call(call, fixed=fixed) for call in found.view["Next"]]
    if len(found.view["Next"]) > 1:
        parts.append(f"    ({IN_ONE_GO})")
    new = changed(now, before)
    shown = [row for row in now if row.name in new] if fixed and len(before) > 1 else now
    if shown:
        parts.append(table(shown, new, fixed=fixed))
    return "\n".join(parts)


def table(now: Sequence[Row], new: frozenset[str], *, fixed: bool) -> str:
    lines = [f"    {_wide('', NAME)} {_wide('호스트', SIDE)} 컨테이너"] if not fixed else []
    for row in now:
        mark = "*" if row.name in new else " "
        if fixed:
            lines.append(f"  {mark} {_wide(row.name, NAME)} {row.fixed}")
        else:
            lines.append(f"  {mark} {_wide(row.name, NAME)} {_wide(row.host, SIDE)} {row.inside}")
    return "\n".join(lines)


def end(found: End) -> str:
    if not found.error:
        return STARTED
    if not found.given_up:
        return f"시작하지 못했어요: {found.error}"
    return f"{next((words for part, words in REASONS.items() if part in found.error), GAVE_UP)} {CLEARED}"


def _call(call: Mapping[str, Any], *, fixed: bool) -> str:
    words = meaning(call["Name"], call["Arguments"], call["Source"])[1]
    page, section = manual(call["Name"], call["Arguments"])
    shown = call["Name"] if fixed else f"{call['Name']}({shortened(call['Arguments'])})"
    who = WHO[call["Process"]]
    return f"    다음: {words or shown}\n          {shown} · {who} · man {section} {page} · {call['Source']}"


def _done(done: Sequence[Mapping[str, Any]], *, fixed: bool) -> str:
    lines = []
    for line in explained(done):
        more = f" ({line.count}번)" if line.count > 1 else ""
        took = "" if fixed else f" · {spoken(line.duration)}"
        lines.append(f"    한 일: {line.text or line.call}{more}{took}{'' if line.ok else ' (커널이 거절했어요)'}")
    return "\n".join([*lines, ""])


def _wide(text: str, width: int) -> str:
    return text + " " * max(width - display_width(text), 0)
