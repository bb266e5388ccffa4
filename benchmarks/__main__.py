"""How long common commands take here, beside docker and podman, in one run: `python -m benchmarks`.

Every engine gets a private state directory and the same image (one static busybox). dockerd and our daemon run in a
network namespace of their own, so that nothing of the machine's is touched. Rounds are interleaved between engines,
because a machine's speed drifts. Engines that are not installed are named and left out. Prints a Markdown table of
medians, each with the fastest round in brackets: on a busy machine that one says more about the engine.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.rivals import Engine, Unavailable, kernel_engine, podman, real_docker

Measure = Callable[[Engine], float]


class Figure(NamedTuple):
    median: float
    fastest: float

    def __str__(self) -> str:
        if self.median != self.median:  # not measured
            return "–"
        return f"{self.median:.1f}" if self.median == self.fastest else f"{self.median:.1f} ({self.fastest:.1f})"


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def run_through_api(engine: Engine) -> float:
    if engine.api is None:
        return float("nan")
    return timed(engine.api.run_and_remove)


def run_as_process(engine: Engine) -> float:
    return timed(lambda: engine.command("run", "--rm", "busybox", "true"))


def run_without_network(engine: Engine) -> float:
    return timed(lambda: engine.command("run", "--rm", "--network", "none", "busybox", "true"))


def exec_as_process(engine: Engine) -> float:
    return timed(lambda: engine.command("exec", "steady", "true"))


ROUNDS: dict[str, tuple[Measure, int]] = {
    "`run --rm busybox true`, API, bridge": (run_through_api, 30),
    "`run --rm busybox true`, command, bridge": (run_as_process, 15),
    "`run --rm --network none`, command": (run_without_network, 15),
    "`exec`, command": (exec_as_process, 15),
}


def fifty_detached(engine: Engine) -> float:
    """Seconds for 50 containers one after another."""
    names = [f"many{number}" for number in range(50)]
    seconds = timed(lambda: [engine.command("run", "-d", "--name", name, "busybox", "sleep", "1000") for name in names])
    engine.command("rm", "-f", "-t", "0", *names) if engine.name == "podman" else engine.command("rm", "-f", *names)
    return seconds / 1000


@contextlib.contextmanager
def opened(scratch: Path) -> Iterator[list[Engine]]:
    with contextlib.ExitStack() as stack:
        engines = []
        for make in (kernel_engine, real_docker, podman):
            try:
                engines.append(stack.enter_context(make(scratch)))
            except Unavailable as reason:
                print(f"left out: {reason}", file=sys.stderr)
        yield engines


def table(engines: list[Engine], results: dict[str, dict[str, Figure]]) -> str:
    others = [engine.name for engine in engines[1:]]
    lines = [
        "| | " + " | ".join(engine.name for engine in engines) + " | " + " | ".join(f"× {n}" for n in others) + " |"
    ]
    lines.append("|" + " --- |" * (1 + len(engines) + len(others)))
    for label, row in results.items():
        mine = row[engines[0].name].median
        cells = [str(row[engine.name]) for engine in engines]
        cells += [f"{row[name].median / mine:.1f}".replace("nan", "–") for name in others]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the rounds, and no 50 containers")
    quick = parser.parse_args().quick
    scratch = Path(tempfile.mkdtemp(prefix="ke-benchmarks-"))
    results: dict[str, dict[str, Figure]] = {}
    try:
        with opened(scratch) as engines:
            for engine in engines:
                engine.command("run", "-d", "--name", "steady", "busybox", "sleep", "1000")
            for label, (measure, rounds) in ROUNDS.items():
                samples: dict[str, list[float]] = {engine.name: [] for engine in engines}
                for number in range((rounds // 3 if quick else rounds) + 2):
                    for engine in engines:
                        sample = measure(engine)
                        if number >= 2:  # two rounds to warm up
                            samples[engine.name].append(sample)
                row = {name: Figure(statistics.median(values), min(values)) for name, values in samples.items()}
                results[f"{label} (ms)"] = row
                print(label, {name: str(figure) for name, figure in row.items()}, file=sys.stderr)
            if not quick:
                seconds = {engine.name: fifty_detached(engine) for engine in engines}
                results["50 detached, one after another (s)"] = {n: Figure(s, s) for n, s in seconds.items()}
            for engine in engines:
                engine.command("rm", "-f", "steady")
            print(table(engines, results))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
