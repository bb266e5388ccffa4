"""The log writer as a process: descriptors in, log lines and clients' bytes out."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel_engine.paths import Instance
from kernel_engine.runtime.events import Stdio
from kernel_engine.runtime.log_writer.client import LogFile, LogWriter


class House:
    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.closed_stdins: list[str] = []
        self.lost = asyncio.Event()
        self.writer: LogWriter

    async def connect(self) -> None:
        self.writer = await LogWriter.connect(
            self.instance, on_lost=self.lost.set, on_stdin_closed=self.closed_stdins.append
        )

    def pid(self) -> int:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with end:
            end.connect(str(self.instance.log_writer_socket))
            return int(struct.unpack("=3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    there = House(Instance.at(tmp_path / "root", tmp_path / "run"))
    await there.connect()
    yield there
    await there.writer.close()
    os.kill(there.pid(), signal.SIGKILL)


def lines(path: Path) -> list[tuple[str, str]]:
    return [(item["stream"], item["log"]) for item in map(json.loads, path.read_text().splitlines())]


class Pipes:
    """The process's side of its streams, in this test's hands."""

    def __init__(self) -> None:
        self.stdin, sink = os.pipe()
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self.engine = Stdio(stdin=sink, stdout=out, stderr=err)

    def close_engine(self) -> None:
        for fd in self.engine.descriptors():
            os.close(fd)

    def end(self) -> None:
        os.close(self.stdout)
        os.close(self.stderr)


async def received(client: socket.socket, size: int) -> bytes:
    client.setblocking(False)
    data = b""
    while len(data) < size:
        piece = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65536), 5)
        if not piece:
            break
        data += piece
    return data


async def test_lines_of_both_streams_come_into_the_log(house: House, tmp_path: Path) -> None:
    pipes = Pipes()
    await house.writer.adopt("a", pipes.engine, log=LogFile(path=tmp_path / "log"), stdin_once=False)
    pipes.close_engine()
    os.write(pipes.stdout, "안녕\nhal".encode())
    os.write(pipes.stderr, b"bad\xff\n")
    os.write(pipes.stdout, b"f\r more\n")
    os.write(pipes.stdout, b"no newline")
    pipes.end()
    assert await house.writer.drained("a", 5)
    stdout = [text for stream, text in lines(tmp_path / "log") if stream == "stdout"]
    assert stdout == ["안녕\n", "half\r more\n", "no newline"]
    assert ("stderr", "bad�\n") in lines(tmp_path / "log")
    os.close(pipes.stdin)


async def test_a_long_line_is_cut_at_16_kib(house: House, tmp_path: Path) -> None:
    pipes = Pipes()
    await house.writer.adopt("a", pipes.engine, log=LogFile(path=tmp_path / "log"), stdin_once=False)
    pipes.close_engine()
    os.write(pipes.stdout, b"x" * 40000 + b"\n")
    pipes.end()
    assert await house.writer.drained("a", 5)
    assert [len(text) for _, text in lines(tmp_path / "log")] == [16384, 16384, 7233]
    os.close(pipes.stdin)


async def test_rotation_keeps_so_many_files(house: House, tmp_path: Path) -> None:
    pipes = Pipes()
    log = LogFile(path=tmp_path / "log", max_size=2000, max_files=3)
    await house.writer.adopt("a", pipes.engine, log=log, stdin_once=False)
    pipes.close_engine()
    for number in range(200):
        os.write(pipes.stdout, f"{number}\n".encode())
        await asyncio.sleep(0.001)
    pipes.end()
    assert await house.writer.drained("a", 5)
    assert sorted(path.name for path in tmp_path.glob("log*")) == ["log", "log.1", "log.2"]
    assert lines(tmp_path / "log")[-1][1] == "199\n"
    os.close(pipes.stdin)


async def test_a_client_that_came_first_gets_frames_and_types(house: House) -> None:
    mine, theirs = socket.socketpair()
    name = await house.writer.attach(
        "a", theirs, stdin=True, stdout=True, stderr=True, multiplexed=True, leftover=b"early "
    )
    theirs.close()
    mine.send(b"typed")
    pipes = Pipes()
    await house.writer.adopt("a", pipes.engine, log=None, stdin_once=True)
    pipes.close_engine()
    assert await asyncio.to_thread(os.read, pipes.stdin, 100) in (b"early typed", b"early ")
    os.write(pipes.stderr, b"hi\n")
    assert await received(mine, 11) == b"\x02\0\0\0\0\0\0\x03hi\n"
    mine.shutdown(socket.SHUT_WR)
    while await asyncio.to_thread(os.read, pipes.stdin, 100):
        pass  # up to the end of input
    assert house.closed_stdins == ["a"]
    os.write(pipes.stdout, b"last")
    pipes.end()
    assert await received(mine, 100) == b"\x01\0\0\0\0\0\0\x04last"
    assert await asyncio.wait_for(house.writer.attachment_ended(name), 5) == "ended"
    mine.close()


async def test_detach_keys_in_two_packets(house: House) -> None:
    master, slave = pty.openpty()
    await house.writer.adopt("t", Stdio(console=master), log=None, stdin_once=False)
    os.close(master)
    mine, theirs = socket.socketpair()
    name = await house.writer.attach("t", theirs, stdin=True, stdout=True, stderr=True, multiplexed=False)
    theirs.close()
    mine.send(b"ab\x10")
    await asyncio.sleep(0.05)
    mine.send(b"\x11rest")
    assert await asyncio.wait_for(house.writer.attachment_ended(name), 5) == "detached"
    os.write(slave, b"goes on\n")
    second, theirs = socket.socketpair()
    await house.writer.attach("t", theirs, stdin=True, stdout=True, stderr=True, multiplexed=False)
    theirs.close()
    second.send(b"more\n")
    assert await asyncio.to_thread(os.read, slave, 100) == b"abmore\n"
    await house.writer.resize("t", 40, 100)
    assert os.get_terminal_size(slave) == (100, 40)
    os.close(slave)
    assert await house.writer.drained("t", 5)
    mine.close()
    second.close()


async def test_a_client_that_does_not_read_stops_only_its_own_container(house: House, tmp_path: Path) -> None:
    flood = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
    assert flood.stdout is not None
    await house.writer.adopt("f", Stdio(stdout=flood.stdout.fileno()), log=None, stdin_once=False)
    flood.stdout.close()
    mine, theirs = socket.socketpair()
    name = await house.writer.attach("f", theirs, stdin=False, stdout=True, stderr=True, multiplexed=False)
    theirs.close()
    pipes = Pipes()
    await house.writer.adopt("q", pipes.engine, log=LogFile(path=tmp_path / "log"), stdin_once=False)
    pipes.close_engine()
    os.write(pipes.stdout, b"quick\n")
    pipes.end()
    assert await house.writer.drained("q", 5)
    mine.close()
    assert await asyncio.wait_for(house.writer.attachment_ended(name), 5) == "client-gone"
    flood.kill()
    flood.wait()
    assert await house.writer.drained("f", 5)
    os.close(pipes.stdin)


async def test_a_new_log_writer_continues_the_same_log(house: House, tmp_path: Path) -> None:
    pipes = Pipes()
    log = LogFile(path=tmp_path / "log")
    await house.writer.adopt("a", pipes.engine, log=log, stdin_once=False)
    os.write(pipes.stdout, b"one\n")
    while not (tmp_path / "log").exists() or not lines(tmp_path / "log"):
        await asyncio.sleep(0.01)
    os.kill(house.pid(), signal.SIGKILL)
    await asyncio.wait_for(house.lost.wait(), 5)
    os.write(pipes.stdout, b"two\n")
    await house.connect()
    assert await house.writer.holds() == frozenset()
    await house.writer.adopt("a", pipes.engine, log=log, stdin_once=False)
    pipes.close_engine()
    pipes.end()
    assert await house.writer.drained("a", 5)
    assert [text for _, text in lines(tmp_path / "log")] == ["one\n", "two\n"]
    os.close(pipes.stdin)


async def test_release_says_a_last_word_to_clients_that_still_wait(house: House) -> None:
    mine, theirs = socket.socketpair()
    await house.writer.attach("never", theirs, stdin=True, stdout=True, stderr=True, multiplexed=False)
    theirs.close()
    await house.writer.release("never", b"it could not start\r\n")
    assert await received(mine, 100) == b"it could not start\r\n"
    mine.close()
