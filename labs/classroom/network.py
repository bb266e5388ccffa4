"""The class's network: one bridge, a namespace for each learner, and what they may reach.

In a namespace of their own everybody publishes port 8080 without asking the neighbour, and 127.0.0.1 is theirs alone.
From there they reach the internet as this machine does, JupyterHub, the offline hub and the bundle's mirror; not this
machine's other ports, and not each other.
"""

from __future__ import annotations

import json
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

from labs.classroom.learners import Learner, free_network
from labs.hub.registry import DEFAULT_PORT, MAKER_PORT

BRIDGE = "dl-class"
TABLE = "docker_labs_class"
#: JupyterHub's own door for JupyterLabs
HUB_PORT = 8081
#: where packaging/mirror-ways has the bundle's mirror, and its ports
_MIRROR, _MIRROR_PORTS = "192.0.2.80", "{ 5557, 5553 }"
_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


class NetworkFailed(Exception):
    """ip(8) or nft(8) refused; the message is theirs."""


def rules(network: IPv4Network) -> str:
    """For nft(8): replaces the table if there is one."""
    here = network[1]
    return f"""\
table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname "{BRIDGE}" ip daddr {here} tcp dport {{ {DEFAULT_PORT}, {MAKER_PORT} }} dnat to 127.0.0.1
    }}
    chain guard {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{BRIDGE}" ip daddr 127.0.0.0/8 drop comment "route_localnet is for the hub alone"
        iifname "{BRIDGE}" ip saddr != {network} drop
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname != "{BRIDGE}" accept
        ct state established,related accept
        ct status dnat accept
        ip daddr {here} tcp dport {HUB_PORT} accept
        ip daddr {_MIRROR} th dport {_MIRROR_PORTS} accept
        ip protocol icmp accept
        reject
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "{BRIDGE}" oifname "{BRIDGE}" drop
        iifname "{BRIDGE}" oifname "ke-*" drop comment "this machine's own containers"
        iifname "{BRIDGE}" accept
        oifname "{BRIDGE}" ct state established,related accept
        oifname "{BRIDGE}" drop
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {network} oifname != "{BRIDGE}" masquerade
    }}
}}
"""


def lay() -> IPv4Network:
    """Makes the bridge anew and opens the ways. Raises NetworkFailed, BadClass."""
    take_up()
    routes = json.loads(_run("ip", "-json", "-4", "route", "show", "table", "all"))
    network = free_network([str(route.get("dst", "")) for route in routes])
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{network[1]}/{network.prefixlen}", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    Path(f"/proc/sys/net/ipv4/conf/{BRIDGE}/route_localnet").write_text("1")
    _run("nft", "-f", "-", text=rules(network))
    return network


def take_up() -> None:
    """The opposite; what is not there is no error. Namespaces are left by `leave`."""
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False, env={"PATH": _PATH})
    _run("nft", "-f", "-", text=f"table ip {TABLE}\ndelete table ip {TABLE}\n")


def join(learner: Learner, network: IPv4Network) -> None:
    """Makes the learner's namespace with its cable; one that is there already stays."""
    if Path("/run/netns", learner.namespace).exists():
        return
    inside = f"{learner.cable}i"
    _run("ip", "netns", "add", learner.namespace)
    _run("ip", "link", "add", learner.cable, "type", "veth", "peer", "name", inside, "netns", learner.namespace)
    _run("ip", "link", "set", learner.cable, "master", BRIDGE, "up")
    _run("bridge", "link", "set", "dev", learner.cable, "isolated", "on")
    within = ("ip", "-netns", learner.namespace)
    _run(*within, "link", "set", inside, "name", "eth0", "up")
    _run(*within, "link", "set", "lo", "up")
    _run(*within, "address", "add", f"{learner.address(network)}/{network.prefixlen}", "dev", "eth0")
    _run(*within, "route", "add", "default", "via", str(network[1]))


def leave(learner: Learner) -> None:
    """The namespace is gone when its last process is; the cable with it."""
    subprocess.run(["ip", "netns", "delete", learner.namespace], capture_output=True, check=False, env={"PATH": _PATH})
    subprocess.run(["ip", "link", "delete", learner.cable], capture_output=True, check=False, env={"PATH": _PATH})


def resolvers(offline: Path = Path("/etc/docker-labs/offline")) -> tuple[str, ...]:
    """The bundle's name server where `./lab up --offline` set this machine up; else this machine's resolvers as they
    are reached from a namespace: none of its 127.0.0.1's."""
    if offline.exists():
        return (_MIRROR,)
    found: list[str] = []
    for path in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        try:
            words = [line.split() for line in path.read_text(errors="replace").splitlines()]
        except OSError:
            continue
        found += [line[1] for line in words if len(line) > 1 and line[0] == "nameserver" and _outside(line[1])]
    return tuple(dict.fromkeys(found))


def _outside(address: str) -> bool:
    return ":" not in address and not address.startswith("127.")


def _run(*words: str, text: str = "") -> str:
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, check=False, env={"PATH": _PATH, "LC_ALL": "C"}
    )
    if done.returncode:
        raise NetworkFailed(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
