"""Address translation and forwarding of one instance: `rules`' tables, loaded whole, changed by element later.

`load`, `add` and `remove` run nft(8), the only program that this room starts; `publish` and `withdraw` are one netlink
message. A table of our own cannot open what another one drops: that is `firewall`'s to find.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from kernel_engine.errors import KernelRefused, Unavailable
from kernel_engine.network.endpoint import ANYWHERE, ANYWHERE6, Published
from kernel_engine.network.rules import Ways, changes
from kernel_engine.syscalls.libc import recorded
from kernel_engine.syscalls.nfnetlink import Element, Nfnetlink

#: letters of what nft(8) was told that are recorded
_SHOWN = 400
_MISSING_TABLE = "No such file or directory"
#: IANA's protocol numbers
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}

#: ports with the address in the container that each leads to
Ports = tuple[tuple[Published, str], ...]


def has_ipv6() -> bool:
    """The kernel has it, and so there is a second table."""
    return os.path.exists("/proc/sys/net/ipv6")


def add(table: str, network: Ways) -> None:
    """One more network in a table that stands. Blocks (10 to 20 ms)."""
    _nft(("-f", "-"), changes("add", table, network, ipv6=has_ipv6()))


def take_away(table: str, network: Ways) -> None:
    """The opposite; a table that is not there is no error."""
    try:
        _nft(("-f", "-"), changes("delete", table, network, ipv6=has_ipv6()))
    except KernelRefused as error:
        if _MISSING_TABLE not in error.message:
            raise


def load(text: str) -> None:
    """All of it or nothing. Blocks (10 to 20 ms): to be called in a thread."""
    _nft(("-f", "-"), text)


def remove(table: str) -> None:
    """Removes the tables with all rules and elements; no error where there is none."""
    families = ("ip", "ip6") if has_ipv6() else ("ip",)
    _nft(("-f", "-"), "".join(f"table {family} {table}\ndelete table {family} {table}\n" for family in families))


def publish(table: str, ports: Iterable[tuple[Published, str]]) -> None:
    """Leads connections to these ports to containers. OSError, with none of them open; well under 1 ms each."""
    ports = tuple(ports)
    done: list[Published] = []
    try:
        for family, some in _by_family(ports):
            with Nfnetlink(family) as netfilter:
                for name, items in _by_map(some):
                    netfilter.add_elements(table, name, [_element(port, address) for port, address in items])
                    done += [port for port, _ in items]
                _forget_datagrams(netfilter, some)
    except OSError:
        withdraw(table, done)
        raise


def withdraw(table: str, ports: Iterable[Published]) -> None:
    """The opposite. Ports (or a table) that are not there are no error."""
    for family, some in _by_family((port, "") for port in ports):
        with Nfnetlink(family) as netfilter:
            for name, items in _by_map(some):
                keys = [Element(_element(port).key, b"") for port, _ in items]
                try:
                    netfilter.delete_elements(table, name, keys)
                except OSError as error:
                    if error.errno != errno.ENOENT:
                        raise
                    _delete_singly(netfilter, table, name, keys)
            _forget_datagrams(netfilter, some)


def _delete_singly(netfilter: Nfnetlink, table: str, name: str, keys: list[Element]) -> None:
    """A batch is all or none: where one is gone already, the others are still to go."""
    for key in keys:
        try:
            netfilter.delete_elements(table, name, [key])
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def _forget_datagrams(netfilter: Nfnetlink, ports: Ports) -> None:
    for number in {port.host_port for port, _ in ports if port.protocol == "udp"}:
        netfilter.forget_connections(PROTOCOLS["udp"], number)


def _by_family(ports: Iterable[tuple[Published, str]]) -> Iterator[tuple[int, Ports]]:
    found = tuple(ports)
    for family in (socket.AF_INET, socket.AF_INET6):
        some = tuple(item for item in found if (":" in item[0].host_address) == (family == socket.AF_INET6))
        if some:
            yield family, some


def _by_map(ports: Ports) -> tuple[tuple[str, Ports], ...]:
    everywhere = tuple(item for item in ports if item[0].host_address in (ANYWHERE, ANYWHERE6))
    somewhere = tuple(item for item in ports if item[0].host_address not in (ANYWHERE, ANYWHERE6))
    return (("published", everywhere), ("published_at", somewhere))


def _element(port: Published, address: str = "") -> Element:
    """As the ruleset's maps have it. Each part begins at a register of 4 bytes."""
    key = bytes([PROTOCOLS[port.protocol], 0, 0, 0]) + _number(port.host_port)
    if port.host_address not in (ANYWHERE, ANYWHERE6):
        key = ip_address(port.host_address).packed + key
    return Element(key, ip_address(address or ANYWHERE).packed + _number(port.container_port))


def _number(port: int) -> bytes:
    return port.to_bytes(2, "big") + b"\0\0"


def _run(arguments: tuple[str, ...], text: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("nft", *arguments), input=text, capture_output=True, text=True, check=False, env=environment)


def _nft(arguments: tuple[str, ...], text: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = recorded("nft", " ".join((*arguments, *text.split()))[:_SHOWN], _run, arguments, text, environment)
    except FileNotFoundError:
        raise Unavailable("nft is not installed", hint="apt-get install nftables") from None
    if done.returncode:
        raise KernelRefused("nft", 0, f"nft: {done.stderr.strip()}")
    return done.stdout
