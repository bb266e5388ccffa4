"""Mutual TLS to an engine on another machine, as an ordinary socket: a pair's other end is sealed by two threads.

Whoever reads and writes the connection (attach, exec, logs) knows nothing of it: its halves end each by itself, as on
a unix socket. Loaded only where an address asks for TLS.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from kernel_engine.client.failures import EngineUnreachable
from kernel_engine.formats.tls_stream import TlsStream

if TYPE_CHECKING:
    from kernel_engine.client.default_context import Tls

_PIECE = 65536


class Secured(socket.socket):
    """Our end. `failure`: why the connection was cut, where that is known: a server that refuses a certificate says so
    only after the handshake, and one whose end is said to nobody has been cut off (RFC 8446, section 6.1)."""

    failure = ""
    host = ""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As a socket's own. EngineUnreachable at the end of a connection that was cut: it looks like an answer's."""
        data = super().recv(size, flags)
        if not data and self.failure:
            raise EngineUnreachable(f"{self.host} closed the connection: {self.failure}")
        return data


def secure(wire: socket.socket, host: str, name: str, tls: Tls) -> Secured:
    """A connected TCP socket to `name`, shaken hands on. EngineUnreachable with what went wrong."""
    stream = TlsStream(context(host, tls), server_side=False, name=name)
    relay = _Relay(wire, stream)
    try:
        relay.shake_hands()
    except (ssl.SSLError, OSError) as error:
        raise EngineUnreachable(f"error during connect: {host}: {reason(error)}") from error
    ours, theirs = socket.socketpair()
    theirs.settimeout(None)
    secured = Secured(fileno=ours.detach())
    secured.host = host
    secured.settimeout(wire.gettimeout())
    wire.settimeout(None)
    relay.start(theirs, secured)
    return secured


def context(host: str, tls: Tls) -> ssl.SSLContext:
    """EngineUnreachable where a file of `tls` cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    at = ""
    try:
        if at := tls.authority:
            made.load_verify_locations(at)
        elif tls.verify:
            made.load_default_certs()
        if at := tls.certificate:
            made.load_cert_chain(at, tls.key or None)
    except (OSError, ssl.SSLError) as error:
        raise EngineUnreachable(f"unable to resolve docker endpoint {host}: {at}: {reason(error)}") from error
    return made


def reason(error: OSError) -> str:
    """In the words of TLS: what OpenSSL says, without its place in the source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return "unexpected EOF"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"tls: {error.reason.replace('_', ' ').lower()}"
    return error.strerror or str(error) or type(error).__name__


class _Relay:
    def __init__(self, wire: socket.socket, tls: TlsStream) -> None:
        self._wire = wire
        self._tls = tls
        self._state = threading.Lock()
        self._sending = threading.Lock()

    def shake_hands(self) -> None:
        try:
            while not self._tls.shaken():
                self._flush()
                self._tls.hear(self._wire.recv(_PIECE))
        finally:
            self._flush()

    def start(self, inner: socket.socket, secured: Secured) -> None:
        inward = threading.Thread(target=self._inward, args=(inner, secured), name="tls-in", daemon=True)
        outward = threading.Thread(target=self._outward, args=(inner, inward), name="tls-out", daemon=True)
        inward.start()
        outward.start()

    def _inward(self, inner: socket.socket, secured: Secured) -> None:
        """From the server, until it has said all."""
        try:
            while True:
                with self._state:
                    data = self._tls.opened()
                    answers = self._tls.answers
                if answers:
                    self._flush()
                if data is None:
                    break
                if data:
                    inner.sendall(data)
                    continue
                heard = self._wire.recv(_PIECE)
                with self._state:
                    self._tls.hear(heard)
        except OSError as error:  # one of the two ends has gone; where it is ours, nobody asks
            secured.failure = reason(error)
        with suppress(OSError):
            inner.shutdown(socket.SHUT_WR)

    def _outward(self, inner: socket.socket, inward: threading.Thread) -> None:
        """To the server, until we have said all; then what it still says is waited for."""
        with self._wire, inner:
            with suppress(OSError, ssl.SSLError):
                while data := inner.recv(_PIECE):
                    with self._state:
                        self._tls.seal(data)
                    self._flush()
                with self._state:
                    self._tls.finish()
                self._flush()
            inward.join()

    def _flush(self) -> None:
        with self._sending:
            with self._state:
                data = self._tls.outgoing()
            if data:
                self._wire.sendall(data)
