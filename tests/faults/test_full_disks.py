"""A disk that is full: one sentence, what was begun is undone, the daemon lives on, and all works when there is room
again. What is to make room works on a disk without a free byte."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.client import APIError
from tests.busybox_registry import receiving_registry
from tests.conftest import needs_root
from tests.daemon import running_daemon
from tests.faults.audit import settled
from tests.faults.disks import ext4, filled, needs_loop_devices
from tests.faults.operations import OPERATIONS, World

pytestmark = [needs_root, needs_loop_devices, pytest.mark.full, pytest.mark.timeout(1200)]
REFUSAL = "no space left on device"
#: what makes room, and what needs none
ALWAYS = ("stop", "rm -f", "rmi", "volume rm", "network rm", "network disconnect", "compose down", "exec")
#: bytes that are free
LEFT = (0, 100_000, 300_000, 1_000_000)


@pytest.fixture(scope="module")
def small(busybox_mirror: str) -> Iterator[tuple[World, Path]]:
    """An engine on a disk of 64 MB."""
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory, receiving_registry() as pushed:
        place = Path(directory)
        with ext4(place / "image", place / "root", 64) as disk, running_daemon(place, (busybox_mirror,)) as daemon:
            world = World(daemon=daemon, place=place, registry=pushed.address)
            world.pull()
            yield world, disk


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_full_disk(small: tuple[World, Path], name: str, left: int) -> None:
    world, disk = small
    operation = OPERATIONS[name]
    world.empty()
    operation.prepare(world)
    world.told.clear()
    said = ""
    with filled(disk, left):
        try:
            operation.act(world)
        except APIError as error:
            said = error.message
        assert world.api.get("/_ping").read() == b"OK"
    assert not said or REFUSAL in said
    assert not (said and name in ALWAYS), said
    assert settled(world.daemon) == []
    assert not operation.check(world)
    (operation.again or operation.act)(world)
    assert settled(world.daemon) == []
    assert not operation.check(world)
