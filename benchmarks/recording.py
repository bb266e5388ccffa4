"""What recording its kernel calls costs a container's start: `python -m benchmarks.recording`.

The same engine twice, each in a mount namespace of its own; over `syscalls/trace.py` of the second lies a copy of it
that never has a current trace, so that daemon, launcher and child record nothing. One start of each a round, in turns
who is first. What is timed is POST /containers/{id}/start, from the request to the answer: on a bridge, with a limit.
Beside it stands the processor time of daemon, launcher and the container's process: on a busy machine that one is the
truer figure.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.timing import timed
from kernel_engine.client import Client
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
    assert now in source
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


class Sample(NamedTuple):
    """One start, in milliseconds."""

    wall: float
    processor: float  #: of daemon, launcher and the container's first process together


def start(daemon: Daemon) -> Sample:
    api = Client(daemon.host)
    assert daemon.process is not None
    container = api.post("/containers/create", body=BODY).json()["Id"]
    ours = (daemon.process.pid, _launcher(daemon))
    before = sum(map(spent, ours))
    took = timed(lambda: api.post(f"/containers/{container}/start").read())
    used = sum(map(spent, ours)) - before
    used += spent(api.get(f"/containers/{container}/json").json()["State"]["Pid"])
    api.delete(f"/containers/{container}", query={"force": "1"}).read()
    return Sample(took, used)


def spent(pid: int) -> float:
    """Processor time of a process's threads so far (the first word of schedstat)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


@functools.cache
def _launcher_of(run: str) -> int:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = path.read_bytes().split(b"\0")
            if b"kernel_engine.runtime.launcher" in words and run.encode() in words:
                return int(path.parent.name)
    raise AssertionError("no launcher runs")


def _launcher(daemon: Daemon) -> int:
    return _launcher_of(str(daemon.instance.run))


def measure(recording: Daemon, silent: Daemon, rounds: int) -> list[tuple[Sample, Sample]]:
    """Pairs, the recording one first."""
    pairs = []
    for number in range(rounds + WARM_UP):
        if number % 2:
            pairs.append((start(recording), start(silent)))
        else:
            other = start(silent)
            pairs.append((start(recording), other))
    return pairs[WARM_UP:]


def report(label: str, pairs: list[tuple[float, float]]) -> str:
    """Medians with the fastest, and the median of the pairs' ratios with the interval that holds it 95 times of 100."""
    both = [[pair[at] for pair in pairs] for at in (0, 1)]
    cells = [f"{statistics.median(values):.2f} ({min(values):.2f})" for values in both]
    ratios = sorted(one / other for one, other in pairs)
    half = round(0.98 * len(ratios) ** 0.5)  # of the ranks around the median, by the binomial distribution
    low, high = ratios[len(ratios) // 2 - half], ratios[len(ratios) // 2 + half]
    return f"| {label} | {cells[0]} | {cells[1]} | {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f}) |"


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
        counted = [len(_steps(daemon)) for daemon in (recording, silent)]
        assert counted[0] > 50, "the one engine records"
        assert counted[1] == 0, "and the other does not"
        pairs = measure(recording, silent, rounds)
    print(f"| {counted[0]} steps, {rounds} pairs | with | without | ratio of a pair, median (95 %) |")
    print("|" + " --- |" * 4)
    print(report("start, ms", [(one.wall, other.wall) for one, other in pairs]))
    print(report("processor time of it, ms", [(one.processor, other.processor) for one, other in pairs]))


def _steps(daemon: Daemon) -> list[object]:
    api = Client(daemon.host)
    container = api.post("/containers/create", body=BODY).json()["Id"]
    api.post(f"/containers/{container}/start").read()
    steps: list[object] = api.get(f"/kernel-engine/containers/{container}/trace").json()["Steps"]
    api.delete(f"/containers/{container}", query={"force": "1"}).read()
    return steps


if __name__ == "__main__":
    main()
