"""A power cut: the engine begins anew on a copy of its disk that was taken in the middle of an operation, with nothing
flushed for it. What was acknowledged before the cut is there, records and files agree, nothing is left over."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernel_engine.client import APIError, EngineUnreachable
from labs.grading.engines import Engines, forked
from tests.busybox_registry import receiving_registry
from tests.conftest import needs_root
from tests.daemon import Daemon
from tests.faults.audit import settled
from tests.faults.disks import cut_off, ext4, mounted, needs_loop_devices
from tests.faults.forking import forked_daemon
from tests.faults.operations import OPERATIONS, Operation, World

pytestmark = [needs_root, needs_loop_devices, pytest.mark.full, pytest.mark.timeout(600)]
#: seconds into the operation; None: when it has been acknowledged
MOMENTS = (None, 0.01, 0.05, 0.15, 0.4)
#: what changes the disk
NAMES = (
    "run -d", "rm -f", "rename", "update", "commit", "pull", "build", "load", "rmi", "volume create", "volume rm",
    "network create", "network rm", "compose up", "compose down",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where engines are cut off, one after the other."""

    engines: Engines
    place: Path
    mirror: str
    registry: str
    image: Path  #: a disk with the root of an engine that has pulled all that it needs

    def world(self, daemon: Daemon) -> World:
        return World(daemon=daemon, place=self.place, registry=self.registry)


@pytest.fixture(scope="module")
def bench(busybox_mirror: str) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory, receiving_registry() as pushed:
        place = Path(directory)
        with forked() as engines:
            made = Bench(
                engines=engines, place=place, mirror=busybox_mirror, registry=pushed.address, image=place / "pulled"
            )
            with (
                ext4(made.image, place / "root", 200),
                forked_daemon(engines, place, busybox_mirror, kept=True) as daemon,
            ):
                made.world(daemon).pull()
            yield made


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_power_cut(bench: Bench, name: str, moment: float | None) -> None:
    operation = OPERATIONS[name]
    image, copy, root = bench.place / "image", bench.place / "copy", bench.place / "root"
    subprocess.run(("cp", "--sparse=always", str(bench.image), str(image)), check=True)
    with mounted(image, root), forked_daemon(bench.engines, bench.place, bench.mirror) as daemon:
        world = bench.world(daemon)
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
    with mounted(copy, root), forked_daemon(bench.engines, bench.place, bench.mirror) as daemon:
        world = bench.world(daemon)
        world.told = told
        assert settled(daemon) == []
        assert not operation.check(world)
        (operation.again or operation.act)(world)
        assert settled(daemon) == []


def _act(operation: Operation, world: World) -> None:
    with suppress(APIError, EngineUnreachable):
        operation.act(world)
