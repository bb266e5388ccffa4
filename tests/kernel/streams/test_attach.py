"""Attached clients: frames, typing, half-close, detaching, several at once, slow ones, and how it ends."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import time
import tty

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime.events import Stdio
from tests.kernel.streams.house import PATIENCE, House, Pipes, received, until


async def terminal(house: House, id: str = "t", **options: bool) -> int:
    """A terminal's slave; the log writer has its master."""
    master, slave = os.openpty()
    await house.writer.adopt(id, Stdio(console=master), log=None, **{"stdin_once": False, **options})
    os.close(master)
    return slave


async def test_a_client_that_came_first_gets_frames_and_types(house: House) -> None:
    mine, name = await house.attach("a", multiplexed=True, leftover=b"early ")
    mine.send(b"typed")
    pipes = Pipes()
    await pipes.give(house, "a")
    assert await pipes.read(11) == b"early typed"
    os.write(pipes.stderr, b"hi\n")
    assert await received(mine, 11) == b"\x02\0\0\0\0\0\0\x03hi\n"
    os.write(pipes.stdout, b"last")
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    await house.writer.release("a")
    assert await received(mine) == b"\x01\0\0\0\0\0\0\x04last"
    assert await house.why_ended(name) == "ended"
    mine.close()


async def test_half_close_ends_the_input_and_nothing_else(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a")
    mine, _ = await house.attach("a")
    data = os.urandom(300_000)
    typing = asyncio.create_task(asyncio.get_running_loop().sock_sendall(mine, data))
    assert await pipes.read(len(data)) == data
    await typing
    mine.shutdown(socket.SHUT_WR)
    assert await pipes.read(1) == b""
    await until(lambda: house.closed_stdins, lambda closed: closed == ["a"])
    os.write(pipes.stdout, b"answer")
    assert await received(mine, 6) == b"answer"
    pipes.end()
    mine.close()


async def test_input_that_ended_before_the_process_came(house: House) -> None:
    mine, _ = await house.attach("a", leftover=b"all of ")
    mine.send(b"it")
    mine.shutdown(socket.SHUT_WR)
    pipes = Pipes()
    await pipes.give(house, "a")
    assert await pipes.read(100) == b"all of it"
    pipes.end()
    mine.close()


async def test_a_client_that_typed_and_left_before_the_process_came(house: House) -> None:
    mine, name = await house.attach("a")
    mine.send(b"my last words")
    mine.close()
    idle, idle_name = await house.attach("a")
    idle.close()
    assert await house.why_ended(idle_name) == "client-gone"
    pipes = Pipes()
    await pipes.give(house, "a")
    assert await pipes.read(100) == b"my last words"
    assert await house.why_ended(name) == "client-gone"
    pipes.end()


@pytest.mark.parametrize("once", [False, True])
async def test_a_terminal_and_a_stdin_for_several_outlive_half_closed_clients(house: House, once: bool) -> None:
    """Measured with dockerd: only stdin_once without a terminal passes the end on; others let the client go."""
    pipes = Pipes()
    await pipes.give(house, "a", stdin_once=False)
    slave = await terminal(house, stdin_once=once)
    tty.setraw(slave)
    for id, read in (("a", pipes.stdin), ("t", slave)):
        for word in (b"first", b"second"):
            mine, name = await house.attach(id)
            mine.send(word)
            mine.shutdown(socket.SHUT_WR)
            assert await house.why_ended(name) == "client-gone"
            assert await received(mine) == b""
            assert await asyncio.to_thread(os.read, read, 100) == word
            mine.close()
    assert house.closed_stdins == []
    pipes.end()
    os.close(slave)


async def test_a_client_killed_while_it_types_ends_the_input_once(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a")
    mine, _ = await house.attach("a")
    mine.send(b"half a wo")
    mine.close()
    assert await pipes.read(100) == b"half a wo"
    pipes.end()


async def test_a_client_without_stdin_types_nothing(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a")
    watching, _ = await house.attach("a", stdin=False, leftover=b"ignored")
    watching.send(b"ignored too")
    watching.shutdown(socket.SHUT_WR)
    typing, _ = await house.attach("a", stderr=False)
    typing.send(b"x")
    assert await pipes.read(1) == b"x"
    os.write(pipes.stderr, b"err")
    assert await received(watching, 3) == b"err"
    os.write(pipes.stdout, b"out")
    assert await received(watching, 3) == b"out"
    assert await received(typing, 3) == b"out"
    assert house.closed_stdins == []
    pipes.end()
    watching.close()
    typing.close()


async def test_detach_keys_in_two_packets(house: House) -> None:
    slave = await terminal(house)
    mine, name = await house.attach("t")
    mine.send(b"ab\x10")
    await until(lambda: mine.recv(10, socket.MSG_PEEK) if readable(mine) else b"", lambda echo: echo == b"ab")
    mine.send(b"\x11rest")
    assert await house.why_ended(name) == "detached"
    assert await received(mine) == b"ab"
    os.write(slave, b"goes on\n")
    second, _ = await house.attach("t")
    second.send(b"more\n")
    assert await asyncio.to_thread(os.read, slave, 100) == b"abmore\n"
    mine.close()
    second.close()
    os.close(slave)


async def test_keys_of_ones_own_also_typed_too_early(house: House) -> None:
    mine, name = await house.attach("t", detach_keys="ctrl-a,x", leftover=b"seen\n\x01")
    mine.send(b"xunseen")
    slave = await terminal(house)
    assert await house.why_ended(name) == "detached"
    assert await asyncio.to_thread(os.read, slave, 100) == b"seen\n"
    with pytest.raises(InvalidRequest, match=r"Invalid detach keys \(ctrl-&\) provided"):
        await house.attach("t", detach_keys="ctrl-&")
    mine.close()
    os.close(slave)


async def test_without_a_terminal_the_keys_are_bytes_like_others(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a")
    mine, _ = await house.attach("a")
    mine.send(b"\x10\x11")
    assert await pipes.read(2) == b"\x10\x11"
    pipes.end()
    mine.close()


async def test_resize(house: House) -> None:
    slave = await terminal(house)
    await house.writer.resize("t", 40, 100)
    assert os.get_terminal_size(slave) == (100, 40)
    await house.writer.resize("unknown", 1, 1)
    os.close(slave)


async def test_several_clients_see_and_type_the_same(house: House) -> None:
    slave = await terminal(house)
    tty.setraw(slave)
    clients = [(await house.attach("t"))[0] for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(b"%d" % number)
        assert await asyncio.to_thread(os.read, slave, 10) == b"%d" % number
    os.write(slave, b"to all")
    for client in clients:
        assert await received(client, 6) == b"to all"
        client.close()
    os.close(slave)


async def test_much_data_both_ways_arrives_whole(house: House) -> None:
    through = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert through.stdin is not None and through.stdout is not None
    stdio = Stdio(stdin=through.stdin.fileno(), stdout=through.stdout.fileno())
    await house.writer.adopt("a", stdio, log=None, stdin_once=True)
    through.stdin.close()
    through.stdout.close()
    mine, _ = await house.attach("a", multiplexed=True)
    data = os.urandom(4_000_000)

    async def typing() -> None:
        await asyncio.get_running_loop().sock_sendall(mine, data)
        mine.shutdown(socket.SHUT_WR)

    task = asyncio.create_task(typing())
    framed = asyncio.create_task(received(mine))
    await task
    await asyncio.to_thread(through.wait, 10)
    assert await house.writer.drained("a", PATIENCE)
    await house.writer.release("a")
    assert payloads(await framed) == data
    mine.close()


async def test_a_process_that_reads_nothing_holds_up_only_those_who_type_to_it(house: House) -> None:
    pipes, other = Pipes(), Pipes()
    await pipes.give(house, "deaf")
    await other.give(house, "b")
    mine, _ = await house.attach("deaf")
    with pytest.raises(TimeoutError):  # the pipe, the backlog and the socket fill; then the client has to wait
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(mine, bytes(8_000_000)), 0.3)
    quick, _ = await house.attach("b")
    quick.send(b"x")
    assert await other.read(1) == b"x"
    assert resident(house) < 25_000
    pipes.end()
    other.end()
    mine.close()
    quick.close()


async def test_a_client_that_does_not_read_holds_up_its_own_container_only(house: House) -> None:
    flood = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
    assert flood.stdout is not None
    await house.writer.adopt("f", Stdio(stdout=flood.stdout.fileno()), log=house.log("f"), stdin_once=False)
    flood.stdout.close()
    mine, name = await house.attach("f", stdin=False)
    path = house.log("f").path
    await until(lambda: path.stat().st_size, lambda size: size > 1_000_000)
    before = 0
    async with asyncio.timeout(PATIENCE * 2):  # held up, once the client's share is full
        while path.stat().st_size != before:
            before = path.stat().st_size
            await asyncio.sleep(0.5)
    pipes = Pipes()
    await pipes.give(house, "q", log=house.log("q"))
    os.write(pipes.stdout, b"quick\n")
    pipes.end()
    assert await house.writer.drained("q", PATIENCE)
    mine.close()
    assert await house.why_ended(name) == "client-gone"
    await until(lambda: path.stat().st_size, lambda size: size > before)  # and on it goes
    flood.kill()
    flood.wait()
    assert await house.writer.drained("f", PATIENCE)


async def test_a_slow_client_still_gets_everything_after_the_end(house: House) -> None:
    counting = subprocess.Popen(["seq", "1", "500000"], stdout=subprocess.PIPE)
    assert counting.stdout is not None
    mine, name = await house.attach("s", stdin=False)
    await house.writer.adopt("s", Stdio(stdout=counting.stdout.fileno()), log=None, stdin_once=False)
    counting.stdout.close()
    await asyncio.sleep(0.2)
    reading = asyncio.create_task(received(mine))
    await asyncio.to_thread(counting.wait, 10)
    assert await house.writer.drained("s", PATIENCE)
    await house.writer.release("s")
    assert await reading == b"".join(b"%d\n" % number for number in range(1, 500001))
    assert await house.why_ended(name) == "ended"
    mine.close()


async def test_what_an_ended_process_left_is_logged_although_its_client_lags(house: House) -> None:
    counting = subprocess.Popen(["seq", "1", "250000"], stdout=subprocess.PIPE)
    assert counting.stdout is not None
    mine, _ = await house.attach("s", stdin=False)
    await house.writer.adopt("s", Stdio(stdout=counting.stdout.fileno()), log=house.log(), stdin_once=False)
    counting.stdout.close()
    await asyncio.sleep(0.3)  # 1.7 MB: in the client's socket, in the log writer, the rest in the pipe
    counting.kill()
    counting.wait()
    assert await house.writer.drained("s", PATIENCE)
    texts = [text for _, text in house.entries()]
    assert len(texts) > 100_000
    assert texts[:-1] == [f"{number}\n" for number in range(1, len(texts))]
    mine.close()


async def test_clients_are_let_go_when_the_daemon_has_recorded_the_end(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a")
    mine, name = await house.attach("a")
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().sock_recv(mine, 1), 0.05)
    await house.writer.release("a")
    assert await received(mine) == b""
    assert await house.why_ended(name) == "ended"
    mine.close()


async def test_without_a_daemon_they_are_let_go_at_the_end_of_the_streams(house: House) -> None:
    pipes, over = Pipes(), Pipes()
    await pipes.give(house, "a")
    await over.give(house, "over")
    running, _ = await house.attach("a")
    ended, _ = await house.attach("over")
    waiting, _ = await house.attach("never started")
    over.end()
    assert await house.writer.drained("over", PATIENCE)
    house.writer.shut()  # as if it had been killed
    assert await received(ended) == b""
    assert await received(waiting) == b""
    os.write(pipes.stdout, b"still here")
    assert await received(running, 10) == b"still here"
    pipes.end()
    assert await received(running) == b""
    for client in (running, ended, waiting):
        client.close()
    await house.connect()


async def test_a_client_that_still_types_at_the_end_sees_an_end_and_no_error(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a")
    mine, _ = await house.attach("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(mine, bytes(2_000_000)), 0.2)
    os.write(pipes.stdout, b"bye")
    pipes.end()
    assert await house.writer.drained("a", PATIENCE)
    await house.writer.release("a")
    assert await received(mine) == b"bye"
    mine.close()


async def test_release_says_a_last_word_to_clients_that_still_wait(house: House) -> None:
    mine, name = await house.attach("never")
    await house.writer.release("never", b"it could not start\r\n")
    assert await received(mine) == b"it could not start\r\n"
    assert await house.why_ended(name) == "ended"
    mine.close()


async def test_settled_when_nothing_is_on_its_way(house: House) -> None:
    slave = await terminal(house)
    mine, _ = await house.attach("t")
    assert await house.writer.settled("t")
    assert await house.writer.settled("unknown")
    os.set_blocking(slave, False)
    sent = 0
    deadline = time.monotonic() + 5
    while await house.writer.settled("t"):  # nobody reads `mine`: sooner or later output has to wait
        assert time.monotonic() < deadline
        try:
            sent += os.write(slave, b"x" * 4000)
        except BlockingIOError:
            await asyncio.sleep(0.001)
    reading = asyncio.create_task(received(mine, sent))
    assert await until_settled(house, "t")
    assert len(await reading) == sent
    mine.close()
    os.close(slave)


async def test_who_gets_the_log_first_misses_nothing_and_hears_nothing_twice(house: House) -> None:
    pipes = Pipes()
    await pipes.give(house, "a", log=house.log())
    os.write(pipes.stdout, b"one\ntwo")
    await house.until_logged(1)
    await until_settled(house, "a")
    mine, theirs = socket.socketpair()
    mine.setblocking(False)
    wishes = {"stdin": False, "stdout": True, "stderr": True, "multiplexed": False}
    with theirs:
        attached = await house.writer.attach("a", theirs, **wishes, after=house.log().path)
        status = house.log().path.stat()
        assert attached.logged == (status.st_ino, status.st_size)
        os.write(pipes.stdout, b" is said\nthree\n")
        await house.until_logged(3)
        assert not readable(mine)
        theirs.send(b"one\n")
    await house.writer.go_on(attached.name)
    assert await received(mine, 22) == b"one\ntwo is said\nthree\n"
    pipes.end()
    await house.writer.release("a")
    assert await received(mine) == b""
    assert await house.why_ended(attached.name) == "ended"
    mine.close()


async def test_the_end_waits_for_who_gets_the_log_first(house: House) -> None:
    """And a daemon that dies before it says so leaves nobody waiting."""
    wishes = {"stdin": True, "stdout": True, "stderr": True, "multiplexed": False}
    for id, dies in (("a", False), ("b", True)):
        pipes = Pipes()
        await pipes.give(house, id, log=house.log(id))
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        with theirs:
            attached = await house.writer.attach(id, theirs, **wishes, after=house.log(id).path)
        os.write(pipes.stdout, b"last")
        mine.shutdown(socket.SHUT_WR)
        pipes.end()
        assert await house.writer.drained(id, PATIENCE)
        await house.writer.release(id)
        assert not readable(mine)
        if dies:
            house.writer.shut()
            await house.connect()
        else:
            await house.writer.go_on(attached.name)
        assert await received(mine) == b"last"
        mine.close()


async def test_a_log_that_nobody_writes_to_yet(house: House) -> None:
    house.log().path.write_text("of an earlier run\n")
    mine, theirs = socket.socketpair()
    wishes = {"stdin": False, "stdout": True, "stderr": True, "multiplexed": False}
    with mine, theirs:
        attached = await house.writer.attach("a", theirs, **wishes, after=house.log().path)
        assert attached.logged == (house.log().path.stat().st_ino, 18)
        await house.writer.go_on(attached.name)
        none = await house.writer.attach("a", theirs, **wishes, after=house.log("nothing").path)
        assert none.logged is None


async def until_settled(house: House, id: str) -> bool:
    async with asyncio.timeout(5):
        while not await house.writer.settled(id):
            await asyncio.sleep(0.005)
    return True


def readable(client: socket.socket) -> bool:
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def resident(house: House) -> int:
    """KiB."""
    with open(f"/proc/{house.writer.pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def payloads(framed: bytes) -> bytes:
    data, at = b"", 0
    pieces = []
    while at < len(framed):
        kind, size = struct.unpack_from(">BxxxI", framed, at)
        assert kind == 1
        pieces.append(framed[at + 8 : at + 8 + size])
        at += 8 + size
    return data.join(pieces)
