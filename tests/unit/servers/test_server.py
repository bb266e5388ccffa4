"""What a server is called, and what it is told of this machine."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.network.site import cable, ruleset
from kernel_engine.paths import Instance
from kernel_engine.servers.server import Server, Settings, check_name, command, local_ports, seen_from

SERVER = Server(name="second", interface="172.18.0.2/16", gateway="172.18.0.1/16", created=0.0, plain_http=True)


@pytest.mark.parametrize("name", ["a", "second", "web-2", "a9", "a" * 20])
def test_a_host_name_is_a_servers_name(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "..", "9", "../x", "a/b", "a b", "Up", "-a", "a-", "a" * 21, "ä", "a\n", "a.net"])
def test_nothing_else_is(name: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid server name"):
        check_name(name)


def test_a_mirror_on_this_machines_loopback_is_called_by_its_other_address() -> None:
    mirrors = ("http://127.0.0.1:5555", "http://localhost/hub/", "https://mirror.example:8443")
    assert local_ports(mirrors) == {5555, 80}
    assert seen_from("172.18.0.1/16", mirrors) == (
        "http://172.18.0.1:5555",
        "http://172.18.0.1/hub/",
        "https://mirror.example:8443",
    )


def test_its_own_network_is_named_insecure_only_where_that_was_asked_for() -> None:
    settings = Settings(insecure=("old:5000",), certificates=Path("/c"), group="staff")
    words = command(SERVER, settings, "172.18.0.0/16")
    assert " ".join(words).endswith("--insecure-registry old:5000 --insecure-registry 172.18.0.0/16 --group staff")
    careful = Server(name="b", interface="172.18.0.3/16", gateway="172.18.0.1/16", created=0.0)
    assert "172.18.0.0/16" not in command(careful, settings, "172.18.0.0/16")


def test_only_the_named_ports_of_loopback_are_led_to() -> None:
    text = ruleset("t", "kes-1", IPv4Interface("172.18.0.1/16"), [5555])
    assert "iifname kes-1 ip daddr 172.18.0.1 tcp dport 5555 dnat to 127.0.0.1:5555" in text
    assert text.count("dnat") == 1
    assert "iifname kes-1 ip daddr 127.0.0.0/8 drop" in text
    assert ruleset("t", "kes-1", IPv4Interface("172.18.0.1/16"), []).count("dnat") == 0


def test_names_in_the_kernel_are_short_enough_and_differ() -> None:
    instance = Instance.at("/a", "/b")
    names = {cable(instance, IPv4Interface(f"172.18.{number // 256}.{number % 256}/16")).outside for number in (2, 258)}
    assert len(names) == 2
    assert all(len(name) <= 15 for name in (*names, instance.servers_bridge))
