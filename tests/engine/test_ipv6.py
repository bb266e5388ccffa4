"""Networks with IPv6: addresses, names, ways out, ports, isolation; and none of it where a network has none."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon

pytestmark = pytest.mark.skipif(not Path("/proc/sys/net/ipv6").exists(), reason="needs a kernel with IPv6")
NET = ("--network", "six")
SLEEP = ("busybox", "sleep", "100")
ECHO = ("busybox", "nc", "-ll", "-p", "80", "-e", "cat")


@pytest.fixture
def six(clean: Daemon) -> Iterator[Daemon]:
    clean.docker("network", "create", "--ipv6", "--subnet", "fd2b:9:9:1::/64", "six")
    yield clean
    for container in clean.out("ps", "-aq").split():
        clean.docker("rm", "-f", container)
    clean.docker("network", "prune", "-f")


def place(daemon: Daemon, name: str, network: str = "six") -> dict[str, object]:
    found: dict[str, object] = daemon.inspect(name)["NetworkSettings"]["Networks"][network]
    return found


def pings(daemon: Daemon, name: str, target: str) -> bool:
    command = ("exec", name, "ping", "-c", "1", "-W", "1", target)
    return daemon.docker(*command, check=False).returncode == 0


def test_addresses_and_names(six: Daemon) -> None:
    six.docker("run", "-d", "--name", "aa", *NET, *SLEEP)
    six.docker("run", "-d", "--name", "bb", *NET, "--ip6", "fd2b:9:9:1::99", *SLEEP)
    found = place(six, "bb")
    assert (found["GlobalIPv6Address"], found["GlobalIPv6PrefixLen"]) == ("fd2b:9:9:1::99", 64)
    assert found["IPv6Gateway"] == "fd2b:9:9:1::1"
    assert found["IPAMConfig"] == {"IPv6Address": "fd2b:9:9:1::99"}
    assert place(six, "aa")["GlobalIPv6Address"] == "fd2b:9:9:1::2"
    shown = json.loads(six.out("network", "inspect", "six"))[0]
    assert shown["EnableIPv6"] and {"Subnet": "fd2b:9:9:1::/64", "Gateway": "fd2b:9:9:1::1"} in shown["IPAM"]["Config"]
    assert {item["IPv6Address"] for item in shown["Containers"].values()} == {"fd2b:9:9:1::2/64", "fd2b:9:9:1::99/64"}
    for target in ("fd2b:9:9:1::99", "fd2b:9:9:1::1"):
        assert pings(six, "aa", target), target
    assert "fd2b:9:9:1::99" in six.out("exec", "aa", "nslookup", "-type=aaaa", "bb")
    assert "bb.six" in six.out("exec", "aa", "nslookup", "fd2b:9:9:1::99")
    assert re.search(r"^fd2b:9:9:1::99\t", six.out("exec", "bb", "cat", "/etc/hosts"), re.M)
    assert "default via fd2b:9:9:1::1" in six.out("exec", "aa", "ip", "-6", "route")
    six.docker("restart", "-t", "0", "bb")
    assert place(six, "bb")["GlobalIPv6Address"] == "fd2b:9:9:1::99"


def test_options_belong_to_the_subnet_that_they_lie_in(six: Daemon) -> None:
    six.docker(
        "network", "create", "--ipv6", "--subnet", "10.214.0.0/16", "--subnet", "fd2b:9:9:4::/64", "--ip-range",
        "fd2b:9:9:4::8000/113", "--gateway", "fd2b:9:9:4::9", "--gateway", "10.214.0.9", "--aux-address",
        "router=fd2b:9:9:4::8000", "both",
    )  # fmt: skip
    assert json.loads(six.out("network", "inspect", "both"))[0]["IPAM"]["Config"] == [
        {"Subnet": "10.214.0.0/16", "Gateway": "10.214.0.9"},
        {
            "Subnet": "fd2b:9:9:4::/64",
            "Gateway": "fd2b:9:9:4::9",
            "IPRange": "fd2b:9:9:4::8000/113",
            "AuxiliaryAddresses": {"router": "fd2b:9:9:4::8000"},
        },
    ]
    six.docker("run", "-d", "--name", "aa", "--network", "both", *SLEEP)
    found = place(six, "aa", "both")
    assert (found["IPAddress"], found["GlobalIPv6Address"]) == ("10.214.0.1", "fd2b:9:9:4::8001")
    for words, text in (
        (("--gateway", "10.9.9.9"), "no matching subnet for gateway 10.9.9.9"),
        (("--ip-range", "fd00::/113"), "no matching subnet for range fd00::/113"),
        (("--aux-address", "a=1.2.3.4"), "no matching subnet for aux-address 1.2.3.4"),
        (("--gateway", "10.215.0.1", "--gateway", "10.215.0.2"), "cannot configure multiple gateways"),
    ):
        refused = six.docker("network", "create", "--subnet", "10.215.0.0/16", *words, "no", check=False)
        assert (refused.returncode, text in refused.stderr) == (1, True), refused.stderr


def test_none_where_the_network_has_none(six: Daemon) -> None:
    six.docker("run", "-d", "--name", "four", *SLEEP)
    assert "inet6" not in six.out("exec", "four", "ip", "addr")
    assert "= 1" in six.out("exec", "four", "sysctl", "net.ipv6.conf.eth0.disable_ipv6")
    six.docker("network", "connect", "--ip6", "fd2b:9:9:1::77", "six", "four")
    shown = six.out("exec", "four", "ip", "addr", "show", "eth1")
    assert "fd2b:9:9:1::77/64" in shown and "inet6" not in six.out("exec", "four", "ip", "addr", "show", "eth0")
    assert "default via fd2b:9:9:1::1" in six.out("exec", "four", "ip", "-6", "route")
    six.docker("network", "disconnect", "six", "four")
    assert six.out("exec", "four", "ip", "-6", "route") == ""


def test_networks_do_not_see_each_other(six: Daemon) -> None:
    six.docker("network", "create", "--ipv6", "other")
    subnet = json.loads(six.out("network", "inspect", "other"))[0]["IPAM"]["Config"][1]["Subnet"]
    assert re.fullmatch(r"fd[0-9a-f:]+::/64", subnet), "a unique local one of the instance's own"
    six.docker("run", "-d", "--name", "aa", *NET, *SLEEP)
    six.docker("run", "-d", "--name", "bb", "--network", "other", *SLEEP)
    there = str(place(six, "bb", "other")["GlobalIPv6Address"])
    assert not pings(six, "aa", there)
    six.docker("network", "connect", "six", "bb")
    assert pings(six, "aa", str(place(six, "bb")["GlobalIPv6Address"]))


def test_a_port_is_open_over_both(six: Daemon) -> None:
    six.docker(
        "run", "-d", "--name", "web", *NET, "-p", "18731:80", "busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hi"
    )
    ports = six.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"]
    assert ports == [{"HostIp": "0.0.0.0", "HostPort": "18731"}, {"HostIp": "::", "HostPort": "18731"}]
    assert "0.0.0.0:18731->80/tcp, [::]:18731->80/tcp" in six.out("ps", "--format", "{{.Ports}}")
    for address in ("127.0.0.1", "fd2b:9:9:1::1"):
        with socket.create_connection((address, 18731), 5) as end:
            assert end.recv(10) == b"hi\n", address
    refused = six.docker("run", "--rm", *NET, "-p", "[::]:18731:80", "busybox", "true", check=False)
    assert (refused.returncode, "port is already allocated" in refused.stderr) == (125, True), refused.stderr
    six.kill()
    six.start()
    with socket.create_connection(("fd2b:9:9:1::1", 18731), 5) as end:
        assert end.recv(10) == b"hi\n"
    six.docker("rm", "-f", "web")
    with pytest.raises(OSError):
        socket.create_connection(("fd2b:9:9:1::1", 18731), 5).close()


def ask(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), 5) as end:
        end.sendall(b"ping")
        end.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: end.recv(100), b""))


@contextlib.contextmanager
def answering(pid: int) -> Iterator[None]:
    """A UDP server in a container's network, that sends everything back."""
    program = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('0.0.0.0', 53)); print(flush=True)\n"
    program += "while True: s.sendto(*s.recvfrom(65536))"
    words = ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", program]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == b"\n"
            yield
        finally:
            server.kill()


