"""The API on TCP: mutual TLS, or plain on this machine's own loopback. Each connection goes on through a unix one.

The engine behind it sees unix sockets only, so that attach and exec hand them on as ever. Who has a certificate of
the named authority is as mighty as root here, as with Docker's `--tlsverify`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.errors import EngineError, InvalidRequest
from kernel_engine.formats.tls_stream import HANDSHAKE, TlsStream

log = logging.getLogger("kernel_engine")

PLAIN_PORT, TLS_PORT = 2375, 2376
_PIECE = 65536
#: seconds for a handshake; whoever does not finish it has no certificate yet
_PATIENCE = 10.0
_NOT_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files: the authority that signs clients, and what the engine shows of itself."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpAddress:
    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def read_address(text: str, certificates: Certificates | None) -> TcpAddress:
    """`tcp://ADDRESS[:PORT]`. InvalidRequest for what is no such address, and for plain TCP that others could reach."""
    scheme, _, place = text.partition("://")
    name, colon, port = place.rstrip("/").rpartition(":")
    if not colon or place.endswith("]"):
        name, port = place.rstrip("/"), str(TLS_PORT if certificates else PLAIN_PORT)
    try:
        address = ipaddress.ip_address(name.strip("[]") or "127.0.0.1")
        number = int(port)
    except ValueError:
        address, number = ipaddress.ip_address("127.0.0.1"), 0
    if scheme != "tcp" or not 0 < number < 65536:
        raise InvalidRequest(f"invalid address {text}: want tcp://ADDRESS:PORT, the address in numbers")
    if certificates is None and not address.is_loopback:
        raise InvalidRequest(
            f"{text} would let everybody on the network be root here: plain TCP is for loopback addresses only",
            hint="give --tlscacert, --tlscert and --tlskey, so that only clients with a certificate are served",
        )
    return TcpAddress(address=str(address), port=number)


class TcpDoor:
    """`accept` gets each connection's unix end. `await door.open(...)`, `door.close()`."""

    def __init__(self, certificates: Certificates | None, accept: Callable[[socket.socket], None]) -> None:
        self._context = None if certificates is None else _context(certificates)
        self._accept = accept
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, place: TcpAddress) -> None:
        """Listens from now on. EngineError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((place.address, place.port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            raise EngineError(f"cannot listen on tcp://{place}: {error.strerror}") from error
        self._listeners.append(listener)
        self._keep(self._listen(listener))

    async def close(self) -> None:
        """No new connections; those that are open are cut."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for listener in self._listeners:
            listener.close()

    def _keep(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                outer, _ = await loop.sock_accept(listener)
            except OSError as error:  # no descriptor is left: one connection's end brings the next
                log.warning("a TCP connection was not accepted: %s", error.strerror)
                await asyncio.sleep(1)
                continue
            outer.setblocking(False)
            self._keep(self._connection(outer))

    async def _connection(self, outer: socket.socket) -> None:
        with outer, suppress(OSError, ssl.SSLError, TimeoutError):
            relay = Relay(outer, None if self._context is None else TlsStream(self._context, server_side=True))
            async with asyncio.timeout(_PATIENCE):
                if not await relay.shake_hands():
                    return
            inner, theirs = socket.socketpair()
            inner.setblocking(False)
            self._accept(theirs)
            with inner:
                await relay.run(inner)


class Relay:
    """One TCP connection, `outer`, and what is sealed on it; None: nothing is."""

    def __init__(self, outer: socket.socket, tls: TlsStream | None) -> None:
        self._outer = outer
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()

    async def shake_hands(self) -> bool:
        """False: the client speaks no TLS, and has been told. ssl.SSLError, with the alert sent."""
        if self._tls is None:
            return True
        first = True
        while True:
            data = await self._loop.sock_recv(self._outer, _PIECE)
            if first and data and data[0] != HANDSHAKE:
                await self._loop.sock_sendall(self._outer, _NOT_TLS)
                return False
            first = False
            self._tls.hear(data)
            try:
                if self._tls.shaken():
                    return True
            finally:
                await self._flush()

    async def run(self, inner: socket.socket) -> None:
        """Both directions, each to its own end, or until the client has gone."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._inward(inner))
                group.create_task(self._outward(inner))
        except* (OSError, ssl.SSLError) as gone:
            log.debug("a TCP connection was cut: %s", gone.exceptions[0])

    async def _inward(self, inner: socket.socket) -> None:
        while (data := await self._heard()) is not None:
            try:
                await self._loop.sock_sendall(inner, data)
            except (BrokenPipeError, ConnectionResetError):  # the engine has answered and listens no more
                return
        with suppress(OSError):
            inner.shutdown(socket.SHUT_WR)

    async def _heard(self) -> bytes | None:
        """The client's next bytes, at least one; None at its end, also where it does not say it: it may read on."""
        if self._tls is None:
            return await self._loop.sock_recv(self._outer, _PIECE) or None
        with suppress(ssl.SSLEOFError):
            while (data := self._tls.opened()) == b"":
                self._tls.hear(await self._loop.sock_recv(self._outer, _PIECE))
                await self._flush()
            return data
        return None

    async def _outward(self, inner: socket.socket) -> None:
        while data := await self._loop.sock_recv(inner, _PIECE):
            await self._send(data)
        await self._finish()

    async def _send(self, data: bytes) -> None:
        if self._tls is None:
            await self._loop.sock_sendall(self._outer, data)
        else:
            self._tls.seal(data)
            await self._flush()

    async def _finish(self) -> None:
        if self._tls is not None:
            self._tls.finish()
            await self._flush()
        self._outer.shutdown(socket.SHUT_WR)

    async def _flush(self) -> None:
        async with self._sending:  # records must not be mixed
            if self._tls is not None and (data := self._tls.outgoing()):
                await self._loop.sock_sendall(self._outer, data)


def _context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(certificates.authority)
        context.load_cert_chain(certificates.certificate, certificates.key)
    except (OSError, ssl.SSLError) as error:
        names = f"{certificates.authority}, {certificates.certificate}, {certificates.key}"
        raise EngineError(f"cannot use the TLS files {names}: {error}") from error
    return context
