"""Address translation and forwarding of one instance: one nftables table, loaded whole, changed by element later.

`ruleset` is pure; `load` and `remove` run nft(8), the only program that this room starts; `publish` and `withdraw` are
one netlink message. A table of our own cannot open what another one drops: that is `firewall`'s to find.
"""

from __future__ import annotations

import errno
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from kernel_engine.errors import KernelRefused, Unavailable
from kernel_engine.network.endpoint import ANYWHERE, Published
from kernel_engine.syscalls.nfnetlink import Element, Nfnetlink

_MISSING_TABLE = "No such file or directory"
#: IANA's protocol numbers
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What the rules need to know of one network."""

    bridge: str
    subnet: str
    internal: bool = False  #: no way out, and none in
    masquerade: bool = True


def ruleset(table: str, networks: Iterable[Ways], published: Iterable[tuple[Published, str]] = ()) -> str:
    """The text for `nft -f -`: replaces the table if there is one, in a single transaction.

    published: ports with the address of their container, which are open from the first moment. They are elements of
    the two maps: on every address of the host, or on one of them.
    """
    everywhere, somewhere = _listed(published)
    sets = {name: _elements(words) for name, words in _members(networks).items()}
    return f"""\
table ip {table}
delete table ip {table}
table ip {table} {{
    set bridges {{ type ifname; {sets["bridges"]}}}
    set closed {{ type ifname; {sets["closed"]}}}
    set within {{ type ifname . ifname; {sets["within"]}}}
    set subnets {{ type ipv4_addr; flags interval; {sets["subnets"]}}}
    map published {{ type inet_proto . inet_service : ipv4_addr . inet_service; {everywhere}}}
    map published_at {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; {somewhere}}}

    chain translate {{
        dnat ip to ip daddr . meta l4proto . th dport map @published_at
        dnat ip to meta l4proto . th dport map @published
    }}
    chain guard {{
        type filter hook prerouting priority raw; policy accept;
        iifname @bridges ip daddr 127.0.0.0/8 drop comment "route_localnet is for the host's own connections"
        iifname @bridges ip saddr 127.0.0.0/8 drop
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr 127.0.0.0/8 return comment "another machine's trick: the kernel drops it"
        fib daddr type local jump translate
    }}
    chain output {{
        type nat hook output priority -100; policy accept;
        fib daddr type local jump translate
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr @subnets oifname != @bridges masquerade
        oifname @bridges ct status dnat ip saddr 127.0.0.0/8 masquerade
        oifname @bridges ct status dnat ip saddr @subnets masquerade comment "a neighbour through a published port"
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname . oifname @within accept comment "containers of one network"
        iifname @closed drop comment "internal networks"
        oifname @closed drop
        ct status dnat accept comment "published ports, of other networks too"
        iifname @bridges oifname "ke-*" drop comment "networks do not see each other"
        iifname "ke-*" oifname @bridges drop
        iifname @bridges accept
        oifname @bridges ct state established,related accept
        oifname @bridges drop
    }}
}}
"""


def add(table: str, network: Ways) -> None:
    """One more network in a table that stands. Blocks (10 to 20 ms)."""
    _nft(("-f", "-"), _changes("add", table, network))


def take_away(table: str, network: Ways) -> None:
    """The opposite; a table that is not there is no error."""
    try:
        _nft(("-f", "-"), _changes("delete", table, network))
    except KernelRefused as error:
        if _MISSING_TABLE not in error.message:
            raise


def _changes(verb: str, table: str, network: Ways) -> str:
    members = _members((network,))
    lines = [f"{verb} element ip {table} {name} {{ {', '.join(words)} }}" for name, words in members.items() if words]
    return "\n".join(lines) + "\n"


def _members(networks: Iterable[Ways]) -> dict[str, list[str]]:
    """The elements of each set, for these networks."""
    found = tuple(networks)
    return {
        "bridges": [f'"{item.bridge}"' for item in found],
        "closed": [f'"{item.bridge}"' for item in found if item.internal],
        "within": [f'"{item.bridge}" . "{item.bridge}"' for item in found],
        "subnets": [item.subnet for item in found if item.masquerade and not item.internal],
    }


def _elements(words: list[str]) -> str:
    return f"elements = {{ {', '.join(words)} }}; " if words else ""


def name_server(address: str, port: int) -> str:
    """The text for a container's own namespace: questions to `address`:53 go to the port that the server has there."""
    return f"""\
table ip kernel_engine_names
delete table ip kernel_engine_names
table ip kernel_engine_names {{
    chain output {{
        type nat hook output priority -100; policy accept;
        ip daddr {address} meta l4proto {{ tcp, udp }} th dport 53 dnat to {address}:{port}
    }}
}}
"""


