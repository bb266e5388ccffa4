"""Does a terminal's foreground program wait for input? Real programs in real pseudo terminals."""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kernel_engine.runtime.terminal import until_waiting


@contextmanager
def terminal(*words: str) -> Iterator[tuple[int, int]]:
    """pid and master."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="$ ")
        os.execvp(words[0], words)
    try:
        yield pid, master
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)


SHELLS = [words for words in (("busybox", "sh"), ("bash", "--norc"), ("dash",)) if shutil.which(words[0])]


@pytest.mark.parametrize(
    "words", [*SHELLS, (sys.executable, "-q"), ("cat",)], ids=lambda words: words[0].split("/")[-1]
)
async def test_it_waits(words: tuple[str, ...]) -> None:
    with terminal(*words) as (pid, _):
        answer = await until_waiting(pid, timeout=10, since=None)
        assert answer.waiting and answer.running


@pytest.mark.parametrize("words", [("sleep", "100"), ("sh", "-c", "sleep 100; cat")], ids=("sleep", "script"))
async def test_it_works_or_sleeps(words: tuple[str, ...]) -> None:
    with terminal(*words) as (pid, _):
        assert not (await until_waiting(pid, timeout=0.5, since=None)).waiting


@pytest.mark.parametrize("words", SHELLS, ids=lambda words: words[0])
async def test_only_a_wait_after_the_input_counts(words: tuple[str, ...]) -> None:
    """Each line is typed when the shell waits anew: then all of a command's output is there before the next line."""
    with terminal(*words) as (pid, master):
        mark = (await until_waiting(pid, timeout=10, since=None)).mark
        for number in range(20):
            os.write(master, f"sleep 0.05; echo done-$(({number} + 0))\n".encode())
            answer = await until_waiting(pid, timeout=10, since=mark)
            assert answer.waiting
            mark = answer.mark
            seen = b""
            while f"done-{number}\r\n".encode() not in seen:
                seen += await asyncio.wait_for(asyncio.to_thread(os.read, master, 65536), 0.5)


async def test_a_process_that_ended() -> None:
    with terminal("true") as (pid, _):
        assert not (await until_waiting(pid, timeout=5, since=None)).running
