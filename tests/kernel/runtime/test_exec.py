"""More programs in a running container."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal

import pytest

from kernel_engine.errors import InvalidRequest, NotFound, StartFailed
from kernel_engine.runtime import capabilities, cgroups
from kernel_engine.runtime.spec import Process, Resources
from tests.kernel.runtime.conftest import Machine, close, read_all


async def running(machine: Machine, **values: object) -> str:
    spec = machine.spec("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done", cwd="/made", **values)
    close(await machine.start(spec))
    return spec.id


async def end(machine: Machine, id: str) -> None:
    await machine.launcher.signal(id, signal.SIGKILL)
    await machine.exit_of(id)
    await machine.gone(id)


async def test_it_is_inside(machine: Machine) -> None:
    id = await running(machine)
    script = "hostname; ps | grep -c sleep; cat /proc/self/cgroup | cut -d: -f3 | sort -u; exit 4"
    result = await machine.exec(id, "sh", "-c", script)
    assert result.exit_code == 4
    assert result.out.split()[0] == id[:12]
    assert result.exited.id == result.id != id
    script = "for n in mnt uts ipc net pid cgroup; do readlink /proc/1/ns/$n /proc/self/ns/$n; done"
    namespaces = (await machine.exec(id, "sh", "-c", script)).out.split()
    assert namespaces[0::2] == namespaces[1::2]
    await end(machine, id)


async def test_its_limits_are_the_container_s(machine: Machine) -> None:
    id = await running(machine, resources=Resources(memory=64 * 1024 * 1024, memory_swap=64 * 1024 * 1024))
    started = await machine.launcher.exec(secrets.token_hex(8), id, Process(args=("sleep", "100"), env=("PATH=/bin",)))
    assert started.pid in cgroups.processes(machine.instance.cgroup, id)
    close(started)
    result = await machine.exec(id, "tail", "-c", "100000000", "/dev/zero")
    assert result.exit_code == 137
    await machine.launcher.signal(id, signal.SIGKILL)
    assert (await machine.exit_of(id)).oom_killed
    assert (await machine.exit_of(started.id)).exit_code == 137  # the container's end ends its execs


async def test_user_directory_environment_and_rights(machine: Machine) -> None:
    id = await running(machine)
    script = "id -un; pwd; echo $A $HOME; grep -E 'Seccomp:|CapBnd' /proc/self/status | cut -f2"
    result = await machine.exec(id, "sh", "-c", script, user="bob", cwd="/made", env=("PATH=/bin", "A=b"))
    assert result.out.split() == ["bob", "/made", "b", "/home/bob", "00000000a80425fb", "2"]
    await end(machine, id)


async def test_a_terminal_of_its_own(machine: Machine) -> None:
    id = await running(machine)
    process = Process(
        args=("sh", "-c", "tty; stty size"), env=("PATH=/bin",), terminal=True, rows=33, columns=99,
        capabilities=capabilities.DEFAULT,
    )  # fmt: skip
    started = await machine.launcher.exec("terminal", id, process)
    assert started.stdio.console is not None
    assert "/dev/pts/0\r\n33 99" in await read_all(started.stdio.console)
    assert (await machine.exit_of("terminal")).exit_code == 0
    await end(machine, id)


async def test_stdin(machine: Machine) -> None:
    id = await running(machine)
    started = await machine.launcher.exec("cat", id, Process(args=("cat",), env=("PATH=/bin",), open_stdin=True))
    assert started.stdio.stdin is not None
    os.write(started.stdio.stdin, b"through\n")
    assert (await machine.collect(started)).out == "through\n"
    await end(machine, id)


async def test_errors_are_docker_s(machine: Machine) -> None:
    id = await running(machine)
    prefix = "OCI runtime exec failed: exec failed: unable to start container process: "
    with pytest.raises(StartFailed) as caught:
        await machine.exec(id, "nosuch")
    assert caught.value.message == prefix + 'exec: "nosuch": executable file not found in $PATH: unknown'
    assert caught.value.exit_code == 127
    with pytest.raises(StartFailed, match="chdir to cwd") as caught:
        await machine.exec(id, "true", cwd="/nosuch")
    assert caught.value.exit_code == 127
    with pytest.raises(InvalidRequest, match="unable to find user nosuch"):
        await machine.exec(id, "true", user="nosuch")
    await end(machine, id)
    with pytest.raises(NotFound):
        await machine.exec(id, "true")


async def test_many_at_once_and_the_launcher_stays_outside(machine: Machine) -> None:
    id = await running(machine)
    results = await asyncio.gather(*(machine.exec(id, "sh", "-c", f"exit {number}") for number in range(10)))
    assert [result.exit_code for result in results] == list(range(10))
    children = f"/proc/{machine.launcher.pid}/ns/pid_for_children"
    assert os.readlink(children) == os.readlink("/proc/self/ns/pid")
    await end(machine, id)
