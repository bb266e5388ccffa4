"""TLS without a socket: each direction ends by itself, and nothing that was said is lost."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from kernel_engine.formats.tls_stream import TlsStream
from tests.unit.self_signed import self_signed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def pair(certificate: Path) -> tuple[TlsStream, TlsStream]:
    """A client and a server that have shaken hands."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname = False
    ours.load_verify_locations(certificate)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    client, server = TlsStream(ours, server_side=False), TlsStream(theirs, server_side=True)
    while not client.shaken() or not server.shaken():
        carry(client, server)
        server.shaken()
        carry(server, client)
    carry(client, server)
    return client, server


def carry(sender: TlsStream, receiver: TlsStream) -> None:
    if data := sender.outgoing():
        receiver.hear(data)


def all_opened(stream: TlsStream) -> bytes:
    said = b""
    while data := stream.opened():
        said += data
    return said


def test_what_was_said_before_our_end_is_heard_after_it(pair: tuple[TlsStream, TlsStream]) -> None:
    client, server = pair
    said = bytes(range(256)) * 1024
    server.seal(said)
    carry(server, client)
    client.finish()
    assert all_opened(client) == said


def test_what_is_said_after_our_end_is_heard(pair: tuple[TlsStream, TlsStream]) -> None:
    client, server = pair
    client.seal(b"question")
    client.finish()
    carry(client, server)
    assert (server.opened(), server.opened()) == (b"question", None)
    server.seal(b"answer")
    server.finish()
    carry(server, client)
    assert (client.opened(), client.opened()) == (b"answer", None)


def test_a_record_that_has_come_in_part_when_our_end_is_said(pair: tuple[TlsStream, TlsStream]) -> None:
    client, server = pair
    server.seal(b"first" * 1000)
    server.seal(b"second" * 1000)
    sealed = server.outgoing()
    client.hear(sealed[:8000])
    client.finish()
    client.hear(sealed[8000:])
    assert all_opened(client) == b"first" * 1000 + b"second" * 1000


@pytest.mark.parametrize("ours_is_said", [False, True])
def test_a_network_that_ends_before_the_peer_said_so_is_no_end(
    pair: tuple[TlsStream, TlsStream], *, ours_is_said: bool
) -> None:
    client, server = pair
    server.seal(b"first" * 1000)
    server.seal(b"second" * 1000)
    client.hear(server.outgoing()[:8000])  # the second record is cut off
    if ours_is_said:
        client.finish()
    client.hear(b"")
    assert client.opened() == b"first" * 1000
    with pytest.raises(ssl.SSLEOFError):
        client.opened()
    client.finish()  # says what it can, to nobody


def test_a_network_that_ends_after_the_peer_said_so_is_an_end(pair: tuple[TlsStream, TlsStream]) -> None:
    client, server = pair
    server.seal(b"all")
    server.finish()
    carry(server, client)
    client.hear(b"")
    assert (client.opened(), client.opened()) == (b"all", None)
