"""What other firewalls are found to drop, from their listings."""

from __future__ import annotations

from typing import Any

from kernel_engine.network.firewall import advice, dropping_legacy, dropping_nft


def chain(name: str, *, table: str = "filter", family: str = "ip", **more: str) -> dict[str, Any]:
    return {"chain": {"family": family, "table": table, "name": name, **more}}


def listing(*items: dict[str, Any]) -> dict[str, Any]:
    return {"nftables": [{"metainfo": {}}, *items]}


FORWARD = chain("FORWARD", type="filter", hook="forward", policy="drop")


def test_nothing_drops() -> None:
    accepting = chain("FORWARD", type="filter", hook="forward", policy="accept")
    own = chain("forward", table="ke_abcdef", type="filter", hook="forward", policy="drop")
    entering = chain("INPUT", type="filter", hook="input", policy="drop")
    assert dropping_nft(listing(accepting, own, entering), "ke-abcdef") == ()
    assert dropping_nft({}, "ke-abcdef") == ()


def test_docker_beside_us() -> None:
    (found,) = dropping_nft(listing(FORWARD, chain("DOCKER-USER")), "ke-abcdef")
    text = advice(found, "ke-abcdef")
    assert "Docker's firewall" in text
    assert "iptables -I DOCKER-USER -i ke-abcdef+ -j ACCEPT" in text
    assert "iptables -I DOCKER-USER -o ke-abcdef+ -j ACCEPT" in text


def test_a_firewall_of_nftables_own_kind() -> None:
    (found,) = dropping_nft(
        listing(chain("fwd", table="fw", family="inet", type="filter", hook="forward", policy="drop")), "ke-abcdef"
    )
    assert "nft insert rule inet fw fwd iifname '\"ke-abcdef*\"' accept" in advice(found, "ke-abcdef")


def last_rule(verdict: str, *before: dict[str, Any]) -> dict[str, Any]:
    place = {"family": "inet", "table": "firewalld", "chain": "filter_FORWARD"}
    return {"rule": {**place, "expr": [*before, {"counter": {"packets": 1, "bytes": 2}}, {verdict: None}]}}


def test_a_firewall_that_rejects_by_its_last_rule() -> None:
    """As firewalld does; a rule that knows only some packets does not count."""
    hook = chain("filter_FORWARD", table="firewalld", family="inet", type="filter", hook="forward", policy="accept")
    (found,) = dropping_nft(listing(hook, last_rule("accept"), last_rule("reject")), "ke-abcdef")
    assert "policy" not in advice(found, "ke-abcdef") and "last rule reject" in advice(found, "ke-abcdef")
    assert dropping_nft(listing(hook, last_rule("reject"), last_rule("accept")), "ke-abcdef") == ()
    match = {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "eth9"}}
    assert dropping_nft(listing(hook, last_rule("drop", match)), "ke-abcdef") == ()


def test_rules_about_the_bridge_settle_it() -> None:
    match = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "ke-abcdef*"}}
    rule = {"rule": {"family": "ip", "table": "filter", "chain": "DOCKER-USER", "expr": [match, {"accept": None}]}}
    assert dropping_nft(listing(FORWARD, chain("DOCKER-USER"), rule), "ke-abcdef") == ()
    assert len(dropping_nft(listing(FORWARD, chain("DOCKER-USER"), rule), "ke-123456")) == 1


def test_legacy_iptables() -> None:
    text = "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n"
    (found,) = dropping_legacy(text, "ke-abcdef")
    assert "iptables-legacy -I FORWARD -i ke-abcdef+ -j ACCEPT" in advice(found, "ke-abcdef")
    assert dropping_legacy(text + "-A FORWARD -i ke-abcdef+ -j ACCEPT\n", "ke-abcdef") == ()
    assert dropping_legacy("-P FORWARD ACCEPT\n", "ke-abcdef") == ()
