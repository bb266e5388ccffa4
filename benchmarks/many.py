"""Many idle containers, one after another: how long each takes, and what the engine's own processes hold for it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from benchmarks.rivals import Engine
from benchmarks.timing import Figure, timed

_AT_ONCE = 50


class Many(NamedTuple):
    empty: float  #: MiB of the engine with nothing running; nothing of it where it has no process of its own
    each: float  #: KiB more for each container
    all: float  #: seconds
    first: float  #: milliseconds of one start, in the first tenth
    last: float  #: and in the last


def memory_of(engine: Engine) -> int:
    """KiB of all processes of the engine and of those that it keeps for its containers; what processes share counts
    once (PSS). They are told by their words, which name its state."""
    found = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if engine.state.encode() in (path / "cmdline").read_bytes():
                lines = (path / "smaps_rollup").read_text().splitlines()
                found += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue  # it has just ended
    return found


def measure(engine: Engine, number: int) -> Many:
    names = [f"many{index}" for index in range(number)]
    empty = memory_of(engine)

    def start(name: str) -> None:
        engine.command("run", "-d", "--name", name, "busybox", "sleep", "1000")

    took = [timed(functools.partial(start, name)) for name in names]
    each = (memory_of(engine) - empty) / number
    for at in range(0, number, _AT_ONCE):
        words = ("-t", "0") if engine.name == "podman" else ()
        engine.command("rm", "-f", *words, *names[at : at + _AT_ONCE])
    tenth = number // 10
    return Many(empty / 1024, each, sum(took) / 1000, sum(took[:tenth]) / tenth, sum(took[-tenth:]) / tenth)


def rows(engines: list[Engine], number: int) -> dict[str, dict[str, Figure]]:
    labels = (
        "memory of the engine, nothing running (MiB)",
        f"memory for each of {number} idle containers (KiB)",
        f"{number} detached, one after another (s)",
        f"one start, the first {number // 10} (ms)",
        f"one start, the last {number // 10} (ms)",
    )
    found = {engine.name: measure(engine, number) for engine in engines}
    return {
        label: {name: Figure(many[at], many[at]) for name, many in found.items()} for at, label in enumerate(labels)
    }
