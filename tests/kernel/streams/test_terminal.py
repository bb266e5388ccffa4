"""Does a terminal's foreground program wait for input? Real programs in real pseudo terminals and pid namespaces."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from kernel_engine.runtime.terminal import until_waiting, waiting_mark
from tests.daemon import SLOWNESS

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a pid namespace")
needs_script = pytest.mark.skipif(shutil.which("script") is None, reason="needs script(1) as a program that relays")


class Terminal:
    """A program in a pseudo terminal. `pid`: the process to ask about; the test has the master."""

    def __init__(self, pid: int, master: int) -> None:
        self.pid = pid
        self.master = master
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read(self) -> bytes:
        """Everything that has been printed up to now."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                break
        return self.seen

    async def wait(self, timeout: float = 10, since: str | None = None) -> str:
        """The mark, once it waits."""
        answer = await until_waiting(self.pid, timeout=timeout, since=since)
        assert answer.waiting and answer.running
        return answer.mark

    async def never_waits(self, seconds: float = 0.3) -> None:
        answer = await until_waiting(self.pid, timeout=seconds, since=None)
        assert not answer.waiting and answer.running


@contextmanager
def terminal(*words: str) -> Iterator[Terminal]:
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="$ ")
        os.execvp(words[0], words)
    try:
        yield Terminal(pid, master)
    finally:
        for group in {pid, os.tcgetpgrp(master)} - {0}:  # under nohup(1) the hangup ends nobody
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)  # one that has hardly been born has no group of its own yet
        os.waitpid(pid, 0)
        os.close(master)


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", program)


SHELLS = [words for words in (("busybox", "sh"), ("bash", "--norc"), ("dash",)) if shutil.which(words[0])]
CATS = [words for words in (("cat",), ("busybox", "cat")) if shutil.which(words[0])]


@pytest.mark.parametrize("words", [*SHELLS, *CATS, (sys.executable, "-q")], ids=lambda words: "-".join(words)[-12:])
async def test_programs_that_wait(words: tuple[str, ...]) -> None:
    with terminal(*words) as there:
        await there.wait()


@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.stdin.readline()",
        "open('/dev/tty').readline()",
        "import select; select.select([0, 1], [], [1])",
        "import select; select.select([0], [], [], 100)",
        "import select; poll = select.poll(); poll.register(0, select.POLLIN); poll.poll()",
        "import select; poll = select.epoll(); poll.register(0, select.EPOLLIN); poll.poll()",
        "import sys, threading, time; threading.Thread(target=sys.stdin.readline).start(); time.sleep(100)",
        "import asyncio, sys\n"
        "async def main(): asyncio.get_running_loop().add_reader(0, input); await asyncio.sleep(100)\n"
        "asyncio.run(main())",
        "import os, time; os.fork() and time.sleep(100); input()",
    ],
    ids=["read", "dev-tty", "select", "select-timeout", "poll", "epoll", "thread", "asyncio", "child"],
)
async def test_calls_that_wait(program: str) -> None:
    with terminal(*python(program)) as there:
        await there.wait()


@pytest.mark.parametrize(
    "words",
    [
        ("sleep", "100"),
        ("sh", "-c", "sleep 100; cat"),
        ("sh", "-c", "sleep 100 | cat"),
        ("sh", "-c", "cat < /dev/zero > /dev/null"),
        python("import os; r, w = os.pipe(); os.read(r, 1)"),
        python("import os, select; r, w = os.pipe(); select.select([r], [], [0])"),
        python("import os, select; r, w = os.pipe(); poll = select.poll(); poll.register(r); poll.poll()"),
        python("import select; poll = select.poll(); poll.register(0, 0); poll.poll()"),
        python("import signal; signal.pause()"),
        python("while True: pass"),
    ],
    ids=["sleep", "script", "pipeline", "copying", "pipe", "select", "poll", "poll-nothing", "pause", "busy"],
)
async def test_programs_that_work_or_wait_for_something_else(words: tuple[str, ...]) -> None:
    with terminal(*words) as there:
        await there.never_waits()


@pytest.mark.parametrize("words", SHELLS, ids=lambda words: words[0])
async def test_only_a_wait_after_the_input_counts(words: tuple[str, ...]) -> None:
    """Each line is typed when the shell waits anew: then all of a command's output is there before the next line."""
    with terminal(*words) as there:
        mark = await there.wait()
        for number in range(10):
            there.type(f"sleep 0.05; echo done-$(({number} + 0))\n")
            mark = await there.wait(since=mark)
            assert f"done-{number}\r\n".encode() in there.read()


@pytest.mark.parametrize("words", SHELLS, ids=lambda words: words[0])
async def test_commands_in_the_foreground(words: tuple[str, ...]) -> None:
    with terminal(*words) as there:
        mark = await there.wait()
        for command in ("sleep 1000", "sleep 1000 | sleep 1000 | cat"):
            there.type(f"{command}\n")
            assert not (await until_waiting(there.pid, timeout=0.2, since=mark)).waiting
            there.type("\x03")
            mark = await there.wait(since=mark)
        there.type("sleep 100 &\n")
        mark = await there.wait(since=mark)  # in the background it does not matter
        there.type("cat\n")
        mark = await there.wait(since=mark)  # now it is cat that waits
        there.type("through\n")
        mark = await there.wait(since=mark)
        assert there.read().count(b"through\r\n") == 2
        there.type("\x04kill $!; exit\n")
        assert not (await until_waiting(there.pid, timeout=5, since=mark)).running


