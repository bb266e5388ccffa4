"""How long common commands take here, beside docker, podman and buildah, in one run: `python -m benchmarks`.

Every engine gets a private state directory and the same image (one static busybox). dockerd runs in a network
namespace of its own, so that nothing of the machine's is touched. Rounds are interleaved between engines, because a
machine's speed drifts. Engines that are not installed are named and left out. Prints Markdown tables of medians, each
with the fastest round in brackets: on a busy machine that one says more about the engine.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import builds, debian, many, wiki
from benchmarks.rivals import Engine, buildah, kernel_engine, podman, real_docker
from benchmarks.timing import Figure, interleaved, table, timed
from tests.dockerd import Unavailable

Measure = Callable[[Engine], float]


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


RUNS: dict[str, tuple[Measure, int]] = {
    "`run --rm busybox true`, API, bridge": (run_through_api, 30),
    "`run --rm busybox true`, command, bridge": (run_as_process, 15),
    "`run --rm --network none`, command": (run_without_network, 15),
    "`exec`, command": (exec_as_process, 15),
}
BUILDS: dict[str, tuple[Callable[[Engine, Path], float], int]] = {
    "build, nothing known, command": (builds.cold, 9),
    "build, everything known, command": (builds.cached, 15),
    "build, everything known, API": (builds.cached_through_api, 30),
    "build, one copied file changed, command": (builds.changed, 15),
}


def measure_runs(engines: list[Engine], quick: bool) -> dict[str, dict[str, Figure]]:
    results: dict[str, dict[str, Figure]] = {}
    for engine in engines:
        engine.command("run", "-d", "--name", "steady", "busybox", "sleep", "1000")
    for label, (measure, rounds) in RUNS.items():
        measures = {engine.name: functools.partial(measure, engine) for engine in engines}
        results[f"{label} (ms)"] = interleaved(label, measures, rounds // 3 if quick else rounds)
    for engine in engines:
        engine.command("rm", "-f", *(("-t", "0") if engine.name == "podman" else ()), "steady")
    return results if quick else results | many.rows(engines, 50)


def measure_builds(engines: list[Engine], quick: bool, scratch: Path) -> dict[str, dict[str, Figure]]:
    results: dict[str, dict[str, Figure]] = {}
    contexts = {engine.name: builds.lay_out(scratch / f"context-{engine.name}") for engine in engines}
    for label, (measure, rounds) in BUILDS.items():
        measures = {engine.name: functools.partial(measure, engine, contexts[engine.name]) for engine in engines}
        results[f"{label} (ms)"] = interleaved(label, measures, rounds // 3 if quick else rounds)
    if not quick:
        results |= measure_wiki(engines, scratch)
    return results


def measure_wiki(engines: list[Engine], scratch: Path) -> dict[str, dict[str, Figure]]:
    """Seconds, of one build each: dpkg works for most of it."""
    try:
        image = debian.base_image(scratch)
        context = wiki.lay_out(scratch / "wiki", image)
    except Unavailable as reason:
        print(f"left out: the wiki, because it needs {reason}", file=sys.stderr)
        return {}
    for engine in engines:
        engine.load(image, debian.BASE)
    measures = {engine.name: lambda engine=engine: builds.cold(engine, context) / 1000 for engine in engines}
    label = "build of a wiki server, nothing known, command (s)"
    return {label: interleaved(label, measures, 1, warm_up=0)}


@contextlib.contextmanager
def opened(scratch: Path) -> Iterator[list[Engine]]:
    with contextlib.ExitStack() as stack:
        engines = []
        for make in (kernel_engine, real_docker, podman, buildah):
            try:
                engines.append(stack.enter_context(make(scratch)))
            except Unavailable as reason:
                print(f"left out: {reason}", file=sys.stderr)
        yield engines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["run", "build", "many", []], help="only these")
    parser.add_argument("--quick", action="store_true", help="a third of the rounds, and no 50 containers")
    words = parser.parse_args()
    what = words.what or ["run", "build"]
    scratch = Path(tempfile.mkdtemp(prefix="ke-benchmarks-"))
    try:
        with opened(scratch) as engines:
            if "run" in what:
                runners = [engine for engine in engines if engine.runs]
                print(table([engine.name for engine in runners], measure_runs(runners, words.quick)), end="\n\n")
            if "many" in what:
                runners = [engine for engine in engines if engine.runs]
                print(table([engine.name for engine in runners], many.rows(runners, 500)), end="\n\n")
            if "build" in what:
                builders = [engine for engine in engines if engine.builds]
                print(table([engine.name for engine in builders], measure_builds(builders, words.quick, scratch)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
