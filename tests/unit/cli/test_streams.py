"""Bytes between a connection and our standard streams, and the keys that leave."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.streams import DetachKeys, Relay, detach_sequence
from kernel_engine.client import Stream


@pytest.mark.parametrize(
    ("keys", "sequence"),
    [
        ("", b"\x10\x11"),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("ctrl-a,a", b"\x01a"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", bytes([0, 27, 28, 29, 30, 31])),
    ],
)
def test_detach_keys_are_read(keys: str, sequence: bytes) -> None:
    assert detach_sequence(keys) == sequence


@pytest.mark.parametrize("keys", ["xx", "ctrl-", "ctrl-1", "ctrl-ab", "a,,b"])
def test_detach_keys_that_are_refused(keys: str) -> None:
    with pytest.raises(ValueError, match="Unknown character"):
        detach_sequence(keys)


def test_the_sequence_leaves_wherever_it_is_cut() -> None:
    keys = DetachKeys(b"\x10\x11")
    assert keys.typed(b"ls\x10") == (b"ls", False)
    assert keys.typed(b"\x11rest") == (b"", True)


def test_a_broken_sequence_is_typed() -> None:
    keys = DetachKeys(b"ab")
    assert keys.typed(b"a") == (b"", False)
    assert keys.typed(b"a") == (b"a", False)
    assert keys.typed(b"x") == (b"ax", False)
    assert keys.typed(b"ab") == (b"", True)


@given(st.lists(st.binary(max_size=5), max_size=10))
def test_nothing_typed_is_lost(pieces: list[bytes]) -> None:
    keys = DetachKeys(b"\x00\x01\x00")
    passed = b""
    typed = b""
    for piece in pieces:
        more, left = keys.typed(piece)
        passed += more
        typed += piece
        if left:
            at = typed.index(b"\x00\x01\x00")
            assert passed == typed[:at]
            return
    assert typed.startswith(passed)
    assert len(typed) - len(passed) < 3


@contextmanager
def standard_input(data: bytes | None) -> Iterator[int]:
    """Our standard input as a pipe with these bytes (closed after them), or open and silent for None."""
    reader, writer = os.pipe()
    saved = os.dup(0)
    os.dup2(reader, 0)
    os.close(reader)
    try:
        if data is not None:
            os.write(writer, data)
            os.close(writer)
        yield writer
    finally:
        if data is None:
            os.close(writer)
        os.dup2(saved, 0)
        os.close(saved)


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def test_frames_go_where_they_belong(capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(frame(2, b"err\n") + frame(1, b"more"))
        theirs.shutdown(socket.SHUT_WR)
        relay = Relay(Stream(ours, frame(1, b"out "), True), stdin=False, framed=True)
        relay.run()
    assert capfd.readouterr() == ("out more", "err\n")
    assert relay.beginning.startswith(frame(1, b"out "))


def test_the_end_of_our_input_half_closes(capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()

    def upper() -> None:
        data = b""
        while more := theirs.recv(100):
            data += more
        theirs.sendall(data.upper())
        theirs.close()

    thread = threading.Thread(target=upper)
    thread.start()
    with ours, standard_input(b"data"):
        Relay(Stream(ours, b"", False), stdin=True, framed=False).run()
    thread.join(5)
    assert capfd.readouterr().out == "DATA"


def test_output_goes_on_when_the_process_stops_reading(capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, standard_input(b"x" * 1000):
        theirs.shutdown(socket.SHUT_RD)
        theirs.sendall(b"last words")
        threading.Timer(0.2, lambda: theirs.shutdown(socket.SHUT_WR)).start()
        Relay(Stream(ours, b"", False), stdin=True, framed=False).run()
    assert capfd.readouterr().out == "last words"


def test_the_detach_keys_end_it_with_the_process_running() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, standard_input(b"ls\r\x10\x11"):
        relay = Relay(Stream(ours, b"", False), stdin=True, framed=False, keys=DetachKeys(b"\x10\x11"))
        relay.run()
        assert relay.detached
        assert theirs.recv(100) == b"ls\r"


def test_the_engines_own_error_in_the_stream() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        relay = Relay(Stream(ours, frame(3, b"grabbing stdout: gone"), True), stdin=False, framed=True)
        with pytest.raises(Failed, match="Error from daemon in stream: grabbing stdout: gone"):
            relay.run()
