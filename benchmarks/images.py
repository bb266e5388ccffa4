"""How fast a real image moves, beside docker, podman and skopeo: `python -m benchmarks.images`.

Pull from and push to Debian's docker-registry, load and save of an archive, commit after 2,000 new files. Each figure
is a whole command of each engine, for skopeo a copy between registry, archive and a store like podman's. All stores lie
on one tmpfs, because a disk's file system slows down run by run for everyone.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import movers, real_image, registries
from benchmarks.__main__ import opened
from benchmarks.movers import Mover, done
from benchmarks.registries import Registry
from benchmarks.timing import Figure, interleaved, table
from tests.dockerd import Unavailable

_FILES = 2000
_WRITE = f"mkdir /new; i=0; while [ $i -lt {_FILES} ]; do head -c 5000 /dev/urandom > /new/$i; i=$((i+1)); done"
_COMMITTED = "committed:latest"
#: seconds in which an engine throws away what was removed, so that no clock runs over it
_SETTLE = 0.5

Row = tuple[str, Callable[[Mover], float], list[Mover], int]


def pull(name: str, mover: Mover) -> float:
    forget(mover, name)
    return mover.timed(mover.pull(name))


def push(name: str, registry: Registry, mover: Mover) -> float:
    registry.forget()
    return mover.timed(mover.push(name))


def save(name: str, mover: Mover) -> float:
    mover.archive.unlink(missing_ok=True)  # podman and skopeo write to no file that exists
    return mover.timed(mover.save(name, mover.archive))


def load(name: str, archive: Path, mover: Mover) -> float:
    forget(mover, name)
    return mover.timed(mover.load(name, archive))


def commit(mover: Mover) -> float:
    assert mover.engine is not None
    milliseconds = mover.timed((*mover.engine.prefix, "commit", "changed", _COMMITTED))
    forget(mover, _COMMITTED)
    return milliseconds


def forget(mover: Mover, name: str) -> None:
    subprocess.run(mover.forget(name), check=False, capture_output=True)
    time.sleep(_SETTLE)


def seed(mover: Mover, archive: Path, name: str) -> None:
    """The image into the registry, packed as `archive` holds it: what every engine pulls."""
    done(mover.load(name, archive))
    done(mover.push(name))


def measure(all_movers: list[Mover], registry: Registry, name: str, quick: bool) -> dict[str, dict[str, Figure]]:
    """Pull leaves the image that is pushed and saved; the archive that docker saves is what is loaded."""
    results = {}
    engines = [mover for mover in all_movers if mover.engine is not None]
    by_docker = next((mover.archive for mover in engines if mover.name == "docker"), engines[0].archive)
    rows: list[Row] = [
        ("pull", functools.partial(pull, name), all_movers, 3),
        ("save", functools.partial(save, name), all_movers, 3),
        ("load", functools.partial(load, name, by_docker), all_movers, 3),
        ("push", functools.partial(push, name, registry), all_movers, 2),
        (f"commit after {_FILES} new files", commit, engines, 9),
    ]
    for label, one, among, rounds in rows:
        if one is commit:
            for mover in among:
                assert mover.engine is not None
                mover.engine.command("run", "--name", "changed", "--network", "none", name, "sh", "-c", _WRITE)
        measures = {mover.name: functools.partial(one, mover) for mover in among}
        results[f"{label} (ms)"] = interleaved(label, measures, 1 if quick else rounds, warm_up=0)
    return results


@contextlib.contextmanager
def in_memory() -> Iterator[Path]:
    """A directory on a tmpfs of its own."""
    scratch = Path(tempfile.mkdtemp(prefix="ke-benchmarks-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12g,mode=0755", "benchmarks", scratch], check=True)
    try:
        yield scratch
    finally:
        subprocess.run(["umount", "-l", scratch], check=False)
        scratch.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of each")
    words = parser.parse_args()
    with in_memory() as scratch, contextlib.ExitStack() as stack:
        engines = [engine for engine in stack.enter_context(opened(scratch)) if engine.runs]
        networks = list(dict.fromkeys(engine.enter for engine in engines))
        registry = stack.enter_context(registries.serving(scratch / "registry", networks))
        all_movers = [movers.of_engine(engine, scratch) for engine in engines]
        try:
            all_movers.append(stack.enter_context(movers.skopeo(scratch)))
        except Unavailable as reason:
            print(f"left out: {reason}", file=sys.stderr)
        name = f"{registry.address}/real:latest"
        (scratch / "image").mkdir()
        image = real_image.make(scratch / "image", name)
        print(f"The image: {image}.\n")
        seed(all_movers[0], image.archive, name)
        print(table([mover.name for mover in all_movers], measure(all_movers, registry, name, words.quick)))


if __name__ == "__main__":
    main()
