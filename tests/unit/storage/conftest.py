"""A storage of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.storage import layers, snapshots
from kernel_engine.storage.layers import Layers
from kernel_engine.storage.snapshots import Snapshots


@dataclass(slots=True)
class Storage:
    instance: Instance
    records: Records
    layers: Layers
    snapshots: Snapshots

    @classmethod
    async def open(cls, instance: Instance) -> Storage:
        instance.root.mkdir(exist_ok=True)
        records = Records(instance.database, (layers.SCHEMA, snapshots.SCHEMA))
        layer_store = Layers(instance, records)
        await layer_store.load()
        snapshot_store = Snapshots(instance, records, layer_store)
        await snapshot_store.load()
        return cls(instance, records, layer_store, snapshot_store)

    async def reopened(self) -> Storage:
        """As the next daemon finds it. Nothing of this one is closed properly but its thread."""
        self.records.close()
        return await self.open(self.instance)

    async def layer(self, name: str, parent: str | None = None, **files: str) -> Path:
        """Commits a layer with these files; its path."""
        staged = self.layers.stage()
        for path, text in files.items():
            (staged / path).write_text(text)
        await self.layers.commit(staged, chain_id=name, parent=parent, diff_id=f"diff-{name}", size=7)
        return self.layers.path(name)

    def on_disk(self) -> set[str]:
        root = self.instance.root
        return {
            str(path.relative_to(root))
            for folder in ("layers", "snapshots", "staging")
            for path in (root / folder).iterdir()
        }


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    opened = await Storage.open(Instance.at(tmp_path / "root", tmp_path / "run"))
    yield opened
    await opened.layers.trash.emptied()
    opened.records.close()
