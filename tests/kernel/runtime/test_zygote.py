"""Who makes containers' first processes, and what becomes of it when one does not become its program."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from kernel_engine.errors import EngineError, KernelRefused, StartFailed
from kernel_engine.runtime.events import Born
from kernel_engine.runtime.spec import Rlimit
from kernel_engine.syscalls.vfork import AVAILABLE
from tests.kernel.runtime.conftest import Machine, Result, alive, close, read_all

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="here the launcher forks")


def zygotes(machine: Machine) -> list[int]:
    launcher = machine.launcher.pid
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(pid) for pid in children if comm(int(pid)) == "ke-zygote" and alive(int(pid))]


async def ready(machine: Machine) -> int:
    """The launcher's first, which it makes when it begins."""
    for _ in range(6000):
        if found := zygotes(machine):
            return found[0]
        await asyncio.sleep(0.01)
    raise AssertionError("there is no zygote")


async def free(zygote: int) -> None:
    """It has only its own descriptors again: three, and the launcher's end."""
    for _ in range(6000):
        if len(os.listdir(f"/proc/{zygote}/fd")) == 4:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(os.listdir(f"/proc/{zygote}/fd"))


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def maker(result: Result) -> str:
    """The flags that its first process was born with."""
    return next(step.arguments for step in result.started.trace if step.name == "clone3")


async def test_it_makes_one_after_another(machine: Machine) -> None:
    zygote = await ready(machine)
    for word in ("a", "b", "c"):
        await free(zygote)
        result = await machine.run("echo", word, env=("PATH=/bin", f"SECRET={word}"))
        assert (result.exit_code, result.out) == (0, f"{word}\n")
        assert "CLONE_VM|CLONE_VFORK|CLONE_PARENT" in maker(result)
    assert zygote in zygotes(machine)


async def test_its_child_is_the_launchers(machine: Machine) -> None:
    started = await machine.start(machine.spec("sleep", "100"))
    close(started)
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{started.pid}/status").read_text().splitlines())
    assert int(fields["PPid"]) == machine.launcher.pid
    os.kill(await ready(machine), signal.SIGKILL)
    assert (await machine.run("true")).exit_code == 0
    assert alive(started.pid)
    os.kill(machine.launcher.pid, signal.SIGKILL)
    await asyncio.wait_for(machine.lost.wait(), 60)
    while alive(started.pid):  # PDEATHSIG
        await asyncio.sleep(0.01)
    await machine.connect()


async def test_what_a_start_changes_of_itself_is_not_its_makers(machine: Machine) -> None:
    zygote = await ready(machine)

    def state() -> list[str]:
        status = Path(f"/proc/{zygote}/status").read_text().splitlines()
        kept = ("Uid", "Gid", "Groups", "CapEff", "CapBnd", "Seccomp:", "NoNewPrivs", "SigBlk", "SigIgn", "Umask")
        links = [os.readlink(f"/proc/{zygote}/{name}") for name in ("cwd", "root", "ns/mnt", "ns/net", "ns/pid")]
        files = [name for name in os.listdir(f"/proc/{zygote}/fd")]
        limits = Path(f"/proc/{zygote}/limits").read_text(), Path(f"/proc/{zygote}/oom_score_adj").read_text()
        return [line for line in status if line.startswith(kept)] + links + files + list(limits)

    before = state()
    for _ in range(3):
        result = await machine.sh(
            "ulimit -n; cat /proc/self/oom_score_adj; id -u",
            user="bob",
            rlimits=(Rlimit(name="nofile", soft=100, hard=100),),
            oom_score_adj=500,
        )
        assert result.out == "100\n500\n1000\n"
    await free(zygote)  # it comes back to itself behind its child's execve
    assert state() == before
    assert (await machine.sh("id -u")).out == "0\n"


