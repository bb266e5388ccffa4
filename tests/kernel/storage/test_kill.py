"""kill -9 at any moment: what was told to be there is there, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernel_engine.paths import Instance

from .conftest import Storage


async def write_for_ever(root: str) -> None:
    """The victim: prints what it may rely on, after each step."""
    storage = await Storage.open(Instance.at(root, f"{root}-run"))
    parent = None
    for number in range(10_000):
        name = f"{root[-1]}{number}"
        await storage.layer(name, parent, content=name)
        print(name, flush=True)
        await storage.snapshots.create(f"c{number}", name)
        if number % 2:
            await storage.snapshots.remove(f"c{number}")
            await storage.layers.remove(name)
            print(f"-{name}", flush=True)
        else:
            parent = name


@pytest.mark.parametrize("milliseconds", [15, 40, 70, 110])
async def test_a_killed_writer(tmp_path: Path, milliseconds: int) -> None:
    root = tmp_path / "x"
    command = f"import asyncio; from {__name__} import write_for_ever; asyncio.run(write_for_ever({str(root)!r}))"
    with subprocess.Popen((sys.executable, "-c", command), stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        told = [victim.stdout.readline().strip()]
        time.sleep(milliseconds / 1000)
        victim.send_signal(signal.SIGKILL)
        told += victim.stdout.read().split()
    storage = await Storage.open(Instance.at(root, f"{root}-run"))
    await storage.layers.trash.emptied()
    gone = {word[1:] for word in told if word.startswith("-")}
    expected = {word for word in told if not word.startswith("-")} - gone
    for name in expected - ({told[-1]} if told else set()):  # the last one may be on its way out
        assert (storage.layers.path(name) / "content").read_text() == name
    for name in gone:
        assert not storage.layers.has(name)
    directories = {path.name for path in storage.instance.layers.iterdir() if not path.name.endswith(".init")}
    rows = await storage.records.transact(lambda c: c.execute("SELECT number, chain_id FROM layers").fetchall())
    assert directories == {str(row["number"]) for row in rows}
    snapshots = await storage.records.transact(lambda c: c.execute("SELECT number FROM snapshots").fetchall())
    present = {path.name for path in (root / "snapshots").iterdir()}
    assert present == {str(row["number"]) for row in snapshots}
    assert not list(storage.instance.staging.iterdir())
    storage.records.close()
