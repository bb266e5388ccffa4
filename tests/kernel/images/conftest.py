"""An image store of the test's own over real layers, and registries to pull from."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kernel_engine.images import store
from kernel_engine.images.registry import Timeouts
from kernel_engine.images.store import Images
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.storage import layers
from kernel_engine.storage.layers import Layers
from kernel_engine.workers.pool import Workers
from tests.kernel.images.double import Double, running

#: never resolves (RFC 2606)
NOWHERE = "https://registry.invalid"
QUICK = Timeouts(connect=2.0, idle=0.5, attempts=2, pause=0.05)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if os.geteuid() != 0 and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="owners, devices and trusted attributes need root"))


class Shop:
    """One instance's images, opened from its directory as the engine does."""

    def __init__(self, root: Path, images: Images, layer_store: Layers, records: Records) -> None:
        self.root, self.images, self.layers, self.records = root, images, layer_store, records

    async def settled(self) -> dict[str, list[str]]:
        """What is on the disk once everything thrown away is gone."""
        await self.layers.trash.emptied()
        return {
            name: sorted(os.listdir(self.root / name))
            for name in ("layers", "staging", "blobs/sha256", "blobs/partial")
        }

    def path(self, reference: str) -> Path:
        """The topmost layer of an image, unpacked."""
        chain = self.images.get(reference).chain_id
        assert chain is not None
        return self.layers.path(chain)


@asynccontextmanager
async def opened(
    root: Path, *, mirrors: tuple[str, ...] = (), hub: str = NOWHERE, timeouts: Timeouts = QUICK
) -> AsyncIterator[Shop]:
    instance = Instance.at(root, root / "run")
    for directory in (instance.blobs, instance.layers, instance.staging):
        directory.mkdir(parents=True, exist_ok=True)
    records = Records(instance.database, (layers.SCHEMA, store.SCHEMA))
    workers = Workers("kernel_engine.images.worker")
    try:
        layer_store = Layers(instance, records)
        await layer_store.load()
        images = Images(instance, records, layer_store, workers, mirrors=mirrors, timeouts=timeouts, hub=hub)
        await images.open()
        yield Shop(root, images, layer_store, records)
        await layer_store.trash.emptied()
    finally:
        await workers.close()
        records.close()


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with running() as registry:
        yield registry


@pytest.fixture
async def shop(tmp_path: Path, double: Double) -> AsyncIterator[Shop]:
    """Its mirror is `double`."""
    async with opened(tmp_path / "root", mirrors=(double.address,)) as opened_shop:
        yield opened_shop


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's docker-registry, empty: `127.0.0.1:PORT`."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    home = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = home / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {home}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait_for(port, lambda: process.poll() is None)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, alive: Callable[[], bool]) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert alive(), "the registry ended"
            time.sleep(0.05)
    raise AssertionError("the registry does not answer")