async def test_a_start_that_fails_takes_its_maker_along_and_nobody_else(machine: Machine) -> None:
    first = await ready(machine)
    running = await machine.start(machine.spec("sleep", "100"))
    close(running)
    await free(first)
    with pytest.raises(StartFailed, match="not found in"):
        await machine.run("no-such-program")
    assert not alive(first)
    with pytest.raises(EngineError, match="unable to find user nobody-here"):
        await machine.run("true", user="nobody-here")
    assert alive(running.pid)
    result = await machine.run("echo", "again")
    assert (result.out, "CLONE_VFORK" in maker(result)) == ("again\n", True)


async def test_a_program_that_the_kernel_refuses_leaves_it(machine: Machine) -> None:
    zygote = await ready(machine)
    spec = machine.spec("/bad")
    bad = machine.upper(spec.id) / "bad"
    bad.write_text("garbage\n")
    bad.chmod(0o755)
    result = await machine.run_spec(spec)
    assert (result.exit_code, result.err) == (1, "exec /bad: exec format error\n")
    assert zygote in zygotes(machine)


@pytest.mark.parametrize("who", ["child", "zygote", "both"])
async def test_a_kill_in_the_middle(machine: Machine, who: str) -> None:
    zygote = await ready(machine)

    async def kill(born: Born) -> None:
        await born.netlink
        assert comm(born.pid) == "ke-zygote"
        for pid in (zygote, born.pid) if who == "both" else (born.pid,) if who == "child" else (zygote,):
            os.kill(pid, signal.SIGKILL)

    spec = machine.spec("echo", "alive")
    if who == "zygote":  # its child has a memory, and goes on
        started = await machine.start(spec, kill)
        assert (await machine.collect(started)).out == "alive\n"
    else:
        with pytest.raises(KernelRefused, match="OOM-killed"):
            await machine.start(spec, kill)
        await machine.gone(spec.id)
    assert (await machine.run("echo", "next")).out == "next\n"
    assert zygote not in zygotes(machine)
    assert await machine.launcher.known() == ()


async def test_many_at_once(machine: Machine) -> None:
    """More than there are zygotes, each waiting until all are there: the rest are forks."""
    count, there = 12, asyncio.Event()
    born: list[int] = []

    async def wait(one: Born) -> None:
        await one.netlink
        born.append(one.pid)
        if len(born) == count:
            there.set()
        await there.wait()

    async def run(word: str) -> str:
        return (await machine.collect(await machine.start(machine.spec("echo", word), wait))).out

    words = [str(number) for number in range(count)]
    assert await asyncio.gather(*map(run, words)) == [f"{word}\n" for word in words]
    assert 1 <= len(zygotes(machine)) <= max(os.cpu_count() or 1, 4)


async def test_more_than_a_packet_of_words(machine: Machine) -> None:
    long = "x" * 100_000
    result = await machine.sh('echo "${#LONG}"', env=("PATH=/bin", f"LONG={long}"))
    assert result.out == "100000\n"
    assert "CLONE_VFORK" not in maker(result)


async def test_the_machines_own_processes_are_not_shared_with(machine: Machine) -> None:
    """A child that others could look into is a fork: nobody finds the memory of a zygote behind it."""
    spec = machine.spec("true")
    result = await machine.run_spec(replace(spec, namespaces=tuple(n for n in spec.namespaces if n != "pid")))
    assert "CLONE_VFORK" not in maker(result)


def test_nothing_can_be_imported_there() -> None:
    """What a child imported would be a file of its container's, and the next child's interpreter."""
    script = """
        import os
        from kernel_engine.runtime import zygote
        os.dup2(0, 9)
        zygote._stand_alone(9)
        try:
            import wave
        except ModuleNotFoundError:
            print(sorted(os.listdir("/proc/self/fd"))[-1])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "9\n"


async def test_its_streams_end_with_the_program(machine: Machine) -> None:
    started = await machine.start(machine.spec("sh", "-c", "exec >&- 2>&-; sleep 100"))
    assert await asyncio.wait_for(read_all(started.stdio.stdout), 60) == ""
    assert await asyncio.wait_for(read_all(started.stdio.stderr), 60) == ""
    await machine.launcher.signal(started.id, signal.SIGKILL)
    await machine.exit_of(started.id)
