"""The package mirror of a class without internet: an HTTP server of plain files, and the name server that leads to it.

Containers ask for deb.debian.org as always, and their apt checks Debian's own signature as always: nothing in them is
changed. What no name of the mirror is, this machine's own resolvers are asked, where it has some.
"""

from __future__ import annotations

import http.server
import socket
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

from dnslib import QTYPE, RCODE, RR, A, DNSRecord  # type: ignore[import-untyped]
from dnslib.server import DNSServer  # type: ignore[import-untyped]

#: the hosts whose archives a mirror has
NAMES = ("deb.debian.org", "security.debian.org")
RESOLVERS = Path("/etc/resolv.conf")
_TTL = 60
_PATIENCE = 3.0
NOT_HERE = "not in the bundle"


class Files(http.server.SimpleHTTPRequestHandler):
    """GET and HEAD of files; no folder is listed."""

    protocol_version = "HTTP/1.1"
    server_version = "docker-labs-mirror"
    timeout = 60

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """apt prints the message."""
        super().send_error(code, NOT_HERE if code == HTTPStatus.NOT_FOUND else message, explain)

    def list_directory(self, path: Any) -> BinaryIO | None:  # type: ignore[override]
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent."""


def web(folder: Path, address: str, port: int) -> http.server.ThreadingHTTPServer:
    """Any free port for 0; not yet serving."""
    return http.server.ThreadingHTTPServer((address, port), partial(Files, directory=str(folder)))


class Names:
    """dnslib's resolver: `names` are at `address`; everything else is for `others` to say."""

    def __init__(self, names: Sequence[str], address: str, others: Callable[[DNSRecord], DNSRecord | None]) -> None:
        self._names, self._address, self._others = frozenset(names), address, others

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        if name in self._names:
            if request.q.qtype == QTYPE.A:
                reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(self._address), ttl=_TTL))
            return reply  # no address of another kind
        found = self._others(request)
        if found is None:
            reply.header.rcode = RCODE.NXDOMAIN
            return reply
        return found


def of_this_machine(request: DNSRecord, *, but: str, resolvers: Path = RESOLVERS) -> DNSRecord | None:
    """What this machine's resolvers say, asked one after the other; None where none answers or there is none."""
    try:
        lines = resolvers.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for words in map(str.split, lines):
        if len(words) > 1 and words[0] == "nameserver" and words[1] != but:
            try:
                return DNSRecord.parse(request.send(words[1], 53, timeout=_PATIENCE))
            except (OSError, ValueError):
                continue
    return None


class _Quiet:
    """dnslib's logger, of which nothing is wanted."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def names(address: str, port: int, *, tcp: bool) -> DNSServer:
    """Listening, not yet serving."""
    resolver = Names(NAMES, address, partial(of_this_machine, but=address))
    return DNSServer(resolver, address=address, port=port, tcp=tcp, logger=_Quiet())


def serve(folder: Path, address: str, port: int, names_port: int) -> None:
    """Until SIGTERM or SIGINT ends the process. OSError where a port is another's."""
    servers = [names(address, names_port, tcp=tcp) for tcp in (False, True)]
    with web(folder, address, port) as files:
        for server in servers:
            Thread(target=server.server.serve_forever, daemon=True).start()
        files.serve_forever()


def reachable(address: str) -> bool:
    """This machine has that address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
