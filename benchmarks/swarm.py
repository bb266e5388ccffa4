"""How long lab 10's four machines take to be a Swarm with six replicas, and their memory: `python -m benchmarks.swarm`.

From `compose up` of the lab's own file, all images pulled before, to six running tasks of a service whose image comes
out of the lab's registry. One engine for all rounds; each round begins without machines and without their volumes.
Docker itself is left out: where a host withholds capabilities, its `--privileged` is refused.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from labs import catalogue
from labs.build import fixed_ports
from labs.engine_view import EngineView
from labs.hub.maker import making
from labs.hub.registry import DEFAULT_DATA, serving
from tests.daemon import running_daemon

_MANAGER = "docker container exec manager docker"
_IMAGES = ("docker:dind", "registry:2", "busybox")
_MACHINES = ("manager", "worker01", "worker02", "worker03")
_NODES = f"""
{_MANAGER} swarm init >/dev/null
token=$({_MANAGER} swarm join-token -q worker)
for node in worker01 worker02 worker03; do
    docker container exec $node docker swarm join --token $token manager:2377 >/dev/null
done
"""
_PUSH = "docker build -q -t localhost:5000/example/api:v1 api && docker push -q localhost:5000/example/api:v1"
_SERVICE = f"""
{_MANAGER} service create -d --name api --replicas 6 registry:5000/example/api:v1 >/dev/null
bash wait.sh 6/6 {_MANAGER} service ls --format '{{{{.Replicas}}}}'
"""
_DOWN = "docker compose down -v -t 2 --remove-orphans"


@contextmanager
def lab() -> Iterator[EngineView]:
    """An engine with the hub's images, and a copy of the lab's materials as its workspace."""
    scratch = Path(tempfile.mkdtemp(prefix="ke-benchmarks-"))
    (scratch / "engine").mkdir()
    try:
        with (
            fixed_ports(),
            serving(DEFAULT_DATA, scratch) as hub,
            making(DEFAULT_DATA, hub) as maker,
            running_daemon(scratch / "engine", (hub, maker)) as engine,
        ):
            folder = Path(shutil.copytree(catalogue.lab("10").folder, scratch / "lab"))
            yield EngineView(engine.host, workspace=folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def once(view: EngineView) -> tuple[list[float], float]:
    """Seconds of each stage, and megabytes of memory in the machines' groups with everything running."""
    seconds = [
        timed(lambda text=text: view.must(f"set -e\n{text}"))  # type: ignore[misc]
        for text in ("docker compose up -d --wait", _NODES, _PUSH, _SERVICE)
    ]
    used = megabytes(view)
    view.must(_DOWN)
    return seconds, used


def megabytes(view: EngineView) -> float:
    """As `docker stats` counts it: without the page cache that the kernel would give up."""
    units = {"B": 1e-6, "KiB": 1024e-6, "MiB": 1024**2 * 1e-6, "GiB": 1024**3 * 1e-6}
    said = view.must(f"docker stats --no-stream --format '{{{{.MemUsage}}}}' {' '.join(_MACHINES)}")
    total = 0.0
    for line in said.splitlines():
        number = line.partition(" /")[0].strip()
        unit = number.lstrip("0123456789.")
        total += float(number.removesuffix(unit)) * units[unit]
    return total


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swarm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    with lab() as view:
        for image in _IMAGES:
            view.must(f"docker pull -q {image}")
        view.must("docker compose down -v")
        found = [once(view) for _ in range(words.rounds)]
    names = ("four machines up", "one Swarm of them", "image built and pushed", "six replicas run", "all of it")
    rows = [[*seconds, sum(seconds)] for seconds, _ in found]
    for name, *samples in zip(names, *rows, strict=True):
        print(f"| {name} (s) | {median(samples):.1f} ({min(samples):.1f}) |")
    used = [memory for _, memory in found]
    print(f"| memory of the four machines (MB) | {median(used):.0f} ({min(used):.0f}) |")
    load = subprocess.run(["uptime"], capture_output=True, text=True, check=True).stdout
    print(load.strip(), file=sys.stderr)


if __name__ == "__main__":
    main()
