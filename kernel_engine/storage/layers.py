"""Unpacked image layers: one directory each, `layers/<number>`, in overlayfs's own format (whiteouts are devices 0/0).

A layer is named by its chain id (OCI image-spec, config.md, "Layer ChainID"); the number keeps mount(2)'s option
string short. A layer on disk without a row does not exist: the row is written last. Unpacking archives is `images`'.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_engine.errors import Conflict, EngineError, NotFound
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.storage import changes as comparing
from kernel_engine.storage import init_layer, overlay
from kernel_engine.storage.changes import Change
from kernel_engine.storage.refusal import refusal
from kernel_engine.storage.trash import STAGED, Trash
from kernel_engine.syscalls.files import fsync_directory, syncfs

SCHEMA = """
CREATE TABLE IF NOT EXISTS layers (
    number INTEGER PRIMARY KEY,
    chain_id TEXT NOT NULL UNIQUE,
    parent TEXT REFERENCES layers (chain_id),
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS layers_by_parent ON layers (parent);
"""
_INIT = ".init"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One unpacked layer and what it stands on."""

    number: int
    chain_id: str
    parent: str | None
    diff_id: str
    size: int  #: bytes of its files, as told at `commit`


class Layers:
    """The layers of one instance. `load` before anything else."""

    SCHEMA = SCHEMA

    def __init__(self, instance: Instance, records: Records) -> None:
        self.trash = Trash(instance.staging)
        self.root = instance.layers
        self._staging = instance.staging
        self._records = records
        self._layers: dict[str, Layer] = {}
        self._next = 1
        self._children: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._prepared: set[str | None] = set()
        self._committing = asyncio.Lock()

    async def load(self) -> None:
        """Reads the rows and sweeps directories that a crash left without one."""
        for directory in (self.root, self._staging):
            directory.mkdir(mode=0o710, parents=True, exist_ok=True)
        rows = await self._records.transact(lambda connection: connection.execute("SELECT * FROM layers").fetchall())
        for row in rows:
            self._keep(Layer(**dict(row)))
        known = {str(layer.number) for layer in self._layers.values()} | {"0"}
        for name in os.listdir(self.root):
            if name.removesuffix(_INIT) not in known:
                self.trash.discard(self.root / name)
        self.trash.sweep()

    # reading ----------------------------------------------------------------------------------------------------
    def has(self, chain_id: str) -> bool:
        return chain_id in self._layers

    def path(self, chain_id: str) -> Path:
        """The unpacked directory. Not to be written to."""
        return self.root / str(self._get(chain_id).number)

    def size(self, chain_id: str) -> int:
        """Bytes of this layer's own files, without its parents."""
        return self._get(chain_id).size

    def changes(self, chain_id: str) -> tuple[Change, ...]:
        """What the layer adds, changes and deletes, sorted by path. Reads the disk: to be called in a thread."""
        layer = self._get(chain_id)
        return comparing.changes(str(self.path(chain_id)), self.paths(layer.parent))

    def chain(self, chain_id: str | None) -> tuple[Layer, ...]:
        """The layer and everything beneath it, topmost first; () for None."""
        layers: list[Layer] = []
        while chain_id is not None:
            layers.append(self._get(chain_id))
            chain_id = layers[-1].parent
        return tuple(layers)

    def paths(self, chain_id: str | None) -> tuple[str, ...]:
        """The directories of `chain`, topmost first."""
        return tuple(f"{self.root}/{layer.number}" for layer in self.chain(chain_id))

    # a new layer ------------------------------------------------------------------------------------------------
    def stage(self) -> Path:
        """A new empty directory (mode 0755) on the same file system, for `commit` or `discard`."""
        path = Path(tempfile.mkdtemp(prefix=STAGED, dir=self._staging))
        path.chmod(0o755)
        return path

    def take(self, directory: Path) -> Path:
        """Stages a directory of this file system that holds what a layer shall hold; it is gone from its place."""
        path = self._staging / f"{STAGED}{secrets.token_hex(8)}"
        directory.rename(path)
        return path

    def discard(self, staged: Path) -> None:
        """Throws a staged directory away; it may be gone."""
        self._check_staged(staged)
        self.trash.discard(staged)

    async def commit(
        self,
        staged: Path,
        *,
        chain_id: str,
        parent: str | None,
        diff_id: str,
        size: int,
        implied: tuple[str, ...] = (),
    ) -> None:
        """Makes a staged directory a layer; it survives a power cut when this returns. The staged directory is gone
        afterwards, also where the layer existed already or an error is raised.

        implied: relative paths of directories that the archive did not list but its files needed; they look as the
        directories beneath. NotFound for a parent that is missing, NoSpace for a full disk.
        """
        self._check_staged(staged)
        await _whole(self._commit(staged, chain_id, parent, diff_id, size, implied))

    async def _commit(
        self, staged: Path, chain_id: str, parent: str | None, diff_id: str, size: int, implied: tuple[str, ...]
    ) -> None:
        try:
            async with self._committing:
                if chain_id in self._layers:
                    return
                beneath = self.paths(parent)
                layer = Layer(number=self._next, chain_id=chain_id, parent=parent, diff_id=diff_id, size=size)
                self._next += 1
                final = self.root / str(layer.number)
                try:
                    await asyncio.to_thread(_settle, staged, final, beneath, implied)
                    await self._records.transact(lambda connection: _insert(connection, layer))
                except (OSError, sqlite3.Error) as error:
                    self.trash.discard(final)
                    raise refusal(f"commit layer {chain_id}", error) from error
                self._keep(layer)
        finally:
            with suppress(OSError):
                self.trash.discard(staged)

    async def remove(self, chain_id: str) -> None:
        """Conflict while a child layer or a snapshot stands on it."""
        layer = self._get(chain_id)
        if self.in_use(chain_id):
            raise Conflict(f"layer {chain_id} is in use")
        await _whole(self._remove(layer))

    async def _remove(self, layer: Layer) -> None:
        del self._layers[layer.chain_id]
        try:
            await self._records.transact(
                lambda connection: connection.execute("DELETE FROM layers WHERE number = ?", (layer.number,))
            )
        except sqlite3.Error as error:
            self._layers[layer.chain_id] = layer
            raise refusal(f"remove layer {layer.chain_id}", error) from error
        if layer.parent is not None:
            self._children[layer.parent] -= 1
        self._prepared.discard(layer.chain_id)
        self.trash.discard(self.root / str(layer.number))
        self.trash.discard(self.root / f"{layer.number}{_INIT}")

    def in_use(self, chain_id: str) -> bool:
        return self._children[chain_id] > 0 or self._held[chain_id] > 0

    # for snapshots ----------------------------------------------------------------------------------------------
    def hold(self, chain_id: str | None) -> None:
        """A snapshot stands on this layer: it cannot be removed."""
        if chain_id is not None:
            self._get(chain_id)
            self._held[chain_id] += 1

    def let_go(self, chain_id: str | None) -> None:
        if chain_id is not None:
            self._held[chain_id] -= 1

    def lower(self, chain_id: str | None) -> tuple[str, ...]:
        """Names below the layers' directory for overlay's `lowerdir`, topmost first: the init layer, then the chain.

        Makes the init layer where it is missing, or incomplete after a power cut.
        """
        numbers = tuple(str(layer.number) for layer in self.chain(chain_id))
        name = f"{numbers[0] if numbers else 0}{_INIT}"
        if chain_id not in self._prepared:
            self._prepare(self.root / name, self.paths(chain_id))
            self._prepared.add(chain_id)
        return (name, *numbers)

    def _prepare(self, path: Path, beneath: Sequence[str]) -> None:
        entries = init_layer.plan(beneath)
        if path.exists():
            if init_layer.is_complete(str(path), entries):
                return
            self.trash.discard(path)
        staged = self.stage()
        try:
            init_layer.make(str(staged), entries)
            staged.rename(path)
        except BaseException:
            self.discard(staged)
            raise

    # ------------------------------------------------------------------------------------------------------------
    def _get(self, chain_id: str) -> Layer:
        try:
            return self._layers[chain_id]
        except KeyError:
            raise NotFound(f"layer {chain_id} does not exist") from None

    def _keep(self, layer: Layer) -> None:
        self._layers[layer.chain_id] = layer
        self._next = max(self._next, layer.number + 1)
        if layer.parent is not None:
            self._children[layer.parent] += 1

    def _check_staged(self, staged: Path) -> None:
        if staged.parent != self._staging or not staged.name.startswith(STAGED):
            raise EngineError(f"{staged} is not a staged layer")


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Does all of `work`, also when whoever waits for it is cancelled (a client that went away)."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # told to nobody: the caller is gone
        raise


def _settle(staged: Path, final: Path, beneath: Sequence[str], implied: Sequence[str]) -> None:
    """Everything of a commit that comes before its row: attributes, bytes on the disk, the final name."""
    for path in sorted(implied, key=lambda item: item.count("/"), reverse=True):  # children first: times stay
        found = overlay.look_up_path(beneath, path)
        if found is not None and found.directories:
            overlay.copy_attributes(found, str(staged / path))
    syncfs(str(staged))
    staged.rename(final)
    fsync_directory(str(final.parent))


def _insert(connection: sqlite3.Connection, layer: Layer) -> None:
    connection.execute(
        "INSERT INTO layers (number, chain_id, parent, diff_id, size) VALUES (?, ?, ?, ?, ?)",
        (layer.number, layer.chain_id, layer.parent, layer.diff_id, layer.size),
    )
