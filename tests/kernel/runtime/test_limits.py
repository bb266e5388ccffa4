"""Control groups as a container feels them: memory, cpu, pids, devices; frozen and removed."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel_engine.runtime import cgroups
from kernel_engine.runtime.spec import Resources
from kernel_engine.runtime.usage import usage
from kernel_engine.syscalls import cgroupfs
from tests.kernel.runtime.conftest import Machine, close

MIB = 1024 * 1024
EAT = "head -c 200m /dev/zero | tail"
v1 = pytest.mark.skipif(cgroups.mode() != "v1", reason="the files of cgroup v1 are read")
v2 = pytest.mark.skipif(cgroups.mode() != "v2", reason="the files of cgroup v2 are read")
HELD = Resources(
    memory=64 * MIB, memory_swap=128 * MIB, memory_reservation=32 * MIB, cpu_period=100_000, cpu_quota=50_000,
    cpu_shares=512, cpuset_cpus="0", pids=77,
)  # fmt: skip


async def test_too_much_memory_kills_and_is_flagged(machine: Machine) -> None:
    result = await machine.sh(f"{EAT}; echo survived", resources=Resources(memory=32 * MIB, memory_swap=32 * MIB))
    assert result.exited.oom_killed
    result = await machine.run(
        "tail", "-c", "100000000", "/dev/zero", resources=Resources(memory=32 * MIB, memory_swap=32 * MIB)
    )
    assert (result.exit_code, result.exited.oom_killed) == (137, True)


async def test_a_small_limit_still_starts(machine: Machine) -> None:
    result = await machine.run("echo", "fits", resources=Resources(memory=6 * MIB, memory_swap=6 * MIB))
    assert (result.exit_code, result.out, result.exited.oom_killed) == (0, "fits\n", False)


async def test_forks_end_at_the_limit(machine: Machine) -> None:
    result = await machine.sh("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait", resources=Resources(pids=4))
    assert "can't fork" in result.err


@v1
async def test_the_files_hold_what_was_asked(machine: Machine) -> None:
    script = """cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes
    cat memory/memory.soft_limit_in_bytes cpu/cpu.cfs_period_us cpu/cpu.cfs_quota_us cpu/cpu.shares
    cat cpuset/cpuset.cpus pids/pids.max; cat /proc/self/cgroup | cut -d: -f3 | sort -u | head -1"""
    result = await machine.sh(script, resources=HELD)
    wanted = [64 * MIB, 128 * MIB, 32 * MIB, 100_000, 50_000, 512, 0, 77]
    assert result.out.split() == [str(number) for number in wanted] + ["/"]


@v2
async def test_the_files_of_the_one_tree_hold_what_was_asked(machine: Machine) -> None:
    script = """cd /sys/fs/cgroup; cat memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max
    cat /proc/self/cgroup"""
    result = await machine.sh(script, resources=HELD)
    wanted = [64 * MIB, 64 * MIB, 32 * MIB, 50_000, 100_000, 20, 0, 77]
    assert result.out.split() == [*map(str, wanted), "0::/"]


async def test_devices_outside_the_list_are_refused(machine: Machine) -> None:
    result = await machine.sh("mknod /kmsg c 1 11 && cat /kmsg; mknod /zero c 1 5 && head -c 3 /zero | wc -c")
    assert "Operation not permitted" in result.err
    assert result.out == "3\n"


async def test_usage_processes_and_update(machine: Machine) -> None:
    spec = machine.spec("sh", "-c", "sleep 100 & wait", resources=Resources(memory=64 * MIB))
    started = await machine.start(spec)
    close(started)
    async with asyncio.timeout(30):  # until the shell has begun, and forked
        while (used := usage(spec.cgroup, spec.id)).pids != 2:
            await asyncio.sleep(0.01)
    assert used.memory_limit == 64 * MIB
    assert 0 < used.memory < 64 * MIB
    assert used.cpu > 0
    assert started.pid in cgroups.processes(spec.cgroup, spec.id)
    cgroups.update(spec.cgroup, spec.id, Resources(memory=128 * MIB, memory_swap=256 * MIB, pids=9))
    assert usage(spec.cgroup, spec.id).memory_limit == 128 * MIB
    await machine.launcher.signal(spec.id, signal.SIGKILL)
    await machine.exit_of(spec.id)
    await machine.gone(spec.id)
    assert cgroups.processes(spec.cgroup, spec.id) == ()


async def test_a_frozen_container_stands_still_and_can_be_killed(machine: Machine) -> None:
    spec = machine.spec("sh", "-c", "while :; do echo x; sleep 0.005; done")
    started = await machine.start(spec)
    assert started.stdio.stdout is not None
    await asyncio.sleep(0.05)
    cgroups.freeze(spec.cgroup, spec.id)
    before = Path(f"/proc/{started.pid}/schedstat").read_text()
    await asyncio.sleep(0.1)
    assert Path(f"/proc/{started.pid}/schedstat").read_text() == before
    cgroups.thaw(spec.cgroup, spec.id)
    async with asyncio.timeout(60):
        while Path(f"/proc/{started.pid}/schedstat").read_text() == before:
            await asyncio.sleep(0.02)
    cgroups.freeze(spec.cgroup, spec.id)
    cgroups.kill(spec.cgroup, spec.id)
    assert (await machine.exit_of(spec.id)).exit_code == 137
    close(started)


async def test_with_the_host_s_pids_no_child_survives(machine: Machine) -> None:
    names = ("mount", "uts", "ipc", "net", "cgroup")
    spec = machine.spec("sh", "-c", "sleep 4242 >/dev/null 2>&1 & exit 0", namespaces=names)
    result = await machine.run_spec(spec)
    assert result.exit_code == 0
    await machine.gone(spec.id)


def _freeze(cgroup: str, id: str) -> bool:
    try:
        cgroups.freeze(cgroup, id)
    except FileNotFoundError:
        return False
    return True


@pytest.mark.parametrize("ask", [_freeze, cgroups.thaw])
def test_a_group_that_goes_while_it_is_asked_is_gone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, ask: Callable[[str, str], bool]
) -> None:
    """Between open(2) and write(2) the kernel says so in another word."""
    heard: list[int | None] = []

    def write(path: str, value: str) -> None:
        with open(path, "wb", buffering=0) as file:
            cgroups.remove(cgroup, "gone")
            try:
                file.write(value.encode())
            except OSError as error:
                heard.append(error.errno)
                raise

    cgroup = machine.instance.cgroup
    cgroups.create(cgroup, "gone", Resources(), ())
    monkeypatch.setattr(cgroupfs, "write", write)
    assert not ask(cgroup, "gone")
    assert heard == [errno.ENODEV]
    assert not ask(cgroup, "gone")


def test_directories_of_an_unknown_container_are_no_error() -> None:
    cgroups.remove("kernel-engine-nosuch", "nosuch")
    assert cgroups.oom_kills("kernel-engine-nosuch", "nosuch") == 0
    with pytest.raises(OSError, match="nosuch"):
        cgroupfs.read("/sys/fs/cgroup/nosuch")
