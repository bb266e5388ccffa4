"""On which ports a container waits for others: its network namespace's own tables in /proc (proc(5), /proc/net/tcp)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

_TABLES = ("tcp", "tcp6", "udp", "udp6")
#: TCP_LISTEN; a datagram socket that is bound and not connected is TCP_CLOSE (net/tcp_states.h)
_WAITING = {"tcp": "0A", "udp": "07"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Listener:
    """One socket that waits for others."""

    port: int
    protocol: str  #: "tcp" | "udp"
    address: str  #: "0.0.0.0" and "::" are every address of the container


def listeners(pid: int) -> tuple[Listener, ...]:
    """Of the network namespace that this process is in; empty when it has ended. By port."""
    return tuple(sorted({listener for listener, _ in _read(pid)}))


def sockets(pid: int) -> dict[tuple[str, int], frozenset[int]]:
    """The same as (protocol, port) → inodes of the sockets, which name them in /proc/PID/fd."""
    found: dict[tuple[str, int], set[int]] = {}
    for listener, inode in _read(pid):
        found.setdefault((listener.protocol, listener.port), set()).add(inode)
    return {key: frozenset(inodes) for key, inodes in found.items()}


def parse(text: str, protocol: str) -> Iterator[tuple[Listener, int]]:
    """The rows of one table, each with its socket's inode: `sl local_address rem_address st … inode …`, addresses as
    the machine's own 32-bit words."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _WAITING[protocol]:
            continue
        address, _, port = fields[1].partition(":")
        yield Listener(port=int(port, 16), protocol=protocol, address=_address(address)), int(fields[9])


def _read(pid: int) -> Iterator[tuple[Listener, int]]:
    for table in _TABLES:
        try:
            text = Path(f"/proc/{pid}/net/{table}").read_text()
        except OSError:  # ended, or a kernel without IPv6
            continue
        yield from parse(text, table.removesuffix("6"))


def _address(digits: str) -> str:
    words = [bytes.fromhex(digits[at : at + 8]) for at in range(0, len(digits), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return str(ip_address(packed))
