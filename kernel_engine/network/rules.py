"""The rules of one instance, as text for nft(8): a table for IPv4 and one for IPv6, alike in all but words. Pure.

What changes while the tables stand is elements of their sets and maps; `nat` loads and changes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kernel_engine.network.endpoint import ANYWHERE, ANYWHERE6, Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What the rules need to know of one network."""

    bridge: str
    subnet: str
    subnet6: str = ""  #: "" = none
    internal: bool = False  #: no way out, and none in
    masquerade: bool = True
    icc: bool = True  #: its containers may talk to each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What differs between the two tables."""

    name: str  #: nft's word for the table's family, and for a field of its header
    address: str  #: nft's type
    loopback: str
    anywhere: str

    def subnet(self, network: Ways) -> str:
        return network.subnet if self.name == "ip" else network.subnet6


IPV4 = Family(name="ip", address="ipv4_addr", loopback="127.0.0.0/8", anywhere=ANYWHERE)
IPV6 = Family(name="ip6", address="ipv6_addr", loopback="::1", anywhere=ANYWHERE6)


def ruleset(
    table: str, networks: Iterable[Ways], published: Iterable[tuple[Published, str]] = (), *, ipv6: bool = False
) -> str:
    """The text for `nft -f -`: replaces the tables if there are any, in a single transaction.

    published: ports with the address of their container, which are open from the first moment. They are elements of
    the two maps: on every address of the host, or on one of them. ipv6: the kernel has it.
    """
    found, ports = tuple(networks), tuple(published)
    families = (IPV4, IPV6) if ipv6 else (IPV4,)
    return "".join(_table(family, table, found, ports) for family in families)


def changes(verb: str, table: str, network: Ways, *, ipv6: bool) -> str:
    """One network more ("add") or fewer ("delete") in tables that stand."""
    return "".join(
        f"{verb} element {family.name} {table} {name} {{ {', '.join(words)} }}\n"
        for family in ((IPV4, IPV6) if ipv6 else (IPV4,))
        for name, words in _members(family, (network,)).items()
        if words
    )


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


def _table(family: Family, table: str, networks: tuple[Ways, ...], published: tuple[tuple[Published, str], ...]) -> str:
    name = family.name
    return f"""\
table {name} {table}
delete table {name} {table}
table {name} {table} {{
{_sets(family, networks)}
{_maps(family, published)}
{_translation(family)}
{_filtering()}
}}
"""


def _sets(family: Family, networks: tuple[Ways, ...]) -> str:
    words = {name: _elements(members) for name, members in _members(family, networks).items()}
    return f"""\
    set bridges {{ type ifname; {words["bridges"]}}}
    set closed {{ type ifname; {words["closed"]}}}
    set within {{ type ifname . ifname; {words["within"]}}}
    set subnets {{ type {family.address}; flags interval; {words["subnets"]}}}"""


def _maps(family: Family, published: tuple[tuple[Published, str], ...]) -> str:
    everywhere, somewhere = _listed(family, published)
    address = family.address
    place = f"{address} . inet_service"
    return f"""\
    map published {{ type inet_proto . inet_service : {place}; {everywhere}}}
    map published_at {{ type {address} . inet_proto . inet_service : {place}; {somewhere}}}"""


def _translation(family: Family) -> str:
    """Ports in, addresses out; and what keeps `route_localnet` (IPv4) to the host's own connections."""
    name, loopback = family.name, family.loopback
    return f"""\
    chain translate {{
        dnat {name} to {name} daddr . meta l4proto . th dport map @published_at
        dnat {name} to meta l4proto . th dport map @published
    }}
    chain guard {{
        type filter hook prerouting priority raw; policy accept;
        iifname @bridges {name} daddr {loopback} drop comment "route_localnet is for the host's own connections"
        iifname @bridges {name} saddr {loopback} drop
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        {name} daddr {loopback} return comment "another machine's trick: the kernel drops it"
        fib daddr type local jump translate
    }}
    chain output {{
        type nat hook output priority -100; policy accept;
        {"ip6 daddr ::1 return" if name == "ip6" else "# the kernel leads 127.0.0.1 out, but never ::1"}
        fib daddr type local jump translate
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        {name} saddr @subnets oifname != @bridges masquerade
        oifname @bridges ct status dnat {name} saddr {loopback} masquerade
        oifname @bridges ct status dnat {name} saddr @subnets masquerade comment "a neighbour through a published port"
    }}"""


def _filtering() -> str:
    return """\
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname . oifname @within accept comment "containers of one network"
        iifname @closed drop comment "internal networks"
        oifname @closed drop
        ct status dnat accept comment "published ports, of other networks too"
        iifname @bridges oifname @bridges drop comment "networks do not see each other"
        iifname @bridges oifname "ke-*" drop comment "nor those of other instances"
        iifname "ke-*" oifname @bridges drop
        iifname @bridges accept
        oifname @bridges ct state established,related accept
        oifname @bridges drop
    }"""


def _members(family: Family, networks: Iterable[Ways]) -> dict[str, list[str]]:
    """The elements of each set, for these networks."""
    found = tuple(networks)
    return {
        "bridges": [f'"{item.bridge}"' for item in found],
        "closed": [f'"{item.bridge}"' for item in found if item.internal],
        "within": [f'"{item.bridge}" . "{item.bridge}"' for item in found if item.icc],
        "subnets": [family.subnet(item) for item in found if _goes_out(family, item)],
    }


def _goes_out(family: Family, network: Ways) -> bool:
    return network.masquerade and not network.internal and bool(family.subnet(network))


def _listed(family: Family, published: Iterable[tuple[Published, str]]) -> tuple[str, str]:
    """Elements of both maps."""
    everywhere, somewhere = [], []
    for port, address in published:
        if (":" in port.host_address) != (family is IPV6):
            continue
        words = f"{port.protocol} . {port.host_port} : {address} . {port.container_port}"
        if port.host_address == family.anywhere:
            everywhere.append(words)
        else:
            somewhere.append(f"{port.host_address} . {words}")
    return _elements(everywhere), _elements(somewhere)


def _elements(words: list[str]) -> str:
    return f"elements = {{ {', '.join(words)} }}; " if words else ""
