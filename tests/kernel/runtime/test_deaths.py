"""What outlives what: the client's death, the launcher's death, and a new one after it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from kernel_engine.errors import Unavailable
from kernel_engine.runtime import cgroups, client
from kernel_engine.runtime.channel import Channel
from kernel_engine.runtime.companion import connected, edition
from kernel_engine.runtime.events import Born
from tests.kernel.runtime.conftest import Machine, alive, close, read_all


async def test_containers_outlive_the_client(machine: Machine) -> None:
    quick = machine.spec("sh", "-c", "sleep 0.2; exit 9")
    slow = machine.spec("sh", "-c", "read line; echo $line", open_stdin=True)
    first, second = await machine.start(quick), await machine.start(slow)
    close(first)
    close(second)
    pid = machine.launcher.pid
    machine.launcher.shut()
    while alive(first.pid):  # it ends while nobody listens
        await asyncio.sleep(0.01)
    await machine.connect()
    assert machine.launcher.pid == pid
    known = {item.id: item for item in await machine.launcher.known()}
    assert known[quick.id].exited is not None
    assert known[quick.id].exited.exit_code == 9
    assert known[slow.id].exited is None
    assert known[slow.id].pid == second.pid
    assert abs(known[slow.id].started_at - second.started_at) < 0.001
    assert (await machine.exit_of(quick.id)).exit_code == 9  # told again, after `known`
    stdio = await machine.launcher.stdio(slow.id)
    assert stdio.stdin is not None
    os.write(stdio.stdin, b"still here\n")
    os.close(stdio.stdin)
    assert await read_all(stdio.stdout) == "still here\n"
    assert (await machine.exit_of(slow.id)).exit_code == 0
    await machine.launcher.forget(quick.id)
    assert [item.id for item in await machine.launcher.known()] == [slow.id]
    os.close(stdio.stderr or -1)


async def test_a_start_that_waits_for_a_dead_client_is_given_up(machine: Machine) -> None:
    spec = machine.spec("true")

    async def die(_created: object) -> None:
        machine.launcher.shut()
        await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await machine.start(spec, die)
    await machine.connect()
    await machine.gone(spec.id)
    assert await machine.launcher.known() == ()


async def test_a_new_client_hears_nothing_of_what_the_old_one_asked(machine: Machine) -> None:
    """Its own requests are counted from one again."""
    spec = machine.spec("true")

    async def die(born: Born) -> None:
        await born.netlink  # it is in its groups
        cgroups.freeze(spec.cgroup, spec.id)  # on v1 it ends when it is thawed
        machine.launcher.shut()

    with pytest.raises(Unavailable):
        await machine.start(spec, die)
    connection = connected(machine.instance.launcher_socket)
    assert connection is not None
    connection.settimeout(20)
    channel = Channel(connection)
    channel.send({"verb": "edition", "request": 7})
    assert channel.receive_one()[0]["reply"] == 7  # it has noticed who is there now
    cgroups.thaw(spec.cgroup, spec.id)
    await machine.gone(spec.id)
    channel.send({"verb": "edition", "request": 8})
    heard = []
    while not heard or heard[-1].get("reply") != 8:
        heard.append(channel.receive_one()[0])
    assert [message["reply"] for message in heard if "reply" in message] == [8]
    channel.close()
    await machine.connect()


async def test_a_killed_launcher_takes_its_containers_along(machine: Machine) -> None:
    as_root = machine.spec("sh", "-c", "sleep 1000 & wait")
    as_bob = machine.spec("sleep", "1000", user="bob")  # a change of ids clears PDEATHSIG: it is set again
    added = machine.spec("sleep", "1000")
    pids = []
    for spec in (as_root, as_bob, added):
        started = await machine.start(spec)
        pids.append(started.pid)
        close(started)
    os.kill(machine.launcher.pid, signal.SIGKILL)
    await asyncio.wait_for(machine.lost.wait(), 5)
    for _ in range(300):
        if not any(alive(pid) for pid in pids):
            break
        await asyncio.sleep(0.01)
    assert [pid for pid in pids if alive(pid)] == []
    with pytest.raises(Unavailable):
        await machine.launcher.known()
    await machine.connect()  # starts a new one, which clears away what the old one left
    assert await machine.launcher.known() == ()
    for spec in (as_root, as_bob, added):
        await machine.gone(spec.id)
    assert (await machine.run("echo", "again")).out == "again\n"


async def test_two_clients_start_one_launcher(machine: Machine) -> None:
    pid = machine.launcher.pid
    await machine.launcher.quit()
    while alive(pid):
        await asyncio.sleep(0.01)
    first = Machine(base=machine.base, instance=machine.instance)
    second = Machine(base=machine.base, instance=machine.instance)
    await asyncio.gather(first.connect(), second.connect())
    assert first.launcher.pid == second.launcher.pid
    first.launcher.shut()
    second.launcher.shut()


async def test_it_stays_small_and_keeps_no_descriptor(machine: Machine) -> None:
    spec = machine.spec("true")
    await machine.run_spec(spec)
    descriptors = len(os.listdir(f"/proc/{machine.launcher.pid}/fd"))
    for _ in range(20):
        await machine.run("true", open_stdin=True)
    assert len(os.listdir(f"/proc/{machine.launcher.pid}/fd")) == descriptors
    status = Path(f"/proc/{machine.launcher.pid}/status").read_text()
    resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    assert resident < 25 * 1024
    assert "Threads:\t1" in status


async def test_a_bad_message_harms_nobody(machine: Machine) -> None:
    with pytest.raises(Exception, match="unknown message"):
        await machine.launcher._ask({"verb": "dance"})
    with pytest.raises(Exception, match="KeyError"):
        await machine.launcher._ask({"verb": "launch"})
    (machine.base / "run/launcher.log").write_text("")
    assert (await machine.run("echo", "fine")).out == "fine\n"


async def test_one_of_older_code_is_replaced_when_nothing_runs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = machine.launcher.pid
    machine.launcher.shut()
    after_an_update(monkeypatch)
    await machine.connect()
    assert machine.launcher.pid != before and not alive(before)
    assert (await machine.run("echo", "new")).out == "new\n"


async def test_one_of_older_code_keeps_what_runs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine.launcher.pid
    started = await machine.start(machine.spec("sleep", "1000"))
    close(started)
    machine.launcher.shut()
    after_an_update(monkeypatch)
    await machine.connect()
    assert machine.launcher.pid == before and alive(started.pid)
    await machine.launcher.signal(started.id, signal.SIGKILL)
    assert (await machine.exit_of(started.id)).exit_code == 137


def after_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next comparison finds other code than the launcher was started with."""
    newer = iter(["newer"])
    monkeypatch.setattr(client, "edition", lambda: next(newer, edition()))
