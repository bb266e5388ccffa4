"""Address translation and forwarding of one instance: one nftables table, loaded whole, changed by element later.

`ruleset` is pure; `load` and `remove` run nft(8), the only program that this room starts. A table of our own cannot
open what another one drops: that is `firewall`'s to find.
"""

from __future__ import annotations

import subprocess

from kernel_engine.errors import KernelRefused, Unavailable

_MISSING_TABLE = "No such file or directory"


def ruleset(table: str, bridge: str, subnet: str) -> str:
    """The text for `nft -f -`: replaces the table if there is one, in a single transaction.

    Published ports are elements of the two maps: on every address of the host, or on one of them.
    """
    return f"""\
table ip {table}
delete table ip {table}
table ip {table} {{
    set bridges {{ type ifname; elements = {{ "{bridge}" }}; }}
    set subnets {{ type ipv4_addr; flags interval; elements = {{ {subnet} }}; }}
    map published {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
    map published_at {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}

    chain translate {{
        dnat ip to ip daddr . meta l4proto . th dport map @published_at
        dnat ip to meta l4proto . th dport map @published
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump translate
    }}
    chain output {{
        type nat hook output priority -100; policy accept;
        ip daddr != 127.0.0.0/8 fib daddr type local jump translate
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr @subnets oifname != @bridges masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "{bridge}" oifname "{bridge}" accept comment "containers of one network"
        iifname @bridges oifname "ke-*" drop comment "networks do not see each other"
        iifname "ke-*" oifname @bridges drop
        iifname @bridges accept
        oifname @bridges ct state established,related accept
        oifname @bridges ct status dnat accept comment "published ports"
        oifname @bridges drop
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
