"""TLS without a socket: each direction ends by itself, and nothing that was said is lost."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from kernel_engine.formats.tls_stream import TlsStream


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file with a key and its own certificate."""
    folder = tmp_path_factory.mktemp("tls")
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", "-days", "2"]
    files = ["-keyout", "key", "-out", "certificate"]
    subprocess.run(["openssl", "req", "-x509", *words, *files], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key").read_text() + (folder / "certificate").read_text())
    return both


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
