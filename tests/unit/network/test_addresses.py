"""Subnets and addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.errors import InvalidRequest, Unavailable
from kernel_engine.network.addresses import POOLS, SERVERS, choose_subnet, free_address, mac_address, parse_subnet


def networks(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        ((), "172.17.0.1/16"),
        (("172.17.0.0/16",), "172.18.0.1/16"),
        (("172.17.5.0/24", "10.0.0.0/8"), "172.18.0.1/16"),
        (("172.16.0.0/12",), "192.168.0.1/20"),
        (("172.16.0.0/12", "192.168.1.0/24"), "192.168.16.1/20"),
    ],
)
def test_the_first_pool_that_overlaps_nothing(taken: tuple[str, ...], chosen: str) -> None:
    assert str(choose_subnet(networks(*taken))) == chosen


def test_what_the_instance_had_is_preferred_while_it_is_free() -> None:
    had = IPv4Interface("172.25.0.1/16")
    assert choose_subnet(networks("172.17.0.0/16"), preferred=had) == had
    assert str(choose_subnet(networks("172.25.0.0/24"), preferred=had)) == "172.17.0.1/16"


def test_no_pool_left() -> None:
    with pytest.raises(Unavailable, match="could not find an available, non-overlapping IPv4 address pool"):
        choose_subnet(networks("172.16.0.0/12", "192.168.0.0/16"))


@given(st.lists(st.sampled_from(POOLS), max_size=20))
def test_a_chosen_subnet_never_overlaps(taken: list[IPv4Network]) -> None:
    chosen = choose_subnet(taken)
    assert not any(chosen.network.overlaps(network) for network in taken)


@pytest.mark.parametrize(
    ("text", "gateway"),
    [("172.30.0.0/16", "172.30.0.1/16"), ("172.30.0.9/16", "172.30.0.9/16"), ("10.1.2.0/30", "10.1.2.1/30")],
)
def test_a_subnet_by_the_user(text: str, gateway: str) -> None:
    assert str(parse_subnet(text)) == gateway


@pytest.mark.parametrize("text", ["", "x", "172.30.0.0", "172.30.0.0/31", "10.0.0.0/33", "127.0.0.0/8", "fd00::/64"])
def test_a_subnet_that_is_none(text: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid subnet"):
        parse_subnet(text)


def test_the_lowest_free_address() -> None:
    gateway = IPv4Interface("172.17.0.1/16")
    assert free_address(gateway, ()) == IPv4Address("172.17.0.2")
    assert free_address(gateway, ("172.17.0.2", "172.17.0.4")) == IPv4Address("172.17.0.3")
    assert free_address(IPv4Interface("10.0.0.2/30"), ()) == IPv4Address("10.0.0.1")
    assert free_address(IPv4Interface("10.0.0.1/30"), ("10.0.0.2",)) is None


def test_a_mac_address_follows_the_address() -> None:
    assert mac_address(IPv4Address("172.17.0.2")) == "02:42:ac:11:00:02"


def test_servers_take_nothing_of_dockers_pools_while_they_need_not() -> None:
    assert str(choose_subnet((), pools=SERVERS)) == "10.201.0.1/24"
    assert str(choose_subnet(networks("10.201.0.0/24"), pools=SERVERS)) == "10.201.1.1/24"
    assert str(choose_subnet(networks("10.0.0.0/8", "172.17.0.0/16"), pools=SERVERS)) == "172.18.0.1/16"
