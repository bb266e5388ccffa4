"""resolv.conf and hosts, by Docker's rules."""

from __future__ import annotations

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.network.names import hosts_file, resolv_conf


def test_the_hosts_resolvers_are_taken_over() -> None:
    host = "# made by hand\nsearch a.example b.example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions ndots:2\n"
    assert resolv_conf(host) == (
        "search a.example b.example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions ndots:2\n"
    )


@pytest.mark.parametrize(
    "host", ["", "nameserver 127.0.0.1\n", "nameserver ::1\n", "nameserver fd00::53\n", "nonsense"]
)
def test_without_a_resolver_that_a_container_can_reach_google_is_named(host: str) -> None:
    assert resolv_conf(host) == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_loopback_resolvers_are_dropped_and_others_stay() -> None:
    assert resolv_conf("nameserver 127.0.0.1\nnameserver 192.0.2.53 # mine\n") == "nameserver 192.0.2.53\n"


def test_systemds_own_list_counts_when_the_stub_is_the_only_one() -> None:
    systemd = "nameserver 192.0.2.1\nsearch lan\n"
    assert resolv_conf("nameserver 127.0.0.53\noptions edns0\n", systemd) == "search lan\nnameserver 192.0.2.1\n"
    assert resolv_conf("nameserver 127.0.0.53\nnameserver 192.0.2.9\n", systemd) == "nameserver 192.0.2.9\n"
    assert resolv_conf("nameserver 127.0.0.53\n", "") == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_what_the_user_says_replaces_one_kind_each() -> None:
    host = "search lan\nnameserver 192.0.2.1\noptions ndots:1\n"
    assert resolv_conf(host, servers=("1.1.1.1",)) == "search lan\nnameserver 1.1.1.1\noptions ndots:1\n"
    assert resolv_conf(host, search=("x", "y")) == "search x y\nnameserver 192.0.2.1\noptions ndots:1\n"
    assert resolv_conf(host, search=(".",)) == "nameserver 192.0.2.1\noptions ndots:1\n"
    assert resolv_conf(host, options=("timeout:1",)) == "search lan\nnameserver 192.0.2.1\noptions timeout:1\n"
    assert resolv_conf(host, servers=("127.0.0.1",)).count("nameserver 127.0.0.1") == 1, "as the user wants it"


def test_a_server_that_is_no_address() -> None:
    with pytest.raises(InvalidRequest, match="dns is not an ip address"):
        resolv_conf("", servers=("dns",))


def test_hosts() -> None:
    text = hosts_file(("172.17.0.2",), "web", (("db", "10.0.0.5"),))
    lines = text.splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[1] == "::1\tlocalhost ip6-localhost ip6-loopback"
    assert lines[-2:] == ["10.0.0.5\tdb", "172.17.0.2\tweb"]
    assert "web" not in hosts_file((), "web")


def test_a_full_host_name_brings_its_short_one() -> None:
    assert hosts_file(("10.0.0.2",), "web.example.com").endswith("10.0.0.2\tweb.example.com web\n")
    assert hosts_file(("10.0.0.2",), "web.example.com web").endswith("10.0.0.2\tweb.example.com web\n")
