"""A child that borrows its maker's memory. Each test's maker is a process of its own, of one thread."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from kernel_engine.syscalls.vfork import AVAILABLE

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="no machine code for this processor, or for this Python")
_BEFORE = """
import json, os, signal, sys
from kernel_engine.syscalls.process import CloneFlag, Execution
from kernel_engine.syscalls.vfork import Vfork

vfork = Vfork()

def becomes(*words, environment={}, refused=lambda code: None):
    return lambda pid: Execution(words[0], words, environment, refused)

def made(life):
    pid = vfork.child(CloneFlag(0), life)
    return pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def told(script: str) -> Any:
    """What the maker prints last, read as JSON."""
    words = [sys.executable, "-c", _BEFORE + textwrap.dedent(script)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_becomes_its_program_with_words_and_environment() -> None:
    script = """
        life = becomes("/bin/sh", "-c", 'echo "$0 $1 $A"; exit 7', "가", "b c", environment={"A": "나"})
        os.dup2(1, 5)
        reading, writing = os.pipe()
        def live(pid):
            os.dup2(writing, 1)
            return life(pid)
        code = made(live)[1]
        print(json.dumps([code, os.read(reading, 100).decode(), vfork.is_whole]))
    """
    assert told(script) == [7, "가 b c 나\n", True]


def test_memory_is_shared_and_nothing_else() -> None:
    script = """
        seen = []
        def live(pid):
            seen.append([pid, os.getpid(), os.getppid()])
            os.chdir("/usr")
            os.umask(0o077)
            os.close(0)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
            return becomes("/bin/true")(pid)
        os.chdir("/")
        os.umask(0o022)
        pid, code = made(live)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        here = [os.getcwd(), os.umask(0o022), len(blocked), os.fstat(0).st_size >= 0]
        print(json.dumps([seen == [[pid, pid, os.getpid()]], code, here]))
    """
    assert told(script) == [True, 0, ["/", 0o022, 0, True]]


def test_a_program_that_the_kernel_refuses() -> None:
    script = """
        heard = []
        pid, code = made(becomes("/no/such/program", refused=heard.append))
        again = made(becomes("/bin/true"))[1]
        print(json.dumps([heard, code, vfork.is_whole, again]))
    """
    assert told(script) == [[2], 1, True, 0]


def test_one_that_is_killed_behind_a_refusal() -> None:
    script = """
        pid = vfork.child(CloneFlag(0), becomes("/no", refused=lambda code: os.kill(os.getpid(), signal.SIGKILL)))
        whole = vfork.is_whole
        os.write(1, json.dumps([whole, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]).encode() + b"\\n")
        os._exit(0)
    """
    assert told(script) == [False, -9]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("raise ValueError", 70),
        ("return becomes('/bin/true', 'a\\0b')(pid)", 70),
    ],
)
def test_one_that_ends_before_leaves_a_maker_that_knows(end: str, code: int) -> None:
    script = f"""
        def live(pid):
            {end}
        pid = vfork.child(CloneFlag(0), live)
        whole = vfork.is_whole
        os.write(1, json.dumps([whole, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]).encode() + b"\\n")
        os._exit(0)
    """
    assert told(script) == [False, code]


def test_no_child_can_be_made() -> None:
    script = """
        try:
            vfork.child(CloneFlag.CLONE_INTO_CGROUP, becomes("/bin/true"), cgroup=0)
        except OSError as error:
            print(json.dumps([error.errno > 0, vfork.is_whole]))
    """
    assert told(script) == [True, False]


def test_hundreds_leave_nothing() -> None:
    script = """
        def size():
            fields = dict(line.split(":") for line in open("/proc/self/status"))
            return int(fields["VmRSS"].split()[0]), len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            made(becomes("/bin/true", "x" * 1000, environment={"A": "y" * 1000}))
        before = size()
        for _ in range(300):
            made(becomes("/bin/true", "x" * 1000, environment={"A": "y" * 1000}))
        after = size()
        print(json.dumps([after[0] - before[0] < 300, after[1] - before[1]]))
    """
    assert told(script) == [True, 0]