@pytest.mark.parametrize("network", ["bridge", "six"])
def test_a_port_on_ipv6_addresses_of_the_host(six: Daemon, network: str) -> None:
    """Also before a container without IPv6, and on ::1, where the kernel leads nothing: the daemon passes it on."""
    ports = ("-p", "[::1]:18741:80", "-p", "[::]:18742:80", "-p", "[::1]:18743:53/udp")
    six.docker("run", "-d", "--name", "web", "--network", network, *ports, *ECHO)
    assert sorted(six.out("port", "web").splitlines()) == [
        "53/udp -> [::1]:18743",
        "80/tcp -> [::1]:18741",
        "80/tcp -> [::]:18742",
    ]
    elsewhere = "fd2b:9:9:1::1"  # an address of the host
    for _ in range(2):
        assert ask("::1", 18741) == b"ping"
        assert ask(elsewhere, 18742) == b"ping"
        with pytest.raises(OSError):
            ask("127.0.0.1", 18741)
        with pytest.raises(OSError):
            ask(elsewhere, 18741)
        six.kill()
        six.start()
    with answering(six.inspect("web")["State"]["Pid"]), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as end:
        end.settimeout(5)
        end.connect(("::1", 18743))
        for word in (b"one", b"two"):
            end.send(word)
            assert end.recv(100) == word
    refused = six.docker("run", "--rm", "-p", "[::1]:18741:80", "busybox", "true", check=False)
    assert (refused.returncode, "port is already allocated" in refused.stderr) == (125, True), refused.stderr
    six.docker("network", "create", "zz")
    six.docker("network", "connect", "zz", "web")
    six.docker("network", "disconnect", network, "web")
    assert ask("::1", 18741) == b"ping", "it leads on through the other network"
    six.docker("rm", "-f", "web")
    with pytest.raises(OSError):
        ask("::1", 18741)


