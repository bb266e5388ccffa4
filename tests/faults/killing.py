"""Kills a process of an engine at one step of an operation, starts the engine again, and says what is wrong then."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.client import APIError, EngineUnreachable
from tests.busybox_registry import receiving_registry
from tests.daemon import running_daemon
from tests.faults import dying
from tests.faults.audit import settled
from tests.faults.operations import Operation, World

PROGRAM = Path(dying.__file__).resolve()
#: no operation has so many steps
ENDLESS = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """role: whose step. number: which of them, counted from 1, or of those that begin with `words`. whole: daemon,
    launcher, log writer and workers die at once."""

    role: str
    number: int
    words: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    done: bool  #: the point was reached
    where: str  #: the step
    faults: tuple[str, ...]
    acknowledged: bool


@dataclass(slots=True)
class Killing:
    """An engine whose processes can be killed."""

    world: World
    page: dying.Page

    def count(self, operation: Operation, role: str) -> int:
        """How many steps of `role` the operation has, when nobody dies."""
        self._prepare(operation)
        self.page.arm(role, ENDLESS)
        operation.act(self.world)
        self._rest()
        return self.page.disarm()[0]

    def kill(self, operation: Operation, point: Point) -> Outcome:
        self._prepare(operation)
        self.page.arm(point.role, point.number, whole=point.whole, words=point.words)
        acknowledged = True
        try:
            operation.act(self.world)
        except (APIError, EngineUnreachable, OSError, ValueError, KeyError, AssertionError):
            acknowledged = False
        self._rest()
        _, done, where = self.page.disarm()
        self._start(dead=done and (point.whole or point.role == "daemon"))
        found = settled(self.world.daemon)
        if wrong := operation.check(self.world):
            found.append(wrong)
        try:
            (operation.again or operation.act)(self.world)
        except Exception as error:
            found.append(f"once more it fails: {type(error).__name__}: {error}")
        else:
            found += settled(self.world.daemon)
            if wrong := operation.check(self.world):
                found.append(f"once more: {wrong}")
        return Outcome(done=done, where=where, faults=tuple(found), acknowledged=acknowledged)

    def _prepare(self, operation: Operation) -> None:
        self.world.empty()
        operation.prepare(self.world)
        self.world.told.clear()
        staging = self.world.daemon.instance.staging
        deadline = time.monotonic() + 20
        while os.listdir(staging) and time.monotonic() < deadline:  # what was removed before is still being deleted
            time.sleep(0.01)

    def _rest(self) -> None:
        """What goes on after the answer is cut off, too."""
        deadline = time.monotonic() + 0.15
        process = self.world.daemon.process
        while time.monotonic() < deadline and process is not None and process.poll() is None:
            time.sleep(0.01)

    def _start(self, *, dead: bool) -> None:
        daemon = self.world.daemon
        if dead:
            assert daemon.process is not None
            daemon.process.wait(20)
            daemon.process = None
            daemon.start()


@contextmanager
def killing(mirror: str) -> Iterator[Killing]:
    """An engine of its own in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory, receiving_registry() as pushed:
        place = Path(directory)
        page = dying.Page(place / "page")
        program = (sys.executable, str(PROGRAM), "kernel_engine.daemon", str(place / "page"))
        with running_daemon(place, (mirror,), program=program) as daemon:
            world = World(daemon=daemon, place=place, registry=pushed.address)
            world.pull()
            yield Killing(world=world, page=page)
