"""What processes print comes into their logs, whole and in time; the log writer's own deaths."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess

import pytest

from kernel_engine.runtime.companion import edition
from kernel_engine.runtime.events import Stdio
from kernel_engine.runtime.log_writer import client
from tests.kernel.streams.house import PATIENCE, House, Pipes, close


async def test_lines_of_both_streams_come_into_the_log(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a", log=house.log())
    os.write(pipes.stdout, "안녕\nhal".encode())
    await house.until_logged(1)
    os.write(pipes.stderr, b"bad\xff\n")
    await house.until_logged(2)
    os.write(pipes.stdout, b"f\r more\n")
    os.write(pipes.stdout, b"no newline")
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    assert house.entries() == [
        ("stdout", "안녕\n"),
        ("stderr", "bad\ufffd\n"),
        ("stdout", "half\r more\n"),
        ("stdout", "no newline"),
    ]


async def test_a_character_split_over_reads(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a", log=house.log())
    for byte in "é한😀".encode():
        os.write(pipes.stdout, bytes((byte,)))
        await asyncio.sleep(0.005)
    os.write(pipes.stdout, b"\n")
    assert await house.until_logged(1) == [("stdout", "é한😀\n")]
    pipes.end()


async def test_a_long_line_is_cut_at_16_kib(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a", log=house.log())
    os.write(pipes.stdout, b"x" * 40000 + b"\n")
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    assert [len(text) for _, text in house.entries()] == [16384, 16384, 7233]


async def test_rotation_keeps_so_many_files(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a", log=house.log(max_size=2000, max_files=3))
    os.write(pipes.stdout, b"".join(b"%d\n" % number for number in range(500)))
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    assert sorted(path.name for path in house.directory.glob("log*")) == ["log", "log.1", "log.2"]
    assert house.entries()[-1] == ("stdout", "499\n")


async def test_a_terminal_is_logged_as_stdout_and_ends_when_its_last_user_closes_it(house: House) -> None:
    master, slave = os.openpty()
    await house.writer.adopt("t", Stdio(console=master), log=house.log(), stdin_once=False)
    os.close(master)
    os.write(slave, b"one\ntwo")
    os.close(slave)
    assert await house.writer.drained("t", PATIENCE)
    assert house.entries() == [("stdout", "one\r\n"), ("stdout", "two")]


async def test_adopting_twice_changes_nothing(house: House) -> None:
    pipes = Pipes()
    await house.writer.adopt("a", pipes.engine, log=house.log(), stdin_once=False)
    await pipes.give(house, "a", log=house.log("other"))
    os.write(pipes.stdout, b"x\n")
    assert await house.until_logged(1) == [("stdout", "x\n")]
    assert await house.writer.holds() == {"a"}
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    assert not (house.directory / "other").exists()


async def test_drained_says_when_something_may_still_come(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a", log=house.log())
    assert not await house.writer.drained("a", 0.05)
    assert await house.writer.drained("unknown", 0.05)
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    await house.writer.release("a")
    assert await house.writer.holds() == frozenset()


async def test_a_container_that_prints_for_ever_does_not_delay_others(house: House) -> None:
    floods = [subprocess.Popen(["yes"], stdout=subprocess.PIPE) for _ in range(2)]
    for number, flood in enumerate(floods):
        assert flood.stdout is not None
        limited = house.log(f"flood{number}", max_size=1 << 20, max_files=2)
        await house.writer.adopt(f"f{number}", Stdio(stdout=flood.stdout.fileno()), log=limited, stdin_once=False)
        flood.stdout.close()
    master, slave = os.openpty()
    await house.writer.adopt("t", Stdio(console=master), log=house.log(), stdin_once=False)
    os.close(master)
    client, _ = await house.attach("t")
    for number in range(20):
        client.send(b"%d\n" % number)
        await house.until_logged(number + 1)  # it would be never
    for number, flood in enumerate(floods):
        assert (house.directory / f"flood{number}.1").exists()  # more than a megabyte went through meanwhile
        flood.kill()
        flood.wait()
        assert await house.writer.drained(f"f{number}", PATIENCE)
    os.close(slave)
    client.close()


async def test_a_new_log_writer_continues_the_same_log(house: House) -> None:
    pipes = Pipes()
    await house.writer.adopt("a", pipes.engine, log=house.log(), stdin_once=False)
    os.write(pipes.stdout, b"one\n")
    await house.until_logged(1)
    await house.killed()
    os.write(pipes.stdout, b"two\n")
    await house.connect()
    assert await house.writer.holds() == frozenset()
    await pipes.give(house, "a", log=house.log())
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    assert [text for _, text in house.entries()] == ["one\n", "two\n"]


async def test_kills_while_it_writes_lose_little_and_repeat_nothing(house: House) -> None:
    count = 30000
    counting = subprocess.Popen(
        ["busybox", "sh", "-c", f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); done"],
        stdout=subprocess.PIPE,
    )
    assert counting.stdout is not None
    stdio = Stdio(stdout=counting.stdout.fileno())
    for kill in range(3):
        await house.writer.adopt("a", stdio, log=house.log(), stdin_once=False)
        await house.until_logged(2000 * (kill + 1))
        await house.killed()
        await house.connect()
    await house.writer.adopt("a", stdio, log=house.log(), stdin_once=False)
    counting.stdout.close()
    counting.wait()
    assert await house.writer.drained("a", PATIENCE)
    numbers = [int(text.split()[1]) for _, text in house.entries() if text.startswith("line ") and text.endswith("\n")]
    assert numbers[-1] == count - 1
    assert len(set(numbers)) == len(numbers)
    assert sorted(numbers) == numbers
    assert count - len(numbers) < 3 * 2000  # each time at most what it had read and not yet written: 16 KiB


async def test_a_daemon_that_comes_back_finds_everything_going_on(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a", log=house.log())
    client, _ = await house.attach("a")
    old, pid = house.writer, house.writer.pid
    await house.connect()  # a new connection replaces the old one
    assert house.writer.pid == pid
    assert await house.writer.holds() == {"a"}
    os.write(pipes.stdout, b"on\n")
    assert await asyncio.get_running_loop().sock_recv(client, 10) == b"on\n"
    await house.until_logged(1)
    old.shut()
    client.close()
    pipes.end()


async def test_one_of_older_code_is_replaced_when_it_holds_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipes, before = Pipes(), house.writer.pid
    await pipes.give(house, "a", log=house.log())
    for holds in (True, False):
        house.writer.shut()
        newer = iter(["newer"])
        monkeypatch.setattr(client, "edition", lambda newer=newer: next(newer, edition()))
        await house.connect()
        assert (house.writer.pid == before) is holds
        if holds:
            pipes.end()
            assert await house.writer.drained("a", PATIENCE)
            await house.writer.release("a")


async def test_two_clients_at_once_start_one_log_writer(house: House) -> None:
    await house.killed()
    others = [House(house.directory) for _ in range(4)]
    await asyncio.gather(*(other.connect() for other in others))
    words = f"kernel_engine.runtime.log_writer --run {house.instance.run}"
    found = subprocess.run(["pgrep", "-f", "--", words], capture_output=True, text=True, check=True).stdout.split()
    await house.connect()
    assert {int(pid) for pid in found} == {house.writer.pid} == {other.writer.pid for other in others}
    for other in others:
        other.writer.shut()


async def test_it_is_a_process_of_its_own_and_small(house: House) -> None:
    pid = house.writer.pid
    assert os.getsid(pid) != os.getsid(0)
    assert stat.S_IMODE(house.instance.log_writer_socket.stat().st_mode) == 0o600
    with open(f"/proc/{pid}/status") as status:
        resident = next(line for line in status if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 25_000
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"


async def test_a_message_that_is_refused_leaves_the_rest_alone(house: House) -> None:
    pipes = Pipes()
    try:
        await house.writer.adopt("a", pipes.engine, log=house.log("no/such/directory"), stdin_once=False)
    except Exception as error:
        assert "No such file or directory" in str(error)
    else:
        raise AssertionError("adopted without a log")
    await pipes.give(house, "b", log=house.log())
    os.write(pipes.stdout, b"fine\n")
    assert await house.until_logged(1) == [("stdout", "fine\n")]
    pipes.end()


async def test_it_keeps_no_descriptor_of_what_is_over(house: House) -> None:
    directory = f"/proc/{house.writer.pid}/fd"
    before = len(os.listdir(directory))
    for number in range(20):
        pipes = Pipes()
        client, _ = await house.attach(f"c{number}")
        waiting, _ = await house.attach(f"never{number}")
        await pipes.give(house, f"c{number}", log=house.log(f"log{number}"))
        close(pipes.stdout, pipes.stderr)
        assert await house.writer.drained(f"c{number}", PATIENCE)
        await house.writer.release(f"c{number}")
        await house.writer.release(f"never{number}")
        os.close(pipes.stdin)
        client.close()
        waiting.close()
    assert len(os.listdir(directory)) <= before
