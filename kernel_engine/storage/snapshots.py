"""A container's own files: a writable directory above an image's layers, `snapshots/<number>`.

Making one is four mkdir(2) and a row; nothing is copied and nothing is mounted here: `rootfs` says what is to be
mounted, and the container mounts it inside its own namespace.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kernel_engine.errors import Conflict, NotFound
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.storage import changes as comparing
from kernel_engine.storage.changes import Change
from kernel_engine.storage.layers import Layers
from kernel_engine.storage.origins import Origin, origins
from kernel_engine.storage.overlay import PLAIN
from kernel_engine.storage.refusal import refusal
from kernel_engine.syscalls.files import fsync_directory

_log = logging.getLogger(__name__)
SCHEMA = """
CREATE TABLE IF NOT EXISTS snapshots (
    number INTEGER PRIMARY KEY,
    container_id TEXT NOT NULL UNIQUE,
    chain_id TEXT REFERENCES layers (chain_id)
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayPlan:
    """An overlay to be mounted. `lower` (topmost first), `upper` and `work` are relative to `base`."""

    base: Path
    lower: tuple[PurePosixPath, ...]
    upper: PurePosixPath
    work: PurePosixPath
    target: Path  #: an existing empty directory
    store: Path  #: all of these lie beneath it, on its file system
    volatile: bool = False  #: nothing need survive a power cut: fsync(2) does nothing (Linux 5.10)

    def data(self) -> str:
        """The option string of mount(2), for a mount done with `base` as the working directory."""
        lower = ":".join(map(str, self.lower))
        more = ",volatile" if self.volatile else ""
        return f"lowerdir={lower},upperdir={self.upper},workdir={self.work},{PLAIN}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    number: int
    container_id: str
    chain_id: str | None
    volatile: bool = False


class Snapshots:
    """The snapshots of one instance. `load` before anything else.

    Rows are queued, not waited for: the caller's own transaction (the container's record) follows in the same queue,
    so that it is never on disk without them.
    """

    SCHEMA = SCHEMA

    def __init__(self, instance: Instance, records: Records, layers: Layers) -> None:
        self._root = instance.root / "snapshots"
        self._base = instance.layers
        self._records = records
        self._layers = layers
        self._snapshots: dict[str, _Snapshot] = {}
        self._next = 1
        self._writing: set[asyncio.Future[Any]] = set()

    async def load(self) -> None:
        """Reads the rows; sweeps directories that a crash left without one, and rows whose directory a removal that
        was cut off has taken away already (`has` tells)."""
        self._root.mkdir(mode=0o710, parents=True, exist_ok=True)
        statement = "SELECT number, container_id, chain_id FROM snapshots"
        rows = await self._records.transact(lambda connection: connection.execute(statement).fetchall())
        for row in rows:
            snapshot = _Snapshot(**dict(row))
            if not (self._root / str(snapshot.number)).exists():
                self._write("DELETE FROM snapshots WHERE number = ?", (snapshot.number,))
                continue
            self._snapshots[snapshot.container_id] = snapshot
            self._layers.hold(snapshot.chain_id)
            self._next = max(self._next, snapshot.number + 1)
        known = {str(snapshot.number) for snapshot in self._snapshots.values()}
        for name in os.listdir(self._root):
            if name not in known:
                self._layers.trash.discard(self._root / name)

    async def keep_only(self, container_ids: Collection[str]) -> bool:
        """Removes those of other containers: of a create that was cut off. Whether there were any."""
        lost = [container_id for container_id in self._snapshots if container_id not in container_ids]
        for container_id in lost:
            await self.remove(container_id)
        return bool(lost)

    async def create(self, container_id: str, chain_id: str | None, *, recorded: bool = True) -> None:
        """An empty writable layer on the image whose topmost layer is `chain_id` (None: on nothing).

        One that is not recorded is swept by the next daemon.
        """
        if container_id in self._snapshots:
            raise Conflict(f"container {container_id} has a file system already")
        self._layers.hold(chain_id)
        snapshot = _Snapshot(number=self._next, container_id=container_id, chain_id=chain_id, volatile=not recorded)
        self._next += 1
        directory = self._root / str(snapshot.number)
        try:
            self._layers.lower(chain_id)
            for path, mode in (("", 0o710), ("upper", 0o755), ("work", 0o700), ("merged", 0o700)):
                os.mkdir(directory / path, mode)
            os.chmod(directory / "upper", 0o755)  # the root of the container's file system, whatever the umask
        except OSError as error:
            self._layers.let_go(chain_id)
            self._layers.trash.discard(directory)
            raise refusal("create the container's file system", error) from error
        self._snapshots[container_id] = snapshot
        if not recorded:
            return
        self._write(
            "INSERT INTO snapshots (number, container_id, chain_id) VALUES (?, ?, ?)",
            (snapshot.number, container_id, chain_id),
        )

    def sync(self, container_id: str) -> None:
        """Its directories survive a power cut when this returns. Blocks: to be called in a thread. NoSpace."""
        try:
            for path in (self._root / str(self._get(container_id).number), self._root):
                fsync_directory(str(path))
        except OSError as error:
            raise refusal("create the container's file system", error) from error

    def has(self, container_id: str) -> bool:
        """False after `remove`, also after one that a crash cut off: the container is to be removed too."""
        return container_id in self._snapshots

    def rootfs(self, container_id: str) -> OverlayPlan:
        snapshot = self._get(container_id)
        beside = PurePosixPath("..", "snapshots", str(snapshot.number))
        return OverlayPlan(
            base=self._base,
            lower=tuple(map(PurePosixPath, self._layers.lower(snapshot.chain_id))),
            upper=beside / "upper",
            work=beside / "work",
            target=self._root / str(snapshot.number) / "merged",
            store=self._root.parent,
            volatile=snapshot.volatile,
        )

    def directories(self, container_id: str) -> dict[str, str]:
        """The overlay's directories under the names that Docker's inspect has for them."""
        plan = self.rootfs(container_id)
        return {
            "LowerDir": ":".join(os.path.normpath(plan.base / lower) for lower in plan.lower),
            "MergedDir": str(plan.target),
            "UpperDir": os.path.normpath(plan.base / plan.upper),
            "WorkDir": os.path.normpath(plan.base / plan.work),
        }

    def upper(self, container_id: str) -> Path:
        """The directory with the container's own changes, in overlayfs's format."""
        return self._root / str(self._get(container_id).number) / "upper"

    def chain_id(self, container_id: str) -> str | None:
        return self._get(container_id).chain_id

    async def remove(self, container_id: str) -> None:
        """Gone when this returns; its bytes are deleted by a thread. Removing what does not exist is no error."""
        snapshot = self._snapshots.pop(container_id, None)
        if snapshot is None:
            return
        self._layers.trash.discard(self._root / str(snapshot.number))
        self._layers.let_go(snapshot.chain_id)
        self._write("DELETE FROM snapshots WHERE number = ?", (snapshot.number,))

    @staticmethod
    def unrecord(connection: sqlite3.Connection, container_id: str) -> None:
        """For the transaction that ends the container's record: `remove` may have met a full disk."""
        connection.execute("DELETE FROM snapshots WHERE container_id = ?", (container_id,))

    def discard(self, directory: Path) -> None:
        """Takes a directory of the instance from its place now; its bytes are deleted by a thread."""
        self._layers.trash.discard(directory)

    def changes(self, container_id: str) -> tuple[Change, ...]:
        """As `docker diff` prints, sorted by path. Reads the disk: to be called in a thread."""
        snapshot = self._get(container_id)
        lower = tuple(f"{self._base}/{name}" for name in self._layers.lower(snapshot.chain_id))
        return comparing.changes(str(self.upper(container_id)), lower)

    def places(self, container_id: str) -> tuple[Path, ...]:
        """The directories that its file system is made of, topmost first: its own, the init layer, the image's."""
        names = self._layers.lower(self._get(container_id).chain_id)
        return (self.upper(container_id), *(self._base / name for name in names))

    def origins(self, container_id: str, path: str) -> tuple[Origin, ...]:
        """Which of `places` the names in a directory (relative, "" = root) come from. Reads the disk: in a thread."""
        return origins(tuple(map(str, self.places(container_id))), path)

    def size(self, container_id: str) -> int:
        """Bytes that the container wrote. Reads the disk: to be called in a thread."""
        return comparing.size(str(self.upper(container_id)))

    def _get(self, container_id: str) -> _Snapshot:
        try:
            return self._snapshots[container_id]
        except KeyError:
            raise NotFound(f"container {container_id} has no file system") from None

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        future = self._records.follow(write)
        self._writing.add(future)
        future.add_done_callback(self._written)

    def _written(self, future: asyncio.Future[Any]) -> None:
        """A row that was refused: the container's own record, next in the queue, meets the same disk and tells."""
        self._writing.discard(future)
        if future.cancelled() or (error := future.exception()) is None:
            return
        if isinstance(error, sqlite3.Error):
            _log.warning("a snapshot's row could not be written: %s", error)
        else:
            context = {"message": "a snapshot's row could not be written", "exception": error}
            future.get_loop().call_exception_handler(context)
