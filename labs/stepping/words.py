"""The words behind `labs step` and `%step`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

USAGE = (
    "step 다음에 docker run …을 써 주세요. 예: step docker run --rm busybox true\n"
    "  --calls  같은 일끼리 묶지 않고, 커널 호출 하나마다 멈춰요\n"
    "  --all    묻지 않고 끝까지 가면서 멈춘 곳마다 보여 줘요"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be looked at, and how."""

    every_call: bool
    unasked: bool  #: goes on by itself
    path: str  #: "run" or "container run"
    words: tuple[str, ...]  #: behind it


def wish(words: Sequence[str]) -> Wish | None:
    """None for anything but a `docker run`."""
    rest = list(words)
    given = set()
    while rest and rest[0] in ("--calls", "--all"):
        given.add(rest.pop(0))
    rest = rest[1:] if rest[:1] == ["docker"] else rest
    front = 2 if rest[:1] == ["container"] else 1
    if rest[front - 1 : front] != ["run"]:
        return None
    return Wish(
        every_call="--calls" in given,
        unasked="--all" in given,
        path=" ".join(rest[:front]),
        words=tuple(rest[front:]),
    )
