"""What recording its kernel calls costs a container's start: `python -m benchmarks.recording`.

The same engine twice, each in a mount namespace of its own; over `syscalls/trace.py` of the second lies a copy of it
that never has a current trace, so that daemon, launcher and child record nothing. One start of each a round, in turns
who is first. What is timed is POST /containers/{id}/start, from the request to the answer: on a bridge, with a limit.
Beside it stands the processor time of daemon, launcher and children together for one whole round (create, start, kill,
remove): on a busy machine that one is the truer figure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.timing import timed
from kernel_engine.client import Client
from kernel_engine.paths import Instance
from kernel_engine.syscalls import trace
from tests.busybox_registry import registry
from tests.daemon import PROGRAM, Daemon, running_daemon

ROUNDS, WARM_UP = 400, 20
BODY = {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"Memory": 64 << 20}}
#: bytecode of the other version must be neither found nor left
UNDER = 'mount --bind "$1" "$2" && mount -t tmpfs none "$3" && shift 3 && exec "$@"'


def without_recording(source: str) -> str:
    """The module's text with nobody to record to."""
    now = "_current.get()"
    assert source.count(now) >= 1
    return source.replace(now, "None")


@contextmanager
def engine(place: Path, mirror: str, text: str) -> Iterator[Daemon]:
    place.mkdir()
    module = Path(trace.__file__)
    covering = place / "trace.py"
    covering.write_text(text)
    words = ("unshare", "--mount", "sh", "-c", UNDER, "sh", str(covering), str(module))
    program = (*words, str(module.parent / "__pycache__"), *PROGRAM)
    with running_daemon(place, (mirror,), program=program) as daemon:
        daemon.docker("pull", "busybox")
        yield daemon


def start(api: Client) -> float:
    """Milliseconds of one start."""
    container = api.post("/containers/create", body=BODY).json()["Id"]
    took = timed(lambda: api.post(f"/containers/{container}/start").read())
    api.delete(f"/containers/{container}", query={"force": "1"}).read()
    return took


def measure(recording: Callable[[], float], silent: Callable[[], float], rounds: int) -> list[tuple[float, float]]:
    """Pairs, the recording one first."""
    pairs = []
    for number in range(rounds + WARM_UP):
        if number % 2:
            pairs.append((recording(), silent()))
        else:
            other = silent()
            pairs.append((recording(), other))
    return pairs[WARM_UP:]


def spent(instance: Instance) -> float:
    """Milliseconds of processor time of an engine's processes and of those that they have reaped."""
    found = 0.0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            if str(instance.run).encode() not in words:
                continue
            tasks = (path / "task").glob("*/schedstat")
            found += sum(int(task.read_text().split()[0]) for task in tasks) / 1e6
            reaped = (path / "stat").read_text().rpartition(")")[2].split()[13:15]  # cutime, cstime: proc_pid_stat(5)
            found += sum(map(int, reaped)) * 1000 / os.sysconf("SC_CLK_TCK")
        except (FileNotFoundError, ProcessLookupError):
            continue  # a child that has become its program, or ended, meanwhile
    return found


def report(pairs: list[tuple[float, float]], steps: int) -> str:
    """Medians, and the median of the pairs' ratios with the interval that holds it 95 times of 100 (sign test)."""
    with_it, without = (statistics.median(pair[at] for pair in pairs) for at in (0, 1))
    fastest = [min(pair[at] for pair in pairs) for at in (0, 1)]
    ratios = sorted(one / other for one, other in pairs)
    half = round(0.98 * len(ratios) ** 0.5)
    low, high = ratios[len(ratios) // 2 - half], ratios[len(ratios) // 2 + half]
    return (
        f"| {steps} | {with_it:.2f} ({fastest[0]:.2f}) | {without:.2f} ({fastest[1]:.2f}) | "
        f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f}) | {fastest[0] / fastest[1]:.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    source = Path(trace.__file__).read_text(encoding="utf-8")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ke-recording-")))
        mirror = stack.enter_context(registry())
        recording = stack.enter_context(engine(scratch / "with", mirror, source))
        silent = stack.enter_context(engine(scratch / "without", mirror, without_recording(source)))
        apis = [Client(recording.host), Client(silent.host)]
        counted = [len(_steps(api)) for api in apis]
        assert counted[0] > 50, "the one engine records"
        assert counted[1] == 0, "and the other does not"
        before = [spent(daemon.instance) for daemon in (recording, silent)]
        pairs = measure(lambda: start(apis[0]), lambda: start(apis[1]), rounds)
        used = [
            (spent(daemon.instance) - then) / (rounds + WARM_UP)
            for daemon, then in zip((recording, silent), before, strict=True)
        ]
    print("| steps | with, ms | without, ms | ratio of a pair, median (95 %) | ratio of the fastest |")
    print("|" + " --- |" * 5)
    print(report(pairs, counted[0]))
    print(f"processor: {used[0]:.2f} ms with, {used[1]:.2f} ms without, ratio {used[0] / used[1]:.3f}")


def _steps(api: Client) -> list[object]:
    container = api.post("/containers/create", body=BODY).json()["Id"]
    api.post(f"/containers/{container}/start").read()
    steps: list[object] = api.get(f"/kernel-engine/containers/{container}/trace").json()["Steps"]
    api.delete(f"/containers/{container}", query={"force": "1"}).read()
    return steps


if __name__ == "__main__":
    main()
