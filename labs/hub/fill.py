"""Fills the hub: builds each missing image and pushes it, telling in Korean how far it is."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from labs.hub import bootstrap, busybox
from labs.hub.layers import Layer
from labs.hub.oci import Documents, documents
from labs.hub.recipes import RECIPES, Recipe
from labs.hub.registry import Registry, filling

Say = Callable[[str], None]


def fill(data: Path, recipes: Sequence[Recipe] = RECIPES, *, say: Say = print, again: bool = False) -> int:
    """Build and push what the hub at `data` lacks (everything when `again`). Returns how many images were built.

    May be killed at any moment: an image's tags are written last, and the next call builds only what has no tags.
    """
    data.mkdir(mode=0o755, parents=True, exist_ok=True)
    # the hub serves these files as an unprivileged user, whatever umask the caller has
    os.umask(0o022)
    with _alone(data), filling(data) as registry:
        missing = [recipe for recipe in recipes if again or not _current(registry, recipe)]
        if not missing:
            say(f"이미지 {len(recipes)}개가 이미 있어요")
            return 0
        with _workshop(data) as workshop:
            for number, recipe in enumerate(missing, 1):
                _make(recipe, registry, workshop, lambda text, n=number: say(f"[{n}/{len(missing)}] {text}"))  # type: ignore[misc]
    return len(missing)


def _current(registry: Registry, recipe: Recipe) -> bool:
    return all(registry.recipe_key(recipe.repository, tag) == recipe.key for tag in recipe.tags)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Two set-ups at a time would build the same things twice; the second waits."""
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _workshop(data: Path) -> Iterator[Path]:
    place = data / "building"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _make(recipe: Recipe, registry: Registry, workshop: Path, say: Say) -> None:
    started = time.monotonic()
    layer, papers = _busybox(recipe, workshop) if not recipe.suite else _debian(recipe, workshop, say)
    registry.push(recipe, layer, papers)
    layer.path.unlink()
    say(f"{recipe.title} 완료 ({layer.size / 1e6:.1f} MB, {time.monotonic() - started:.0f}초)")


def _busybox(recipe: Recipe, workshop: Path) -> tuple[Layer, Documents]:
    epoch = int(busybox.BINARY.stat().st_mtime)  # dpkg keeps the time at which the package was built
    layer = busybox.pack(workshop / "busybox.tar.gz", epoch=epoch)
    return layer, documents(recipe, layer, epoch=epoch, made_by=("busybox-static", "--list-full"))


def _debian(recipe: Recipe, workshop: Path, say: Say) -> tuple[Layer, Documents]:
    mirror = bootstrap.machine_mirror(bootstrap.read_sources())
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    argv = bootstrap.command(recipe, mirror=mirror, options=bootstrap.proxy_options(dump))
    epoch = bootstrap.release_time(recipe.suite, mirror)

    def progress(number: int) -> None:
        percent = 100 * number // len(bootstrap.STAGES)
        say(f"{recipe.title} {percent:3d}% {bootstrap.STAGES[number][1]}")

    target = workshop / f"{recipe.suite}.tar.gz"
    layer = bootstrap.bootstrap(argv, recipe, target, epoch=epoch, progress=progress)
    made_by = ("mmdebstrap", "--variant=minbase", f"--include={','.join(recipe.packages)}", recipe.suite)
    return layer, documents(recipe, layer, epoch=epoch, made_by=made_by)
