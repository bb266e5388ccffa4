"""Directories that RUN --mount=type=cache keeps."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from kernel_engine.build.cache_mounts import UPPER, CacheMounts

MINE = (os.getuid(), os.getgid())


async def test_a_cache_is_kept_by_its_id(tmp_path: Path) -> None:
    caches = CacheMounts(tmp_path)
    async with caches.use("apt", "shared", beneath="", mode=0o700, owner=MINE) as first:
        (first / UPPER / "file").write_text("kept")
        assert (first / UPPER).stat().st_mode & 0o777 == 0o700
        async with caches.use("apt", "shared", beneath="", mode=0o755, owner=MINE) as same:
            assert same == first
    async with CacheMounts(tmp_path).use("apt", "locked", beneath="", mode=0o755, owner=MINE) as later:
        assert (later / UPPER / "file").read_text() == "kept"
    async with caches.use("pip", "shared", beneath="", mode=0o755, owner=MINE) as other:
        assert other != first
    async with caches.use("apt", "shared", beneath="sha256:1", mode=0o755, owner=MINE) as based:
        assert based != first


async def test_private_ones_are_apart_while_they_are_used(tmp_path: Path) -> None:
    caches = CacheMounts(tmp_path)
    use = partial(caches.use, "c", "private", beneath="", mode=0o755, owner=MINE)
    async with use() as first, use() as second:
        assert first != second
    async with use() as again:
        assert again == first


async def test_a_locked_one_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    caches = CacheMounts(tmp_path)
    inside: list[int] = []

    async def use(number: int) -> None:
        async with caches.use("c", "locked", beneath="", mode=0o755, owner=MINE):
            inside.append(number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            inside.remove(number)

    await asyncio.gather(*(use(number) for number in range(20)))


async def test_one_that_starts_from_an_image_is_never_mounted_twice(tmp_path: Path) -> None:
    caches = CacheMounts(tmp_path)
    second = caches.use("c", "shared", beneath="sha256:1", mode=0o755, owner=MINE)
    async with caches.use("c", "shared", beneath="sha256:1", mode=0o755, owner=MINE):
        waiting = asyncio.ensure_future(second.__aenter__())
        await asyncio.sleep(0.01)
        assert not waiting.done()
    await waiting
    await second.__aexit__(None, None, None)


async def test_pruning_leaves_what_is_in_use(tmp_path: Path) -> None:
    caches = CacheMounts(tmp_path)
    async with caches.use("old", "shared", beneath="", mode=0o755, owner=MINE) as old:
        (old / UPPER / "big").write_bytes(b"x" * 100_000)
    async with caches.use("new", "shared", beneath="", mode=0o755, owner=MINE) as new:
        assert await caches.prune() >= 100_000
        assert new.exists()
        assert not old.exists()
    assert await CacheMounts(tmp_path / "none").prune() == 0
