"""The directories of RUN --mount=type=cache: kept from build to build, never part of an image."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

#: overlayfs's two directories; a cache without an image beneath uses the first one alone
UPPER, WORK = "upper", "work"


class CacheMounts:
    """Under one directory, one for each id; `private` ones that are in use get a number."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._in_use: Counter[str] = Counter()
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def use(
        self, id: str, sharing: str, *, beneath: str, mode: int, owner: tuple[int, int]
    ) -> AsyncIterator[Path]:
        """The directory that holds UPPER and WORK. `beneath`: the image that the cache starts from, "" = empty.

        shared: any number of steps at a time; locked: one after the other; private: each its own.
        mode and owner count when the directory is made.
        """
        name = hashlib.sha256(f"{id}\0{beneath}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
        # two mounts of one upper directory would be undefined (overlayfs documentation)
        alone = sharing == "locked" or (sharing == "shared" and bool(beneath))
        if sharing == "private":
            name = self._free(name)
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._in_use[name] += 1
        try:
            if alone:
                await lock.acquire()
            try:
                yield self._made(name, mode, owner)
            finally:
                if alone:
                    lock.release()
        finally:
            self._in_use[name] -= 1
            if not self._in_use[name]:
                del self._in_use[name], self._locks[name]

    async def prune(self) -> int:
        """Deletes what no step uses. The bytes that are free now."""
        return await asyncio.to_thread(self._prune)

    def _free(self, name: str) -> str:
        number, found = 0, name
        while self._in_use[found]:
            number += 1
            found = f"{name}.{number}"
        return found

    def _made(self, name: str, mode: int, owner: tuple[int, int]) -> Path:
        directory = self._root / name
        if not directory.exists():
            os.makedirs(self._root, mode=0o710, exist_ok=True)
            fresh = self._root / f"{name}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            for part in (UPPER, WORK):
                os.makedirs(fresh / part)
            os.chmod(fresh / UPPER, mode)
            os.chown(fresh / UPPER, *owner)
            fresh.rename(directory)
        return directory

    def _prune(self) -> int:
        freed = 0
        for directory in self._root.iterdir() if self._root.exists() else ():
            if not self._in_use[directory.name]:
                freed += _size(directory)
                shutil.rmtree(directory, ignore_errors=True)
        return freed


def _size(directory: Path) -> int:
    """Bytes on the disk."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
