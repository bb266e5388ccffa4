"""Connections of the engine's socket: what a protocol is told, in which order, and what the other side gets."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.api import connection
from kernel_engine.api.connection import Connection, Listener

LARGE = 4 << 20


class Told(asyncio.Protocol):
    """Keeps what it is told; `answer` is called with the transport and what has come."""

    def __init__(self, answer: Callable[[Any, bytes], object] = lambda *_: None, *, keeps: bool = False) -> None:
        self.words: list[str] = []
        self.data = b""
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._keeps = keeps

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.words.append("made")

    def data_received(self, data: bytes) -> None:
        self.words.append("data")
        self.data += data
        self._answer(self.transport, data)

    def eof_received(self) -> bool:
        self.words.append("eof")
        return self._keeps

    def pause_writing(self) -> None:
        self.words.append("pause")

    def resume_writing(self) -> None:
        self.words.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.words.append("lost")
        self.lost.set_result(exc)


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    return ours, theirs


async def all_of(end: socket.socket) -> bytes:
    def read() -> bytes:
        found = bytearray()
        while piece := end.recv(1 << 16):
            found += piece
        return bytes(found)

    return await asyncio.to_thread(read)


async def test_a_request_is_answered_and_closed_in_one_turn() -> None:
    ours, theirs = pair()
    theirs.sendall(b"request")

    def answer(transport: Any, _data: bytes) -> None:
        transport.write(b"answer")
        transport.close()

    told = Told(answer)
    Connection(ours, told)  # no turn of the loop until here
    assert (theirs.recv(100), theirs.recv(100)) == (b"answer", b"")
    assert told.words == ["made", "data"]
    assert await told.lost is None
    assert ours.fileno() == -1
    theirs.close()


async def test_what_comes_later_is_read_too() -> None:
    ours, theirs = pair()
    told = Told()
    transport = Connection(ours, told)
    for piece in (b"one", b"two"):
        theirs.sendall(piece)
        await asyncio.sleep(0.02)
    assert told.data == b"onetwo"
    theirs.close()
    assert await told.lost is None
    assert told.words == ["made", "data", "data", "eof", "lost"]
    assert transport.is_closing()


async def test_a_slow_reader_gets_all_and_the_writer_is_told_to_wait() -> None:
    ours, theirs = pair()
    told = Told()
    transport = Connection(ours, told)
    sent = os.urandom(LARGE)
    transport.write(sent[:100])
    transport.write(memoryview(sent)[100:])
    transport.close()  # what waits goes first
    transport.write(b"nobody hears this")
    assert transport.get_write_buffer_size() > 0
    assert await all_of(theirs) == sent
    assert await told.lost is None
    assert told.words == ["made", "pause", "resume", "lost"]
    theirs.close()


async def test_a_half_closed_client_still_gets_its_answer() -> None:
    ours, theirs = pair()
    told = Told(keeps=True)
    transport = Connection(ours, told)
    theirs.sendall(b"all")
    theirs.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.02)
    assert told.words == ["made", "data", "eof"]
    transport.pause_reading()
    transport.resume_reading()  # the end is heard once
    transport.write(b"x" * LARGE)
    transport.write_eof()
    assert len(await all_of(theirs)) == LARGE
    assert told.words.count("eof") == 1
    transport.abort()
    assert await told.lost is None
    theirs.close()


async def test_who_does_not_read_leaves_it_in_the_kernel() -> None:
    ours, theirs = pair()
    told = Told(lambda transport, _: transport.pause_reading())
    transport = Connection(ours, told)
    theirs.sendall(b"first")
    await asyncio.sleep(0.02)
    theirs.sendall(b"second")
    await asyncio.sleep(0.02)
    assert (told.data, transport.is_reading()) == (b"first", False)
    assert ours.recv(100) == b"second"
    transport.abort()
    await told.lost
    theirs.close()


async def test_a_client_that_has_gone() -> None:
    ours, theirs = pair()
    told = Told(keeps=True)
    transport = Connection(ours, told)
    theirs.close()
    transport.write(b"x" * LARGE)
    transport.write(b"more")
    error = await told.lost
    assert isinstance(error, BrokenPipeError)
    assert told.words.count("lost") == 1


@pytest.mark.parametrize("what", ["connection_made", "data_received", "eof_received"])
async def test_a_mistake_of_the_protocol_is_told_and_ends_the_connection(what: str) -> None:
    ours, theirs = pair()
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    told = Told()

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    setattr(told, what, fail)
    if what == "data_received":
        theirs.sendall(b"data")
    theirs.shutdown(socket.SHUT_WR)
    Connection(ours, told)
    assert await told.lost is None
    assert [str(context["exception"]) for context in heard] == ["a mistake"]
    assert theirs.recv(1) == b""
    theirs.close()


async def test_many_at_once(tmp_path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    listener = Listener(listening, lambda: Told(lambda transport, data: (transport.write(data), transport.close())))

    async def ask(number: int) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
        writer.write(str(number).encode())
        answer = await reader.read()
        writer.close()
        return answer

    assert await asyncio.gather(*map(ask, range(100))) == [str(number).encode() for number in range(100)]
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(0)


async def test_without_descriptors_the_next_is_accepted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "_LATER", 0.05)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    listener = Listener(listening, lambda: Told(lambda transport, data: (transport.write(data), transport.close())))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, before[1]))
        try:
            client.connect(str(tmp_path / "socket"))
            client.sendall(b"patience")
            await asyncio.sleep(0.12)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert await all_of(client) == b"patience"
    assert set(caplog.messages) == {f"a connection was not accepted: {os.strerror(errno.EMFILE)}"}
    assert len(caplog.messages) <= 4
    listener.close()