async def test_the_instant_after_typing_is_no_wait() -> None:
    """Without a mark too: what was just written is there to be read, even before the reader has woken."""
    with terminal("cat") as there:
        mark = await there.wait()
        for _ in range(300):
            there.type("x\n")
            found = waiting_mark(there.pid)
            assert found is None or found != mark
            mark = await there.wait(since=mark)
        await asyncio.sleep(0.01)
        assert there.read().count(b"x\r\n") == 600


async def test_a_reader_that_is_stopped_does_not_wait() -> None:
    with terminal("cat") as there:
        await there.wait()
        os.kill(there.pid, signal.SIGSTOP)
        await there.never_waits()
        os.kill(there.pid, signal.SIGCONT)
        await there.wait()


async def test_a_poll_that_a_signal_interrupted_goes_on_waiting() -> None:
    program = "import select; poll = select.poll(); poll.register(0, select.POLLIN); poll.poll(100000)"
    with terminal(*python(program)) as there:
        await there.wait()
        os.kill(there.pid, signal.SIGSTOP)
        await there.never_waits(0.05)
        os.kill(there.pid, signal.SIGCONT)
        await there.wait()


async def test_half_a_line_is_still_waited_on() -> None:
    with terminal("cat") as there:
        await there.wait()
        there.type("half")
        await asyncio.sleep(0.05)
        await there.wait()


@needs_script
async def test_a_program_that_relays_waits_when_the_inner_one_does() -> None:
    """apt runs dpkg so, and sudo its command: it always watches the outer terminal, also while the inner one works."""
    with terminal("script", "-q", "-c", "sleep 0.4; cat", "/dev/null") as there:
        await asyncio.sleep(0.1)
        await there.never_waits(0.2)
        mark = await there.wait()
        there.type("inner\n")
        await there.wait(since=mark)
        await asyncio.sleep(0.05)
        assert there.read().count(b"inner\r\n") == 2


async def test_settled_has_the_last_word() -> None:
    answers = [False, False, True]
    asked = 0

    async def settled() -> bool:
        nonlocal asked
        asked += 1
        return answers.pop(0)

    with terminal("cat") as there:
        answer = await until_waiting(there.pid, timeout=5, since=None, settled=settled)
        assert answer.waiting and asked == 3


async def test_a_process_that_ended_and_one_that_never_was() -> None:
    with terminal("true") as there:
        answer = await until_waiting(there.pid, timeout=5, since="1:2")
        assert (answer.waiting, answer.running, answer.mark) == (False, False, "1:2")
    assert not (await until_waiting(2**22 + 1, timeout=5, since=None)).running


async def test_without_a_terminal_nobody_waits_and_time_is_kept() -> None:
    process = await asyncio.create_subprocess_exec(
        "sleep", "100", stdin=asyncio.subprocess.PIPE, start_new_session=True
    )
    started = time.monotonic()
    answer = await until_waiting(process.pid, timeout=0.2, since=None)
    assert (answer.waiting, answer.running) == (False, True)
    assert 0.2 <= time.monotonic() - started < 1
    process.kill()
    await process.wait()


async def test_asking_for_long_costs_little() -> None:
    with terminal("sh", "-c", "sleep 100") as there:
        before = time.process_time()
        await there.never_waits(1.0)
        assert time.process_time() - before < 0.3 * SLOWNESS


@needs_root
async def test_the_first_process_of_a_pid_namespace_and_one_more_beside_it() -> None:
    """As a container's and its exec's: each has a terminal of its own, numbers are the host's."""
    with terminal("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "busybox", "sh") as outer:
        first = await child_of(outer.pid)
        inside = Terminal(first, outer.master)
        mark = await inside.wait()
        with terminal("nsenter", f"--target={first}", "--pid", "--mount", "busybox", "sh") as joined:
            second = Terminal(await child_of(joined.pid), joined.master)
            theirs = await second.wait()
            second.type("sleep 0.5; echo $$\n")
            assert not (await until_waiting(second.pid, timeout=0.2, since=theirs)).waiting
            await inside.wait()  # the other terminal's business is not ours
            await second.wait(since=theirs)
        inside.type("busybox sh\n")
        mark = await inside.wait(since=mark)
        inside.type("echo $$ && cat\n")
        await inside.wait(since=mark)
        assert b"\r\n1\r\n" not in inside.read()


async def child_of(pid: int) -> int:
    """Once there is one and it has become what it shall be."""
    async with asyncio.timeout(5):
        while True:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                found = children.read().split()
            if found:
                with open(f"/proc/{found[0]}/comm") as comm:
                    if comm.read() == "busybox\n":
                        return int(found[0])
            await asyncio.sleep(0.005)
