"""The default bridge, host and none."""

from __future__ import annotations

import os

import pytest

from tests.daemon import Daemon


def test_containers_reach_each_other_and_the_host(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "server", "busybox", "sh", "-c", "echo hello > /tmp/f; nc -l -p 7000 < /tmp/f")
    settings = clean.inspect("server")["NetworkSettings"]
    assert settings["Networks"]["bridge"]["IPAddress"] == settings["IPAddress"]
    ping = f"ping -c1 -W2 {settings['Gateway']} | grep -c 'bytes from'"
    script = f"sleep 0.3; nc {settings['IPAddress']} 7000 < /dev/null; {ping}"
    assert clean.out("run", "--rm", "busybox", "sh", "-c", script).split() == ["hello", "1"]


def test_none_has_only_loopback(clean: Daemon) -> None:
    assert clean.out("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net") == "lo"
    clean.docker("run", "--rm", "--network", "none", "busybox", "ping", "-c1", "-W1", "127.0.0.1")


@pytest.mark.skipif(not os.path.exists("/proc/sys/net/ipv6"), reason="this kernel has no IPv6")
@pytest.mark.parametrize("network", ["bridge", "none"])
def test_ipv6_is_off_unless_asked_for_as_with_docker(clean: Daemon, network: str) -> None:
    options = ("--rm", "--network", network)
    assert "inet6" not in clean.out("run", *options, "busybox", "ip", "addr")
    asked = ("--sysctl", "net.ipv6.conf.all.disable_ipv6=0")
    assert "inet6" in clean.out("run", *options, *asked, "busybox", "ip", "addr")


def test_host_is_the_hosts(clean: Daemon) -> None:
    inside = clean.out("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net")
    assert inside == os.readlink("/proc/self/ns/net")


def test_names_of_its_own(clean: Daemon) -> None:
    out = clean.out("run", "--rm", "--add-host", "db:10.9.9.9", "busybox", "cat", "/etc/hosts")
    assert "10.9.9.9\tdb" in out
    resolvers = clean.out("run", "--rm", "--dns", "9.9.9.9", "busybox", "cat", "/etc/resolv.conf")
    assert "nameserver 9.9.9.9" in resolvers


def test_an_unknown_network_is_refused_when_the_container_starts(clean: Daemon) -> None:
    """As Docker: the container is there, and starts once the network is."""
    result = clean.docker("run", "--name", "early", "--network", "mine", "busybox", "true", check=False)
    assert result.returncode == 125
    assert "network mine not found" in result.stderr
    assert clean.inspect("early")["State"]["Status"] == "created"