def load(text: str) -> None:
    """All of it or nothing. Blocks (10 to 20 ms): to be called in a thread."""
    _nft(("-f", "-"), text)


def remove(table: str) -> None:
    """Removes the table with all rules and elements; no error where there is none."""
    try:
        _nft(("-f", "-"), f"delete table ip {table}\n")
    except KernelRefused as error:
        if _MISSING_TABLE not in error.message:
            raise


def publish(table: str, ports: Iterable[Published], address: str) -> None:
    """Leads connections to these ports to a container. OSError, with none of them open; well under 1 ms each."""
    ports = tuple(ports)
    with Nfnetlink() as netfilter:
        done: list[Published] = []
        try:
            for name, some in _by_map(ports):
                netfilter.add_elements(table, name, [_element(port, address) for port in some])
                done += some
        except OSError:
            withdraw(table, done)
            raise
        _forget_datagrams(netfilter, ports)


def withdraw(table: str, ports: Iterable[Published]) -> None:
    """The opposite. Ports (or a table) that are not there are no error."""
    ports = tuple(ports)
    with Nfnetlink() as netfilter:
        for name, some in _by_map(ports):
            keys = [Element(_element(port).key, b"") for port in some]
            try:
                netfilter.delete_elements(table, name, keys)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
                _delete_singly(netfilter, table, name, keys)
        _forget_datagrams(netfilter, ports)


def _delete_singly(netfilter: Nfnetlink, table: str, name: str, keys: list[Element]) -> None:
    """A batch is all or none: where one is gone already, the others are still to go."""
    for key in keys:
        try:
            netfilter.delete_elements(table, name, [key])
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def _forget_datagrams(netfilter: Nfnetlink, ports: tuple[Published, ...]) -> None:
    for number in {port.host_port for port in ports if port.protocol == "udp"}:
        netfilter.forget_connections(PROTOCOLS["udp"], number)


def _by_map(ports: tuple[Published, ...]) -> tuple[tuple[str, list[Published]], ...]:
    everywhere = [port for port in ports if port.host_address == ANYWHERE]
    somewhere = [port for port in ports if port.host_address != ANYWHERE]
    return (("published", everywhere), ("published_at", somewhere))


def _element(port: Published, address: str = "0.0.0.0") -> Element:
    """As the ruleset's maps have it. Each part begins at a register of 4 bytes."""
    key = bytes([PROTOCOLS[port.protocol], 0, 0, 0]) + _number(port.host_port)
    if port.host_address != ANYWHERE:
        key = socket.inet_aton(port.host_address) + key
    return Element(key, socket.inet_aton(address) + _number(port.container_port))


def _number(port: int) -> bytes:
    return port.to_bytes(2, "big") + b"\0\0"


def _listed(published: Iterable[tuple[Published, str]]) -> tuple[str, str]:
    """The same as nft's text, for both maps."""
    everywhere, somewhere = [], []
    for port, address in published:
        words = f"{port.protocol} . {port.host_port} : {address} . {port.container_port}"
        if port.host_address == ANYWHERE:
            everywhere.append(words)
        else:
            somewhere.append(f"{port.host_address} . {words}")
    return _elements(everywhere), _elements(somewhere)


def _nft(arguments: tuple[str, ...], text: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ("nft", *arguments), input=text, capture_output=True, text=True, check=False, env=environment
        )
    except FileNotFoundError:
        raise Unavailable("nft is not installed", hint="apt-get install nftables") from None
    if done.returncode:
        raise KernelRefused("nft", 0, f"nft: {done.stderr.strip()}")
    return done.stdout
