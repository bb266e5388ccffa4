"""A power cut: the engine begins anew on a copy of its disk that was taken in the middle of an operation, with nothing
flushed for it. What was acknowledged before the cut is there, records and files agree, nothing is left over."""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kernel_engine.client import APIError, EngineUnreachable
from tests.busybox_registry import receiving_registry
from tests.conftest import needs_root
from tests.daemon import running_daemon
from tests.faults.audit import settled
from tests.faults.disks import cut_off, ext4, mounted, needs_loop_devices
from tests.faults.operations import OPERATIONS, Operation, World

pytestmark = [needs_root, needs_loop_devices, pytest.mark.full, pytest.mark.timeout(600)]
#: seconds into the operation; None: when it has been acknowledged
MOMENTS = (None, 0.01, 0.05, 0.15, 0.4)
#: what changes the disk
NAMES = (
    "run -d", "rm -f", "rename", "update", "commit", "pull", "build", "load", "rmi", "volume create", "volume rm",
    "network create", "network rm", "compose up", "compose down",
)  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_power_cut(busybox_mirror: str, name: str, moment: float | None) -> None:
    operation = OPERATIONS[name]
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory, receiving_registry() as pushed:
        place = Path(directory)
        image, copy, root = place / "image", place / "copy", place / "root"
        with ext4(image, root, 200), running_daemon(place, (busybox_mirror,)) as daemon:
            world = World(daemon=daemon, place=place, registry=pushed.address)
            world.empty()
            operation.prepare(world)
            world.told.clear()
            acting = threading.Thread(target=_act, args=(operation, world))
            acting.start()
            if moment is None:
                acting.join()
            else:
                time.sleep(moment)
            told = dict(world.told)  # before the copy: what is acknowledged meanwhile may be in it or not
            cut_off(image, copy)
            acting.join()
        with mounted(copy, root), running_daemon(place, (busybox_mirror,)) as daemon:
            world = World(daemon=daemon, place=place, registry=pushed.address, told=told)
            assert settled(daemon) == []
            assert not operation.check(world)
            (operation.again or operation.act)(world)
            assert settled(daemon) == []


def _act(operation: Operation, world: World) -> None:
    with suppress(APIError, EngineUnreachable):
        operation.act(world)
