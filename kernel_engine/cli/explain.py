"""The kernel trace of a container's start as plain Korean text: `docker run --explain`, the notebook's %explain.

Pure but for `show`. Steps are those of GET /kernel-engine/containers/{id}/trace. What a call is for is in
`explain_table.py`, where to read on in `explain_reading.py`; a call that is not known there is shown without words of
ours.
"""

from __future__ import annotations

from kernel_engine.cli.explain_reading import WHY, effect, first_process, manual
from kernel_engine.cli.explain_table import ERRORS, GROUPS, meaning
from kernel_engine.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from kernel_engine.client import Client

ARGUMENTS = 88  #: letters of a call's arguments that are shown
KEEP_BEFORE = 48  #: of them before the ellipsis


class Line:
    """One line of the explanation: `count` steps in a row that do the same, beginning with step `number`."""

    __slots__ = (
        "call",
        "count",
        "duration",
        "effect",
        "group",
        "manual",
        "number",
        "ok",
        "process",
        "result",
        "source",
        "started",
        "text",
    )

    def __init__(self, number: int, step: Mapping[str, Any], first: int) -> None:
        self.number = number
        self.count = 1
        self.group, self.text = meaning(step["Name"], step["Arguments"], step["Source"])
        self.call = f"{step['Name']}({shortened(step['Arguments'])})"
        self.result: str = step["Result"]
        self.ok: bool = step["Ok"]
        self.duration: int = step["Duration"]  #: nanoseconds
        self.source: str = step["Source"]
        self.started: int = step["Started"]  #: nanoseconds of CLOCK_MONOTONIC
        self.process: str = step["Process"]
        self.manual = manual(step["Name"], step["Arguments"])  #: page and section
        self.effect = effect(step["Name"], step["Arguments"], first)  #: where it can be read, "" for nowhere

    def same(self, other: Line) -> bool:
        return self.ok and other.ok and bool(self.text) and (self.group, self.text) == (other.group, other.text)

    @property
    def place(self) -> str:
        """`7`, or `7~12` for several steps."""
        return str(self.number) if self.count == 1 else f"{self.number}~{self.number + self.count - 1}"


def show(client: Client, container: str) -> None:
    """Prints the explanation of a container's start."""
    from kernel_engine.client import APIError

    try:
        steps = client.get(f"/kernel-engine/containers/{container}/trace").json()["Steps"]
    except APIError as error:
        raise Failed(f"--explain: this server keeps no trace ({error.message})", 125) from error
    print(explain(steps), flush=True)


def explain(steps: Sequence[Mapping[str, Any]]) -> str:
    """The whole text: a heading, the groups in their order, and where it stopped if it did."""
    if not steps:
        return "이 컨테이너는 아직 시작한 적이 없어서 보여 줄 과정이 없어요."
    lines = explained(steps)
    took = sum(step["Duration"] for step in steps)
    parts = [f"컨테이너가 시작된 과정: 커널에 부탁한 일 {len(steps)}번, 모두 {spoken(took)}"]
    for group in GROUPS:
        members = [line for line in lines if line.group == group]
        if members:
            parts.append("\n".join([f"[{group}] {WHY[group]}", *(_shown(line) for line in members)]))
    stopped = stopping(steps)
    if stopped is not None:
        parts.append(_stop_text(stopped, steps[stopped]))
    elif not any(step["Name"] == "execve" for step in steps):
        parts.append(f"{len(steps)}번째 단계까지 마쳤지만 명령을 실행(execve)하지 못하고 멈췄어요.")
    return "\n\n".join(parts)


def explained(steps: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Each step as a line; neighbours in one group that do the same are one line with a count."""
    lines: list[Line] = []
    last: dict[str, Line] = {}
    first = first_process(steps)
    for number, step in enumerate(steps, 1):
        line = Line(number, step, first)
        before = last.get(line.group)
        if before is not None and before.same(line) and before.number + before.count == number:
            before.count += 1
            before.duration += line.duration
            continue
        lines.append(line)
        last[line.group] = line
    return lines


def stopping(steps: Sequence[Mapping[str, Any]]) -> int | None:
    """The step that ended the start: the last one of its process, and refused. None when it succeeded.

    A refused step that others follow was one that the engine can do without.
    """
    final: dict[str, int] = {}
    for at, step in enumerate(steps):
        final[step["Process"]] = at
    refused = [at for at in final.values() if not steps[at]["Ok"]]
    return min(refused) if refused else None


def shortened(arguments: str) -> str:
    """Long paths and lists lose their middle."""
    if len(arguments) <= ARGUMENTS:
        return arguments
    return f"{arguments[:KEEP_BEFORE]}…{arguments[-(ARGUMENTS - KEEP_BEFORE - 1) :]}"


def spoken(nanoseconds: int) -> str:
    """`6.5ms`, `28µs`."""
    return f"{nanoseconds / 1e6:.1f}ms" if nanoseconds >= 1_000_000 else f"{nanoseconds / 1e3:.0f}µs"


def _shown(line: Line) -> str:
    result = f" = {line.result}" if line.result not in ("", "0") else ""
    more = f" 등 {line.count}번" if line.count > 1 else ""
    refused = "" if line.ok else " (커널이 거절했어요)"
    first = f"  {line.place:>7}  {line.text or line.call}{refused}"
    page, section = line.manual
    reading = f"man {section} {page}{f' · 볼 곳: {line.effect}' if line.effect else ''}"
    indent = " " * 11
    return f"{first}\n{indent}{line.call}{result}{more} · {spoken(line.duration)} · {line.source}\n{indent}{reading}"


def _stop_text(at: int, step: Mapping[str, Any]) -> str:
    name = step["Result"]
    reason = ERRORS.get(name, "")
    line = Line(at + 1, step, 0)
    return f"{line.number}번째 단계 {line.call}에서 멈췄어요: {name}{f' ({reason})' if reason else ''} · {line.source}"
