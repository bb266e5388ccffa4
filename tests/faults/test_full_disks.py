"""A disk that is full: one sentence, what was begun is undone, the daemon lives on, and all works when there is room
again. What is to make room works on a disk without a free byte."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.client import APIError
from tests.busybox_registry import receiving_registry
from tests.conftest import needs_root
from tests.daemon import running_daemon
from tests.engine.building import context
from tests.faults.audit import settled
from tests.faults.disks import ext4, filled, needs_loop_devices
from tests.faults.operations import OPERATIONS, Operation, World, archive, commit, is_committed, is_loaded, last

pytestmark = [needs_root, needs_loop_devices, pytest.mark.full, pytest.mark.timeout(1200)]
REFUSAL = "no space left on device"
#: what makes room, and what needs none
ALWAYS = ("stop", "rm -f", "rmi", "volume rm", "network rm", "network disconnect", "compose down", "exec")
#: bytes that are free
LEFT = (0, 100_000, 300_000, 1_000_000)
#: the same for 3 MB that come: it is full in their middle, and for `build` and `load`, which have them twice, after it
LEFT_OF_LARGE = (500_000, 1_500_000, 2_500_000, 3_300_000, 4_500_000)
LARGE = os.urandom(3_000_000)


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
    said = _try(*small, OPERATIONS[name], left)
    assert not said or REFUSAL in said
    assert not (said and name in ALWAYS), said


def _try(world: World, disk: Path, operation: Operation, left: int) -> str:
    """What the operation is told. All that must be so afterwards, whatever it was, is asserted here."""
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
    assert settled(world.daemon) == []
    assert not operation.check(world)
    (operation.again or operation.act)(world)
    assert settled(world.daemon) == []
    assert not operation.check(world)
    return said


# 3 MB that do not fit ------------------------------------------------------------------------------------------------
def _send(world: World) -> None:
    data = context({"large": LARGE})
    world.api.put("/containers/server/archive", query={"path": "/tmp"}, body=data).close()
    world.told["sent"] = True


def _is_sent(world: World) -> str:
    """Acknowledged, it is whole. What a copy had written before it was refused stays, as with Docker."""
    found = world.api.get("/containers/server/archive", query={"path": "/tmp"}).read()
    with tarfile.open(fileobj=io.BytesIO(found)) as archive:
        sizes = [item.size for item in archive if item.name == "tmp/large"]
    return f"sizes: {sizes}" if "sent" in world.told and sizes != [len(LARGE)] else ""


def _a_server(world: World) -> None:
    world.run("server")


def _a_large_server(world: World) -> None:
    _a_server(world)
    _send(world)


def _build(world: World) -> None:
    data = context({"Dockerfile": "FROM busybox\nCOPY large /\nRUN cp /large /twice\n", "large": LARGE})
    last(world.api.post("/build", body=data, query={"t": "built"}))
    world.told["built"] = True


def _is_built(world: World) -> str:
    return "" if ("built" in world.told) == ("built:latest" in world.images()) else "an image, or none"


def _load(world: World) -> None:
    last(world.api.post("/images/load", body=archive({"large": LARGE})))
    world.told["loaded"] = True


def _pull(world: World) -> None:
    name = f"{world.registry}/large"
    last(world.api.post("/images/create", query={"fromImage": name, "tag": "1"}))
    world.told["pulled"] = True


def _a_large_image_elsewhere(world: World) -> None:
    name = f"{world.registry}/large"
    _a_large_server(world)
    world.post("/commit", {}, container="server", repo=name, tag="1")
    last(world.api.post(f"/images/{name}/push", query={"tag": "1"}, headers={"X-Registry-Auth": "e30="}))
    world.delete("/containers/server", force="1")
    world.delete(f"/images/{name}:1", force="1")


def _is_pulled(world: World) -> str:
    return "" if ("pulled" in world.told) == (f"{world.registry}/large:1" in world.images()) else "an image, or none"


@pytest.mark.parametrize("left", LEFT_OF_LARGE)
@pytest.mark.parametrize(
    "operation",
    [
        Operation(name="cp", prepare=_a_server, act=_send, check=_is_sent),
        Operation(name="commit", prepare=_a_large_server, act=commit, check=is_committed),
        Operation(name="build", act=_build, check=_is_built),
        Operation(name="load", act=_load, check=is_loaded),
        Operation(name="pull", prepare=_a_large_image_elsewhere, act=_pull, check=_is_pulled),
    ],
    ids=lambda operation: operation.name,
)
def test_a_disk_that_is_full_in_the_middle(small: tuple[World, Path], operation: Operation, left: int) -> None:
    said = _try(*small, operation, left)
    assert REFUSAL in said or (left > len(LARGE) and not said), said
