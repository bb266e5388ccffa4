"""A figure is a median with the fastest round beside it; a table holds one line of figures for each thing done."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    median: float
    fastest: float

    def __str__(self) -> str:
        if self.median != self.median:  # not measured
            return "–"
        return f"{self.median:.1f}" if self.median == self.fastest else f"{self.median:.1f} ({self.fastest:.1f})"


_NONE = Figure(float("nan"), float("nan"))


def figure(samples: Sequence[float]) -> Figure:
    return Figure(statistics.median(samples), min(samples))


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def interleaved(
    label: str, measures: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 2
) -> dict[str, Figure]:
    """A figure for each engine: every engine once a round, because a machine's speed drifts."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds + warm_up):
        for name, measure in measures.items():
            sample = measure()
            if number >= warm_up:
                samples[name].append(sample)
    row = {name: figure(values) for name, values in samples.items()}
    print(label, {name: str(figure) for name, figure in row.items()}, file=sys.stderr)
    return row


def table(names: Sequence[str], results: Mapping[str, Mapping[str, Figure]]) -> str:
    """Markdown; the first engine is ours, and the last columns say how many times longer the others take."""
    others = names[1:]
    lines = ["| | " + " | ".join(names) + " | " + " | ".join(f"× {name}" for name in others) + " |"]
    lines.append("|" + " --- |" * (1 + len(names) + len(others)))
    for label, row in results.items():
        figures = [row.get(name, _NONE) for name in names]
        cells = [str(figure) for figure in figures]
        cells += [f"{other.median / figures[0].median:.1f}".replace("nan", "–") for other in figures[1:]]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
