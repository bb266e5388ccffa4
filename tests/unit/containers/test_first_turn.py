"""Whom an exec and `docker top` wait for, right after a start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kernel_engine.containers.first_turn import executed, first_turn
from kernel_engine.runtime.members import is_at_work, is_executing

PATIENCE = 60.0


@contextmanager
def _child(*words: str) -> Iterator[int]:
    child = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        child.stdout.readline()
        yield child.pid
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def _until_it_sleeps(pid: int) -> None:
    end = time.monotonic() + PATIENCE
    while is_at_work(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_who_computes_has_its_turn() -> None:
    with _child(sys.executable, "-c", "print(flush=True)\nwhile True: pass") as pid:
        looked: list[int] = []
        await first_turn(time.time(), lambda: looked.append(pid) or (pid,))  # type: ignore[func-returns-value]
        assert len(looked) > 1, "and nobody waits for its end"


async def test_who_waits_has_had_it() -> None:
    with _child("sh", "-c", "echo; sleep 600") as pid:
        _until_it_sleeps(pid)
        looked: list[int] = []
        await first_turn(time.time() + 1000, lambda: looked.append(pid) or (pid,))  # type: ignore[func-returns-value]
        await first_turn(time.time() - 1000, lambda: looked.append(pid) or (pid,))  # type: ignore[func-returns-value]
        assert looked == [], "a start that is long ago, and a clock that was set back"
        await first_turn(time.time(), lambda: looked.append(pid) or (pid,))  # type: ignore[func-returns-value]
        assert looked in ([pid], []), "on a machine that is busy enough the turn is over at once"


async def test_a_fork_that_is_to_execute() -> None:
    pid = os.fork()
    if not pid:
        signal.pause()
        os._exit(0)
    try:
        assert is_executing(pid, os.getpid())
        assert not is_executing(pid, 1), "a fork that a program made of itself"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert not is_executing(pid, os.getpid()), "it has ended"
        os.waitpid(pid, 0)
    assert not is_executing(pid, os.getpid())
    with _child("sh", "-c", "echo; sleep 600") as other:
        await executed((other, pid), os.getpid())
