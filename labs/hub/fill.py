"""Fills the hub: makes each missing image and pushes it, telling in Korean how far it is."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from labs.hub import bootstrap, busybox
from labs.hub import workshop as workshops
from labs.hub.dockerfiles import BUILT, Built
from labs.hub.layers import Layer
from labs.hub.oci import CONFIG, LAYER, Blob, Documents, described, documents
from labs.hub.recipes import RECIPES, Recipe
from labs.hub.registry import Registry, filling, serving

Say = Callable[[str], None]


def fill(
    data: Path,
    recipes: Sequence[Recipe] = RECIPES,
    built: Sequence[Built] = (),
    *,
    say: Say = print,
    again: bool = False,
    renew: bool = False,
) -> int:
    """Make and push what the hub at `data` lacks (everything when `again`). Returns how many images were made.

    `built` brings its bases with it. `renew`: also what the hub has in an older form. May be killed at any moment: an
    image's tags are written last, and the next call makes only what has no tags.
    """
    data.mkdir(mode=0o755, parents=True, exist_ok=True)
    # the hub serves these files as an unprivileged user, whatever umask the caller has
    os.umask(0o022)
    with _alone(data, say), filling(data) as registry:
        if renew:
            built = [*built, *(image for image in BUILT if image not in built and _is_old(registry, image))]
        bases = [image.base for image in built]
        wanted: list[Recipe | Built] = [
            *recipes,
            *(base for n, base in enumerate(bases) if base not in (*recipes, *bases[:n])),
            *built,
        ]
        missing = [image for image in wanted if again or not _is_current(registry, image)]
        if not missing:
            say(f"이미지 {len(wanted)}개가 이미 있어요")
            return 0
        with _workshop(data) as workshop:
            _make_all(missing, registry, data, workshop, say)
    return len(missing)


def _is_current(registry: Registry, image: Recipe | Built) -> bool:
    return all(registry.recipe_key(image.repository, tag) == image.key for tag in image.tags)


def _is_old(registry: Registry, image: Built) -> bool:
    """Whether the hub has it, but not as it would be made today."""
    return registry.recipe_key(image.repository, image.tags[0]) not in ("", image.key)


@contextmanager
def _alone(data: Path, say: Say) -> Iterator[None]:
    """Two set-ups at a time would build the same things twice; the second waits."""
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("허브에서 다른 이미지를 만들고 있어요. 끝나기를 기다려요")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _workshop(data: Path) -> Iterator[Path]:
    place = data / "building"
    workshops.clear(place / "engine")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _make_all(missing: Sequence[Recipe | Built], registry: Registry, data: Path, workshop: Path, say: Say) -> None:
    def numbered(number: int) -> Say:
        return lambda text: say(f"[{number}/{len(missing)}] {text}")

    recipes = [image for image in missing if isinstance(image, Recipe)]
    for number, recipe in enumerate(recipes, 1):
        _make(recipe, registry, workshop, numbered(number))
    built = [image for image in missing if isinstance(image, Built)]
    if not built:
        return
    numbered(len(recipes) + 1)("이미지를 만들 엔진을 준비하고 있어요")
    with serving(data, workshop) as hub, workshops.workshop(workshop / "engine", hub) as engine:
        for number, image in enumerate(built, len(recipes) + 1):
            started, said = time.monotonic(), numbered(number)
            base = registry.parts(image.base.repository, image.base.tags[0])
            assert base is not None, image.base.title  # it is made before
            epoch = int(datetime.fromisoformat(base.config["created"]).timestamp())
            workshops.build(engine, image, epoch=epoch, say=said)
            said(f"{image.title} 허브에 넣고 있어요")
            size = _push(registry, image, workshops.saved(engine, image, workshop))
            said(f"{image.title} 완료 ({size / 1e6:.1f} MB, {time.monotonic() - started:.0f}초)")


def _push(registry: Registry, image: Built, saved: workshops.Saved) -> int:
    """Its own layers, and those of the base as the hub has them. Returns the bytes of its own."""
    base = registry.parts(image.base.repository, image.base.tags[0])
    assert base is not None, image.base.title
    known = dict(zip(base.config["rootfs"]["diff_ids"], base.layers, strict=True))
    own, descriptors = [], []
    for diff_id, path in saved.layers:
        if diff_id in known:
            registry.mount(image.repository, known[diff_id]["digest"], image.base.repository)
            descriptors.append(known[diff_id])
        else:
            layer = _packed(diff_id, path)
            own.append(layer)
            descriptors.append({"mediaType": LAYER, "digest": layer.digest, "size": layer.size})
    config = Blob(media_type=CONFIG, data=saved.config)
    registry.push(image.repository, image.tags, own, described(config, descriptors, key=image.key))
    return sum(layer.size for layer in own)


def _packed(diff_id: str, path: Path) -> Layer:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Layer(path=path, diff_id=diff_id, digest=f"sha256:{digest}", size=path.stat().st_size)


def _make(recipe: Recipe, registry: Registry, workshop: Path, say: Say) -> None:
    started = time.monotonic()
    layer, papers = _busybox(recipe, workshop) if not recipe.suite else _debian(recipe, workshop, say)
    registry.push(recipe.repository, recipe.tags, (layer,), papers)
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
