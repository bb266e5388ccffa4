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
from kernel_engine.paths import Instance
from labs.grading.engines import Engines, Forked, forked
from tests.busybox_registry import receiving_registry
from tests.daemon import SLOWNESS, Daemon
from tests.faults import dying
from tests.faults.audit import settled
from tests.faults.forking import start
from tests.faults.operations import Operation, World

PROGRAM = Path(dying.__file__).resolve()
#: seconds in which no process of the engine passes a step, after which nothing more comes of an operation: while
#: somebody has still to die, and when he has
_QUIET, _QUIET_AFTER_DEATH = 0.15, 0.03
#: seconds that no operation takes
_HANGS = 30.0
#: an engine that is never quiet is not waited for longer than this
_LONG = 3.0


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
    engines: Engines
    life: Forked | None = None  #: of the daemon

    def kill(self, operation: Operation, point: Point) -> Outcome:
        self._prepare(operation)
        self.page.arm(point.role, point.number, whole=point.whole, words=point.words)
        acknowledged, began = True, time.monotonic()
        try:
            operation.act(self.world)
        except (APIError, EngineUnreachable, OSError, ValueError, KeyError, AssertionError):
            acknowledged = False
        found = [] if time.monotonic() - began < _HANGS * SLOWNESS else ["it hung"]
        self._rest()
        _, done, where = self.page.disarm()
        self._start(dead=done and (point.whole or point.role == "daemon"))
        found += settled(self.world.daemon)
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
        end = time.monotonic() + _LONG
        stir, since = -1, time.monotonic()
        while (now := time.monotonic()) < end:
            if self.page.stir != stir:
                stir, since = self.page.stir, now
            elif now - since > (_QUIET_AFTER_DEATH if self.page.done else _QUIET):
                return
            time.sleep(0.005)

    def start(self) -> None:
        self.life = start(self.engines, self.world.daemon)

    def _start(self, *, dead: bool) -> None:
        if dead:
            assert self.life is not None
            assert self.life.wait(20 * SLOWNESS) is not None, "the daemon has not died"
            self.start()


@contextmanager
def killing(mirror: str) -> Iterator[Killing]:
    """An engine of its own in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory, receiving_registry() as pushed:
        place = Path(directory)
        program = (sys.executable, "-I", str(PROGRAM), "kernel_engine.daemon", str(place / "page"))
        page = dying.Page(place / "page")
        daemon = Daemon(Instance.at(place / "root", place / "run"), (mirror,))
        try:
            with forked(program) as engines:
                world = World(daemon=daemon, place=place, registry=pushed.address)
                victim = Killing(world=world, page=page, engines=engines)
                victim.start()
                world.pull()
                yield victim
        finally:
            daemon.cleanup()
