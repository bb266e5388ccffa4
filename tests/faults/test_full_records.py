"""The records' own disk is full, and the rest has room: what is asked for is refused in one sentence and undone whole,
the daemon lives on, and what has happened meanwhile is written when there is room again."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.client import APIError
from tests.busybox_registry import receiving_registry
from tests.conftest import needs_root
from tests.daemon import running_daemon
from tests.faults.audit import settled
from tests.faults.disks import crammed
from tests.faults.operations import OPERATIONS, World

pytestmark = needs_root
REFUSAL = "no space left on device"
#: what has happened when the records hear of it, or is nothing to them
ALWAYS = ("exec", "stop", "cp", "push", "save", "network disconnect")
#: what once went wrong; `./lab test --full` takes every operation
CHOSEN = ("rm -f", "network connect")


@pytest.fixture(scope="module")
def apart(busybox_mirror: str) -> Iterator[World]:
    """An engine whose database lies on a small disk of its own."""
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory, receiving_registry() as pushed:
        place = Path(directory)
        small, root = place / "small", place / "root"
        for path in (small, root):
            path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(small)], check=True)
        try:
            (root / "engine.db").symlink_to(small / "engine.db")
            with running_daemon(place, (busybox_mirror,)) as daemon:
                world = World(daemon=daemon, place=place, registry=pushed.address)
                world.pull()
                yield world
        finally:
            subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in CHOSEN else pytest.mark.full) for name in OPERATIONS]
)
def test_an_operation(apart: World, name: str) -> None:
    operation = OPERATIONS[name]
    apart.empty()
    operation.prepare(apart)
    apart.told.clear()
    said = ""
    with crammed(apart.daemon.instance.database):
        try:
            operation.act(apart)
        except APIError as error:
            said = error.message
        assert apart.api.get("/_ping").read() == b"OK"
    assert REFUSAL in said or (not said and name in ALWAYS), said
    assert said.startswith(" ") or "\n" not in said, "more than a sentence; compose tells of its steps before it"
    assert settled(apart.daemon) == []
    assert not operation.check(apart)
    (operation.again or operation.act)(apart)
    assert settled(apart.daemon) == []
    assert not operation.check(apart)


def test_an_end_meanwhile(apart: World) -> None:
    """A new daemon hears of it from the launcher, which keeps it until it is written."""
    apart.empty()
    apart.run("server")
    daemon = apart.daemon
    with crammed(daemon.instance.database):
        apart.post("/containers/server/kill")
        assert apart.state("server") == "exited"
        daemon.stop()
        daemon.start()
        assert apart.get("/containers/server/json")["State"]["ExitCode"] == 137
    assert settled(daemon) == []
