"""The sealed connection as its readers see it: an end, or one that was cut."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernel_engine.client import EngineUnreachable
from kernel_engine.client.default_context import Tls
from kernel_engine.client.response import Response
from kernel_engine.client.tls import Secured, secure
from kernel_engine.client.wire import Reader
from kernel_engine.formats.tls_stream import TlsStream
from tests.unit.self_signed import self_signed

HOST = "tcp://engine:2376"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@contextmanager
def told(certificate: Path, *, ended: bool) -> Iterator[Secured]:
    """Our end of a connection on which a server says "half" and goes: with the end of TLS, or without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    wire, far = socket.socketpair()

    def serve() -> None:
        with far:
            stream = TlsStream(context, server_side=True)
            while not stream.shaken():
                far.sendall(stream.outgoing())
                stream.hear(far.recv(65536))
            stream.seal(b"half")
            if ended:
                stream.finish()
            far.sendall(stream.outgoing())

    server = threading.Thread(target=serve)
    server.start()
    with secure(wire, HOST, "engine", Tls("", "", "", verify=False)) as secured:
        yield secured
    server.join()


def test_an_end_that_was_said_is_an_end(certificate: Path) -> None:
    with told(certificate, ended=True) as wire:
        assert [wire.recv(100), wire.recv(100)] == [b"half", b""]


def test_a_connection_that_was_cut_is_no_end(certificate: Path) -> None:
    with told(certificate, ended=False) as wire:
        assert wire.recv(100) == b"half"
        with pytest.raises(EngineUnreachable, match=f"^{HOST} closed the connection: unexpected EOF$"):
            wire.recv(100)


def test_a_reply_that_ends_with_its_connection_is_not_whole_when_that_was_cut(certificate: Path) -> None:
    with told(certificate, ended=False) as wire, pytest.raises(EngineUnreachable, match="unexpected EOF"):
        Response(Reader(wire, HOST), 200, {}).read()
