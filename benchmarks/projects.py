"""How long a compose project of ten services takes to come up healthy, and to go: `python -m benchmarks.projects`.

Nine web servers with health checks and a tenth service that starts when all of them are healthy: so `up -d` returns
when the project works, whoever's compose it is. Ours is `docker compose`; the others get Docker Compose 2 (the
variable DOCKER_COMPOSE_2, or where Debian's package puts it), else 1.29. A column is that one on our socket.
podman is left out: its health checks need systemd.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.__main__ import opened
from benchmarks.rivals import Engine
from benchmarks.timing import Figure, interleaved, table, timed
from tests.dockerd import Unavailable

_SERVERS = 9
_SERVER = """\
  web{number}:
    image: busybox
    command: ["sh", "-c", "trap exit TERM; mkdir /w; echo {number} > /w/index.html; httpd -h /w; sleep 3600 & wait"]
    environment: {{NUMBER: "{number}"}}
    labels: {{bench: "yes"}}
    healthcheck: {{test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"], interval: 100ms, retries: 50}}
"""
_LAST = """\
  last:
    image: busybox
    command: ["sh", "-c", "trap exit TERM; sleep 3600 & wait"]
    depends_on:
"""
#: named, because a machine with many networks has none left to choose from
_NETWORK = "networks: {default: {ipam: {config: [{subnet: 10.77.0.0/24}]}}}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """A compose command on an engine."""

    name: str
    words: tuple[str, ...]
    host: str  #: DOCKER_HOST; "" where the words say it

    def __call__(self, *words: str) -> None:
        environment = {**os.environ, **({"DOCKER_HOST": self.host} if self.host else {})}
        done = subprocess.run([*self.words, *words], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name}: compose {' '.join(words)}: {done.stderr[-1000:]}")


def project() -> str:
    """The text of compose.yaml."""
    servers = "".join(_SERVER.format(number=number) for number in range(_SERVERS))
    needs = "".join(f"      web{number}: {{condition: service_healthy}}\n" for number in range(_SERVERS))
    return f"services:\n{servers}{_LAST}{needs}{_NETWORK}"


def installed() -> str:
    """Docker's compose."""
    second = os.environ.get("DOCKER_COMPOSE_2") or "/usr/libexec/docker/cli-plugins/docker-compose"
    for program in (second, "/usr/bin/docker-compose"):
        if os.access(program, os.X_OK):
            version = subprocess.run([program, "version", "--short"], capture_output=True, text=True, check=True).stdout
            print(f"Docker's compose: {version.strip()}.", file=sys.stderr)
            return program
    raise Unavailable("Docker's compose (package docker-compose)")


def composers(engines: list[Engine], scratch: Path) -> Iterator[Composer]:
    folder = scratch / "project"
    folder.mkdir()
    (folder / "compose.yaml").write_text(project())
    options = ("-p", "bench", "-f", str(folder / "compose.yaml"))
    program = installed()
    for engine in engines:
        if engine.api is not None:
            host = f"unix://{engine.api.path}"
            theirs = Composer(name=engine.name, words=(program, *options), host=host)
            if engine.name == "kernel-engine":
                ours = (*engine.prefix, "compose", *options)
                yield Composer(name=engine.name, words=ours, host="")
                theirs = replace(theirs, name="docker's compose on ours")
            yield theirs


def measure(among: list[Composer], rounds: int) -> dict[str, dict[str, Figure]]:
    """`up` and `down` take turns, so each has its samples from the same rounds."""
    downs: dict[str, list[float]] = {composer.name: [] for composer in among}

    def up(composer: Composer) -> float:
        milliseconds = timed(lambda: composer("up", "-d"))
        downs[composer.name].append(timed(lambda: composer("down")))
        return milliseconds

    def down(composer: Composer) -> float:
        return downs[composer.name].pop(0)

    results = {}
    rows: list[tuple[str, Callable[[Composer], float]]] = [("`up -d` to healthy (ms)", up), ("`down` (ms)", down)]
    for label, one in rows:
        measures = {composer.name: functools.partial(one, composer) for composer in among}
        results[label] = interleaved(label, measures, rounds, warm_up=0)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.projects", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    words = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="ke-benchmarks-"))
    try:
        with opened(scratch) as engines:
            runners = [engine for engine in engines if engine.runs]
            among = list(composers(runners, scratch))
            print(table([composer.name for composer in among], measure(among, 1 if words.quick else 5)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