def test_much_through_a_relay(six: Daemon) -> None:
    """50 MB arrive whole."""
    six.docker("run", "-d", "--name", "big", "-p", "[::1]:18744:80", "busybox", "nc", "-ll", "-p", "80", "-e",
               "head", "-c", "50000000", "/dev/zero")  # fmt: skip
    with socket.create_connection(("::1", 18744), 5) as end:
        count = 0
        while piece := end.recv(1 << 20):
            count += len(piece)
    assert count == 50_000_000


def test_what_is_refused(six: Daemon) -> None:
    six.docker("run", "-d", "--name", "aa", *NET, "--ip6", "fd2b:9:9:1::99", *SLEEP)
    for words, text in (
        (("run", "--rm", *NET, "--ip6", "fd2b:9:9:1::99", "busybox"), "Address already in use"),
        (("run", "--rm", *NET, "--ip6", "fd00:2::9", "busybox"), "It does not belong to any of this network's subnets"),
        (("run", "--rm", *NET, "--ip6", "zz", "busybox"), "invalid IPv6 address: zz"),
        (("network", "create", "--ipv6", "--subnet", "fd2b:9:9:1::/80", "no"), "Pool overlaps with other one"),
        (
            ("network", "create", "--ipv6", "--subnet", "fd00:7::/64", "--subnet", "fd00:8::/64", "no"),
            "bridge driver doesn't support multiple subnets",
        ),
    ):
        refused = six.docker(*words, check=False)
        assert refused.returncode and text in refused.stderr, refused.stderr
    assert "no" not in six.out("network", "ls", "--format", "{{.Name}}").split()


def test_forwarding_is_given_back(six: Daemon) -> None:
    """While an instance has such a network; the machine's own setting comes back with the last one."""
    switch = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    assert switch.read_text() == "1\n"
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert f"table ip6 {six.instance.nft_table}" in tables
