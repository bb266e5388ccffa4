"""Layers and snapshots on the disk: what is there, what a crash leaves, what is refused."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from kernel_engine.errors import Conflict, EngineError, NotFound
from kernel_engine.storage import init_layer

from .conftest import Storage


async def test_a_committed_layer_is_found_again(storage: Storage) -> None:
    path = await storage.layer("a", hello="world")
    assert (path / "hello").read_text() == "world"
    assert path.parent == storage.instance.layers
    assert storage.layers.size("a") == 7
    again = await storage.reopened()
    assert again.layers.has("a")
    assert (again.layers.path("a") / "hello").read_text() == "world"
    assert again.layers.size("a") == 7
    storage.records = again.records


async def test_a_layer_that_is_there_already_is_not_made_again(storage: Storage) -> None:
    first = await storage.layer("a", hello="first")
    assert await storage.layer("a", hello="second") == first
    await storage.layers.trash.emptied()
    assert (first / "hello").read_text() == "first"
    assert storage.on_disk() == {"layers/1"}


async def test_unknown_layers(storage: Storage) -> None:
    assert not storage.layers.has("a")
    for ask in (storage.layers.path, storage.layers.size, storage.layers.chain):
        with pytest.raises(NotFound, match="layer a does not exist"):
            ask("a")


async def test_a_commit_on_a_missing_parent_leaves_nothing(storage: Storage) -> None:
    staged = storage.layers.stage()
    with pytest.raises(NotFound):
        await storage.layers.commit(staged, chain_id="b", parent="a", diff_id="d", size=0)
    await storage.layers.trash.emptied()
    assert storage.on_disk() == set()


async def test_a_commit_whose_row_is_refused_leaves_nothing(storage: Storage) -> None:
    def forbid(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON layers BEGIN SELECT RAISE(ABORT, 'not today'); END")

    await storage.records.transact(forbid)
    with pytest.raises(EngineError, match="commit layer a: not today"):
        await storage.layer("a", hello="world")
    await storage.layers.trash.emptied()
    assert storage.on_disk() == set()
    assert not storage.layers.has("a")


async def test_a_commit_that_is_cancelled_is_whole_all_the_same(storage: Storage) -> None:
    staged = storage.layers.stage()
    (staged / "hello").write_text("world")
    task = asyncio.create_task(storage.layers.commit(staged, chain_id="a", parent=None, diff_id="d", size=0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    storage.layers.discard(staged)
    await storage.layers.trash.emptied()
    assert storage.on_disk() == {"layers/1"}
    assert (storage.layers.path("a") / "hello").read_text() == "world"
    again = await storage.reopened()
    storage.records = again.records
    assert again.layers.has("a")


async def test_a_removal_that_is_cancelled_is_whole_all_the_same(storage: Storage) -> None:
    await storage.layer("a")
    await storage.layer("b", "a")
    task = asyncio.create_task(storage.layers.remove("b"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await storage.layers.remove("a")
    await storage.layers.trash.emptied()
    assert storage.on_disk() == set()


async def test_the_same_layer_committed_twice_at_once(storage: Storage) -> None:
    await asyncio.gather(storage.layer("a", hello="one"), storage.layer("a", hello="two"))
    await storage.layers.trash.emptied()
    assert storage.on_disk() == {"layers/1"}


async def test_only_a_staged_directory_is_committed_or_discarded(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not a staged layer"):
        storage.layers.discard(tmp_path)
    with pytest.raises(EngineError, match="is not a staged layer"):
        await storage.layers.commit(tmp_path, chain_id="a", parent=None, diff_id="d", size=0)
    assert tmp_path.exists()


async def test_a_staged_directory_is_readable_by_every_user_of_the_container(storage: Storage) -> None:
    mask = os.umask(0o077)
    try:
        assert storage.layers.stage().stat().st_mode & 0o777 == 0o755
        await storage.snapshots.create("c", None)
        assert storage.snapshots.upper("c").stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(mask)


async def test_a_layer_in_use_is_not_removed(storage: Storage) -> None:
    await storage.layer("a")
    await storage.layer("b", "a")
    await storage.snapshots.create("c", "b")
    for name in ("a", "b"):
        with pytest.raises(Conflict, match=f"layer {name} is in use"):
            await storage.layers.remove(name)
    await storage.snapshots.remove("c")
    await storage.layers.remove("b")
    await storage.layers.remove("a")
    await storage.layers.trash.emptied()
    assert storage.on_disk() == set()


async def test_use_is_known_after_a_restart(storage: Storage) -> None:
    await storage.layer("a")
    await storage.layer("b", "a")
    await storage.snapshots.create("c", "b")
    again = await storage.reopened()
    storage.records = again.records
    assert again.layers.in_use("a")
    assert again.layers.in_use("b")
    assert again.snapshots.rootfs("c") == storage.snapshots.rootfs("c")
    await again.snapshots.create("d", "b")
    assert again.snapshots.upper("d") != again.snapshots.upper("c")


async def test_what_a_crash_left_is_swept_and_what_is_known_stays(storage: Storage) -> None:
    await storage.layer("a", hello="world")
    await storage.snapshots.create("c", "a")
    kept = storage.on_disk()
    (storage.snapshots.upper("c") / "mine").write_text("x")
    storage.layers.stage()  # a pull that was cut off
    (storage.instance.layers / "7").mkdir()  # renamed, but its row never came
    (storage.instance.layers / "7.init").mkdir()
    (storage.instance.root / "snapshots" / "9" / "upper").mkdir(parents=True)
    (storage.instance.staging / "trash-1234").mkdir()
    (storage.instance.staging / "blob-1234").mkdir()  # of another room
    again = await storage.reopened()
    storage.records = again.records
    await again.layers.trash.emptied()
    assert again.on_disk() == kept | {"staging/blob-1234"}
    assert (again.snapshots.upper("c") / "mine").read_text() == "x"


async def test_a_snapshot_is_made_once(storage: Storage) -> None:
    await storage.snapshots.create("c", None)
    with pytest.raises(Conflict):
        await storage.snapshots.create("c", None)


async def test_a_snapshot_on_a_missing_layer_leaves_nothing(storage: Storage) -> None:
    with pytest.raises(NotFound):
        await storage.snapshots.create("c", "a")
    await storage.snapshots.remove("c")
    with pytest.raises(NotFound, match="container c has no file system"):
        storage.snapshots.rootfs("c")
    assert storage.on_disk() == set()


async def test_removing_a_snapshot(storage: Storage) -> None:
    await storage.layer("a")
    await storage.snapshots.create("c", "a")
    (storage.snapshots.upper("c") / "big").mkdir()
    await storage.snapshots.remove("c")
    assert not (storage.instance.root / "snapshots" / "1").exists(), "gone at once"
    await storage.snapshots.remove("c")
    await storage.layers.trash.emptied()
    assert storage.on_disk() == {"layers/1", "layers/1.init"}
    again = await storage.reopened()
    storage.records = again.records
    with pytest.raises(NotFound):
        again.snapshots.rootfs("c")


async def test_a_removal_that_a_crash_cut_off_is_finished(storage: Storage) -> None:
    await storage.layer("a")
    await storage.snapshots.create("c", "a")
    await storage.snapshots.create("d", "a")
    shutil.rmtree(storage.instance.root / "snapshots" / "1")  # renamed away, and the row's deletion never came
    again = await storage.reopened()
    storage.records = again.records
    assert (again.snapshots.has("c"), again.snapshots.has("d")) == (False, True)
    await again.snapshots.create("c", "a")
    await again.snapshots.remove("c")
    await again.snapshots.remove("d")
    await again.layers.remove("a")


async def test_the_plan_is_short_and_the_init_layer_lies_on_top(storage: Storage) -> None:
    await storage.layer("a")
    await storage.layer("b", "a")
    await storage.snapshots.create("c", "b")
    plan = storage.snapshots.rootfs("c")
    assert plan.base == storage.instance.layers
    assert [str(item) for item in plan.lower] == ["2.init", "2", "1"]
    assert str(plan.upper) == "../snapshots/1/upper"
    assert (plan.base / plan.upper).is_dir()
    assert (plan.base / plan.work).is_dir()
    assert plan.target.is_dir()
    assert not list(plan.target.iterdir())


async def test_the_longest_chain_fits_into_one_page(storage: Storage) -> None:
    """127 layers are the most that Docker allows."""
    parent = None
    for number in range(127):
        await storage.layer(str(number), parent)
        parent = str(number)
    await storage.snapshots.create("c", parent)
    assert len(storage.snapshots.rootfs("c").data()) < 1024


async def test_the_init_layer_has_what_the_image_lacks(storage: Storage) -> None:
    await storage.layer("a")
    init = storage.instance.layers / storage.layers.lower("a")[0]
    assert {str(path.relative_to(init)) for path in init.rglob("*")} == {
        ".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab",
        "etc/resolv.conf", "proc", "sys",
    }  # fmt: skip
    assert os.readlink(init / "etc/mtab") == "/proc/mounts"


async def test_the_init_layer_keeps_the_images_directories_as_they_are(storage: Storage) -> None:
    staged = storage.layers.stage()
    for name in ("etc", "proc", "dev", "dev/pts"):
        (staged / name).mkdir(0o750)
    os.utime(staged / "etc", ns=(1_000_000_000, 2_000_000_000))
    await storage.layers.commit(staged, chain_id="a", parent=None, diff_id="d", size=0)
    init = storage.instance.layers / storage.layers.lower("a")[0]
    assert not (init / "proc").exists()
    assert not (init / "dev/pts").exists()
    status = (init / "etc").stat()
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o750, 2_000_000_000)


async def test_a_symbolic_link_of_the_image_is_covered_not_followed(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    staged = storage.layers.stage()
    (staged / "etc").symlink_to(outside)
    (staged / "dev").mkdir()
    (staged / "dev/shm").symlink_to("/run/shm")
    await storage.layers.commit(staged, chain_id="a", parent=None, diff_id="d", size=0)
    init = storage.instance.layers / storage.layers.lower("a")[0]
    assert not (init / "etc").is_symlink()
    assert (init / "dev/shm").is_dir()
    assert not (init / "dev/shm").is_symlink()
    assert not list(outside.iterdir())


async def test_an_init_layer_that_a_power_cut_emptied_is_made_again(storage: Storage) -> None:
    await storage.layer("a")
    init = storage.instance.layers / storage.layers.lower("a")[0]
    (init / "etc/hosts").unlink()
    again = await storage.reopened()
    storage.records = again.records
    again.layers.lower("a")
    assert init_layer.is_complete(str(init), init_layer.plan((str(again.layers.path("a")),)))


async def test_sizes(storage: Storage) -> None:
    await storage.layer("a", big="x" * 1000)
    await storage.snapshots.create("c", "a")
    assert storage.snapshots.size("c") == 0
    upper = storage.snapshots.upper("c")
    (upper / "one").write_bytes(b"x" * 300)
    os.link(upper / "one", upper / "two")
    (upper / "folder").mkdir()
    (upper / "folder/three").write_bytes(b"x" * 20)
    assert storage.snapshots.size("c") == 320
