"""Other firewalls on the machine: what they would drop of ours, and what to type against it. Changes nothing.

A packet that one table accepts may still be dropped by another one's policy (nft(8), "verdict statements"), so a
table of our own cannot help.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

_SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropping:
    """A chain that drops (or rejects) forwarded packets unless one of its rules knows better."""

    program: str  #: "nft" | "iptables" | "iptables-legacy"
    family: str
    table: str
    chain: str
    docker: bool  #: Docker's own chain for the user's rules (DOCKER-USER) stands in the same table
    how: str = "policy drop"


def findings(bridge: str) -> tuple[str, ...]:
    """One sentence for each firewall that drops the containers' traffic; empty when all is well.

    bridge: the default one, whose name is the beginning of the others'. Runs nft and iptables-legacy: to be called in a
    thread.
    """
    found = dropping_nft(_json(("nft", "-j", "list", "ruleset")), bridge)
    found += dropping_legacy(_text(("iptables-legacy", "-S")), bridge)
    return tuple(advice(item, bridge) for item in found)


def dropping_nft(listing: dict[str, Any], bridge: str) -> tuple[Dropping, ...]:
    """Base chains at the forward hook that let nothing through at their end, and have no rule about the bridges."""
    items = listing.get("nftables", ())
    chains = [item["chain"] for item in items if "chain" in item]
    rules = [item["rule"] for item in items if "rule" in item]
    found = []
    for chain in chains:
        where = (chain["family"], chain["table"])
        same = [rule for rule in rules if (rule["family"], rule["table"]) == where]
        how = _end(chain, [rule for rule in same if rule["chain"] == chain["name"]])
        if chain.get("hook") != "forward" or not how or chain["table"].startswith("ke_"):
            continue
        if chain["family"] not in ("ip", "inet") or any(f'"{bridge}*"' in json.dumps(rule) for rule in same):
            continue
        names = {item["name"] for item in chains if (item["family"], item["table"]) == where}
        iptables = chain["table"] == "filter" and chain["name"] == "FORWARD"
        found.append(
            Dropping(
                program="iptables" if iptables else "nft",
                family=chain["family"],
                table=chain["table"],
                chain=chain["name"],
                docker="DOCKER-USER" in names,
                how=how,
            )
        )
    return tuple(found)


def _end(chain: dict[str, Any], rules: list[dict[str, Any]]) -> str:
    """What becomes of a packet that no rule knows; "" where it goes on. firewalld rejects by a last rule."""
    last = rules[-1].get("expr", ()) if rules else ()
    verdicts = [name for step in last for name in step if name != "counter"]
    if verdicts in (["drop"], ["reject"]):
        return f"last rule {verdicts[0]}"
    return "policy drop" if chain.get("policy") == "drop" else ""


def dropping_legacy(listing: str, bridge: str) -> tuple[Dropping, ...]:
    """The same from `iptables-legacy -S`."""
    lines = listing.splitlines()
    if "-P FORWARD DROP" not in lines or any(f" {bridge}+ " in line for line in lines):
        return ()
    docker = "-N DOCKER-USER" in lines
    return (Dropping(program="iptables-legacy", family="ip", table="filter", chain="FORWARD", docker=docker),)


def advice(item: Dropping, bridge: str) -> str:
    if item.program == "nft":
        where = f"{item.family} {item.table} {item.chain}"
        ways = (f"nft insert rule {where} {way} '\"{bridge}*\"' accept" for way in ("iifname", "oifname"))
        commands = "; ".join(ways)
    else:
        chain = "DOCKER-USER" if item.docker else item.chain
        commands = f"{item.program} -I {chain} -i {bridge}+ -j ACCEPT; {item.program} -I {chain} -o {bridge}+ -j ACCEPT"
    who = "Docker's firewall" if item.docker else "another firewall"
    return (
        f"{who} (chain {item.chain} of table {item.family} {item.table}, {item.how}) drops what containers send "
        f"through {bridge}: {commands}"
    )


def _json(command: tuple[str, ...]) -> dict[str, Any]:
    text = _text(command)
    listing = json.loads(text) if text else {}
    return listing if isinstance(listing, dict) else {}


def _text(command: tuple[str, ...]) -> str:
    program = shutil.which(command[0], path=_SEARCH)
    if program is None:
        return ""
    done = subprocess.run((program, *command[1:]), capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    return done.stdout if done.returncode == 0 else ""
