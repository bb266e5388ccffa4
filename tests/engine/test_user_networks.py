"""Networks of a user's own: names, aliases, fixed addresses, isolation, joining and leaving, and what is refused."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon, running_daemon

NET = ("--network", "n1")
SERVER = ("busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hi")
BRIDGE = "com.docker.network.bridge"


@pytest.fixture
def networks(clean: Daemon) -> Iterator[Daemon]:
    clean.docker("network", "create", "n1")
    yield clean
    for container in clean.out("ps", "-aq").split():
        clean.docker("rm", "-f", container)
    clean.docker("network", "prune", "-f")
    assert clean.out("network", "ls", "--format", "{{.Name}}").split() == ["bridge", "host", "none"]


def address(daemon: Daemon, name: str, network: str = "n1") -> str:
    return str(daemon.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"])


def looked_up(daemon: Daemon, asker: str, name: str) -> set[str]:
    """What nslookup finds; its first two lines name the server."""
    shown = daemon.docker("exec", asker, "nslookup", name, check=False).stdout
    assert "127.0.0.11" in shown.partition("\n\n")[0]
    return set(re.findall(r"Address(?: \d+)?: (\d+\.\d+\.\d+\.\d+)\s*$", shown.partition("\n\n")[2], re.M))


def test_containers_find_each_other_by_name(networks: Daemon) -> None:
    networks.docker("run", "-d", "--name", "web", *NET, "--network-alias", "www", "busybox", "sleep", "100")
    networks.docker("run", "-d", "--name", "asker", *NET, "busybox", "sleep", "100")
    there = address(networks, "web")
    short = networks.inspect("web")["Id"][:12]
    for name in ("web", "www", "WEB", short, "web.n1"):
        assert looked_up(networks, "asker", name) == {there}, name
    networks.docker("exec", "asker", "ping", "-c", "1", "-W", "2", "www")
    assert networks.inspect("web")["NetworkSettings"]["Networks"]["n1"]["DNSNames"] == ["web", "www", short]
    networks.docker("rename", "web", "site")
    assert looked_up(networks, "asker", "site") == {there}
    networks.docker("stop", "-t", "0", "site")
    assert looked_up(networks, "asker", "site") == set()


def test_one_alias_of_several_is_every_address(networks: Daemon) -> None:
    for number in "123":
        networks.docker("run", "-d", "--name", f"r{number}", *NET, "--network-alias", "app", "busybox", "sleep", "100")
    wanted = {address(networks, f"r{number}") for number in "123"}
    assert looked_up(networks, "r1", "app") == wanted
    firsts = set()
    for _ in range(20):
        shown = networks.out("exec", "r1", "nslookup", "app").partition("\n\n")[2]
        firsts.add(re.findall(r"\d+\.\d+\.\d+\.\d+", shown)[0])
    assert len(firsts) > 1, "the order changes"


def test_names_are_known_from_the_very_first_moment(networks: Daemon) -> None:
    """A program that asks at once asks before its own start is on record."""
    networks.docker("run", "-d", "--name", "there", "--network", "n1", "busybox", "sleep", "1000")
    for _ in range(12):
        said = networks.out("run", "--rm", "--network", "n1", "busybox", "nslookup", "-type=a", "there")
        assert "NXDOMAIN" not in said
        assert "Address: 1" in said


def test_an_address_has_a_name(networks: Daemon) -> None:
    networks.docker("run", "-d", "--name", "web", *NET, "busybox", "sleep", "100")
    shown = networks.out("exec", "web", "nslookup", address(networks, "web"))
    assert "web.n1" in shown


def test_the_default_network_has_no_names(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "web", "busybox", "sleep", "100")
    assert "127.0.0.11" not in clean.out("exec", "web", "cat", "/etc/resolv.conf")


def test_networks_do_not_see_each_other(networks: Daemon) -> None:
    networks.docker("network", "create", "n2")
    networks.docker("run", "-d", "--name", "web", *NET, "busybox", "sleep", "100")
    networks.docker("run", "-d", "--name", "other", "--network", "n2", "busybox", "sleep", "100")
    assert looked_up(networks, "other", "web") == set()
    ping = ("exec", "other", "ping", "-c", "1", "-W", "1", address(networks, "web"))
    assert networks.docker(*ping, check=False).returncode == 1
    networks.docker("network", "connect", "--alias", "late", "n1", "other")
    networks.docker(*ping)
    assert looked_up(networks, "other", "web") == {address(networks, "web")}
    assert looked_up(networks, "web", "late") == {address(networks, "other")}
    assert "eth1" in networks.out("exec", "other", "ip", "link")
    networks.docker("network", "disconnect", "n1", "other")
    assert networks.docker(*ping, check=False).returncode == 1
    assert looked_up(networks, "web", "late") == set()


def test_the_way_out_moves_to_another_network(networks: Daemon) -> None:
    networks.docker("run", "-d", "--name", "two", *NET, "busybox", "sleep", "100")
    networks.docker("network", "connect", "bridge", "two")
    networks.docker("network", "disconnect", "n1", "two")
    gateway = networks.inspect("two")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    assert f"default via {gateway}" in networks.out("exec", "two", "ip", "route")


def test_an_internal_network_has_no_way_out(clean: Daemon) -> None:
    clean.docker("network", "create", "--internal", "closed")
    try:
        clean.docker("run", "-d", "--name", "one", "--network", "closed", "busybox", "sleep", "100")
        clean.docker("run", "-d", "--name", "two", "--network", "closed", "busybox", "sleep", "100")
        assert "default" not in clean.out("exec", "one", "ip", "route")
        clean.docker("exec", "one", "ping", "-c", "1", "-W", "2", "two")
    finally:
        clean.docker("rm", "-f", "one", "two")
        clean.docker("network", "rm", "closed")


def test_subnets_and_fixed_addresses(clean: Daemon) -> None:
    clean.docker(
        "network", "create", "--subnet", "10.213.7.0/24", "--gateway", "10.213.7.9", "--ip-range", "10.213.7.64/26",
        "--label", "a=b", "fixed",
    )  # fmt: skip
    try:
        net = ("--network", "fixed")
        clean.docker("run", "-d", "--name", "one", *net, "--ip", "10.213.7.20", "busybox", "sleep", "100")
        clean.docker("run", "-d", "--name", "two", *net, "busybox", "sleep", "100")
        assert (address(clean, "one", "fixed"), address(clean, "two", "fixed")) == ("10.213.7.20", "10.213.7.64")
        shown = json.loads(clean.out("network", "inspect", "fixed"))[0]
        assert shown["IPAM"]["Config"] == [
            {"Subnet": "10.213.7.0/24", "Gateway": "10.213.7.9", "IPRange": "10.213.7.64/26"}
        ]
        assert {item["Name"] for item in shown["Containers"].values()} == {"one", "two"}
        for words, text in (
            (("--ip", "10.213.7.20"), "Address already in use"),
            (("--ip", "10.9.9.9"), "It does not belong to any of this network's subnets"),
        ):
            refused = clean.docker("run", "--rm", *net, *words, "busybox", "true", check=False)
            assert (refused.returncode, text in refused.stderr) == (125, True), refused.stderr
        refused = clean.docker("network", "create", "--subnet", "10.213.0.0/16", "wide", check=False)
        assert "Pool overlaps with other one on this address space" in refused.stderr
    finally:
        for container in clean.out("ps", "-aq").split():
            clean.docker("rm", "-f", container)
        clean.docker("network", "rm", "fixed")


def test_any_printable_name_will_do(networks: Daemon) -> None:
    for name in ("사내 망", "a/b", "c d.e"):
        networks.docker("network", "create", name)
        networks.docker("run", "--rm", "--network", name, "busybox", "true")
        assert json.loads(networks.out("network", "inspect", name))[0]["Name"] == name
        assert name in networks.out("network", "ls", "--format", "{{.Name}}").splitlines()
        networks.docker("network", "rm", name)


def test_link_local_addresses(networks: Daemon) -> None:
    words = ("--link-local-ip", "169.254.8.8", "--link-local-ip", "fe80::88")
    networks.docker("run", "-d", "--name", "web", *NET, *words, "busybox", "sleep", "100")
    place = networks.inspect("web")["NetworkSettings"]["Networks"]["n1"]
    assert place["IPAMConfig"] == {"LinkLocalIPs": ["169.254.8.8", "fe80::88"]}
    shown = networks.out("exec", "web", "ip", "address", "show", "eth0")
    assert "inet 169.254.8.8/16" in shown and "inet6 fe80::88/64" in shown
    networks.docker("network", "disconnect", "n1", "web")
    networks.docker("network", "connect", "--link-local-ip", "169.254.8.9", "n1", "web")
    assert "inet 169.254.8.9/16" in networks.out("exec", "web", "ip", "address")
    refused = networks.docker("run", *NET, "--link-local-ip", "0.0.0.0", "busybox", "true", check=False)
    assert (refused.returncode, "invalid link-local IP address: 0.0.0.0" in refused.stderr) == (125, True)


def test_what_is_refused(networks: Daemon) -> None:
    networks.docker("run", "-d", "--name", "web", *NET, "busybox", "sleep", "100")
    for words, code, text in (
        (("network", "create", "n1"), 1, "network with name n1 already exists"),
        (("network", "create", " "), 1, "invalid name: name is empty"),
        (("network", "create", "a\x1b[2J"), 1, "characters that cannot be printed"),
        (("network", "create", "-d", "macvlan", "m"), 1, "macvlan is not served"),
        (("network", "create", "-d", "nope", "m"), 1, 'plugin "nope" not found'),
        (("network", "create", "--subnet", "10.0.0.0/33", "m"), 1, "invalid CIDR address: 10.0.0.0/33"),
        (("network", "create", "--gateway", "10.0.0.1", "m"), 1, "every ip-range or gateway must have"),
        (("network", "rm", "n1"), 1, "has active endpoints"),
        (("network", "rm", "bridge"), 1, "bridge is a pre-defined network and cannot be removed"),
        (("network", "rm", "nope"), 1, "network nope not found"),
        (("network", "connect", "n1", "web"), 1, "endpoint with name web already exists in network n1"),
        (("network", "connect", "n1", "nobody"), 1, "No such container: nobody"),
        (("network", "disconnect", "bridge", "web"), 1, "is not connected to network bridge"),
        (("run", "--name", "lost", "--network", "nope", "busybox", "true"), 125, "network nope not found"),
        (("run", "--rm", *NET, "--ip", "172.18.0.9", "busybox", "true"), 125, "user configured subnets"),
        (("run", "--rm", "--network-alias", "x", "busybox", "true"), 125, "user-defined networks"),
        (("network", "create", "host"), 1, "operation is not permitted on predefined host network"),
        (("network", "create", "-d", "host", "m"), 1, 'only one instance of "host" network is allowed'),
        (("network", "create", "--subnet", "10.99.0.0/31", "m"), 1, "No available addresses on this pool"),
        (("network", "create", "-o", f"{BRIDGE}.enable_icc=perhaps", "m"), 1, 'ParseBool: parsing "perhaps"'),
        (("network", "create", "-o", f"{BRIDGE}.host_binding_ipv4=zz", "m"), 1, "value: zz (nil ip)"),
        (("network", "create", "-o", "com.docker.network.driver.mtu=-1", "m"), 1, "invalid MTU number: -1"),
        (("network", "create", "-o", f"{BRIDGE}.name=lo", "m"), 1, "an interface named lo exists already"),
        (
            ("network", "create", "--subnet", "10.99.0.0/24", "--aux-address", "a=10.99.0.1", "m"),
            1,
            "failed to allocate secondary ip address (a:10.99.0.1): Address already in use",
        ),
    ):
        refused = networks.docker(*words, check=False)
        assert (refused.returncode, text in refused.stderr) == (code, True), (words, refused.stderr)
    assert networks.inspect("lost")["State"]["Status"] == "created"
    assert networks.out("network", "ls", "-q", "--filter", "type=custom").count("\n") == 0


def test_after_a_kill_everything_goes_on(networks: Daemon) -> None:
    networks.docker("run", "-d", "--name", "web", *NET, "busybox", "sleep", "100")
    networks.docker("run", "-d", "--name", "asker", *NET, "busybox", "sleep", "100")
    before = json.loads(networks.out("network", "inspect", "n1"))
    networks.kill()
    networks.start()
    assert json.loads(networks.out("network", "inspect", "n1")) == before
    assert looked_up(networks, "asker", "web") == {address(networks, "web")}
    networks.docker("restart", "-t", "0", "web")
    deadline = time.monotonic() + 5
    while looked_up(networks, "asker", "web") != {address(networks, "web")}:
        assert time.monotonic() < deadline


def test_a_container_that_starts_again_at_once_is_where_it_was(networks: Daemon) -> None:
    """Others know it by its address: the workers of a Swarm their manager, say."""
    for name in ("first", "web", "last"):
        networks.docker("run", "-d", "--name", name, *NET, *SERVER)
    before = address(networks, "web")
    for command in ("kill", "restart", "stop"):
        networks.docker(command, *(("-t", "0") if command != "kill" else ()), "web")
        networks.docker("start", "web")
        assert address(networks, "web") == before, command
        assert networks.out("exec", "last", "nc", "-w", "5", before, "80").strip() == "hi", command


def test_a_stopped_container_keeps_its_networks(networks: Daemon) -> None:
    networks.docker("create", "--name", "later", *NET, "busybox", "sleep", "100")
    networks.docker("network", "connect", "bridge", "later")
    networks.docker("start", "later")
    assert set(networks.inspect("later")["NetworkSettings"]["Networks"]) == {"n1", "bridge"}
    assert re.findall(r"eth\d", networks.out("exec", "later", "ls", "/sys/class/net")) == ["eth0", "eth1"]
    networks.docker("stop", "-t", "0", "later")
    assert networks.docker("network", "rm", "n1", check=False).returncode == 0
    refused = networks.docker("start", "later", check=False)
    assert "network n1 not found" in refused.stderr


def test_names_of_the_world_are_passed_on(networks: Daemon) -> None:
    """Somebody answers, be it that there is no such name: the question is not lost."""
    begun = time.monotonic()
    networks.docker("run", "--rm", *NET, "busybox", "nslookup", "no-such-name.invalid", check=False)
    assert time.monotonic() - begun < 60


def test_published_ports_lead_to_user_networks_too(networks: Daemon) -> None:
    networks.docker(
        "run", "-d", "--name", "web", *NET, "-p", "127.0.0.1::80", "busybox", "sh", "-c",
        "mkdir /www; echo hello > /www/index.html; httpd -f -p 80 -h /www",
    )  # fmt: skip
    where = networks.out("port", "web", "80")
    from urllib.request import urlopen

    deadline = time.monotonic() + 5
    while True:
        try:
            with urlopen(f"http://{where}/", timeout=2) as page:
                assert page.read() == b"hello\n"
                break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_options_of_a_bridge(networks: Daemon) -> None:
    """Its name, its containers apart from each other, its MTU, the names of interfaces, where ports are open."""
    networks.docker(
        "network", "create", "-o", f"{BRIDGE}.name=mybr0", "-o", f"{BRIDGE}.enable_icc=false",
        "-o", "com.docker.network.driver.mtu=1300", "-o", "com.docker.network.container_iface_prefix=lan",
        "-o", f"{BRIDGE}.host_binding_ipv4=127.0.0.1", "special",
    )  # fmt: skip
    on = ("--network", "special")
    assert Path("/sys/class/net/mybr0/bridge").exists()
    networks.docker("run", "-d", "--name", "aa", *on, "-p", "18732:80", "busybox", "sleep", "100")
    networks.docker("run", "-d", "--name", "bb", *on, "busybox", "sleep", "100")
    assert "lan0" in networks.out("exec", "aa", "ip", "link") and "mtu 1300" in networks.out("exec", "aa", "ip", "link")
    there = address(networks, "aa", "special")
    ping = ("exec", "bb", "ping", "-c", "1", "-W", "1")
    assert networks.docker(*ping, there, check=False).returncode == 1, "apart"
    networks.docker(*ping, str(networks.inspect("bb")["NetworkSettings"]["Networks"]["special"]["Gateway"]))
    assert networks.out("port", "aa") == "80/tcp -> 127.0.0.1:18732"
    networks.docker("rm", "-f", "aa", "bb")
    networks.docker("network", "rm", "special")
    assert not Path("/sys/class/net/mybr0").exists()


def test_a_bridge_of_ones_own_name_goes_with_the_instance(
    networks: Daemon, busybox_mirror: str, tmp_path: Path
) -> None:
    with running_daemon(tmp_path, (busybox_mirror,)) as other:
        other.docker("network", "create", "-o", f"{BRIDGE}.name=mybr1", "special")
        assert Path("/sys/class/net/mybr1").exists()
    assert not Path("/sys/class/net/mybr1").exists()


def test_the_way_out_is_by_priority_then_by_name(networks: Daemon) -> None:
    """As with Docker; the ports go with it."""
    networks.docker("network", "create", "a1")
    networks.docker("network", "create", "z1")

    def gateway(name: str) -> str:
        return str(networks.inspect("two")["NetworkSettings"]["Networks"][name]["Gateway"])

    networks.docker("run", "-d", "--name", "two", *NET, "-p", "18733:80", *SERVER)
    networks.docker("network", "connect", "z1", "two")
    assert f"default via {gateway('n1')}" in networks.out("exec", "two", "ip", "route")
    networks.docker("network", "connect", "a1", "two")
    assert f"default via {gateway('a1')} " in networks.out("exec", "two", "ip", "route")
    assert answer(18733) == b"hi\n"
    networks.docker("network", "disconnect", "z1", "two")
    networks.docker("network", "connect", "--gw-priority", "1", "z1", "two")
    assert f"default via {gateway('z1')} " in networks.out("exec", "two", "ip", "route")
    assert answer(18733) == b"hi\n"
    networks.docker("restart", "-t", "0", "two")
    assert f"default via {gateway('z1')} " in networks.out("exec", "two", "ip", "route")
    networks.docker("network", "disconnect", "z1", "two")
    assert f"default via {gateway('a1')} " in networks.out("exec", "two", "ip", "route")
    assert answer(18733) == b"hi\n"


def test_names_of_the_world_stay_out_of_internal_networks(networks: Daemon) -> None:
    networks.docker("network", "create", "--internal", "closed")
    networks.docker("run", "-d", "--name", "one", "--network", "closed", "busybox", "sleep", "100")
    networks.docker("exec", "one", "nslookup", "one")
    shown = networks.docker("exec", "one", "nslookup", "deb.debian.org", check=False)
    assert shown.returncode == 1 and "SERVFAIL" in shown.stdout


def test_hosts_that_are_added(networks: Daemon) -> None:
    """The host's gateway is the default bridge's address, on every network."""
    words = ("--add-host", "docker:host-gateway", "--add-host", "six=[::1]", "--add-host", "four=1.2.3.4")
    (default,) = json.loads(networks.out("network", "inspect", "bridge"))
    gateway = default["IPAM"]["Config"][0]["Gateway"]
    for network in ("n1", "bridge"):
        shown = networks.out("run", "--rm", "--network", network, *words, "busybox", "cat", "/etc/hosts")
        assert shown.splitlines()[6:9] == [f"{gateway}\tdocker", "::1\tsix", "1.2.3.4\tfour"]
    shown = networks.out(
        "run", "--rm", "--network", "host", "--add-host", "four:1.2.3.4", "busybox", "cat", "/etc/hosts"
    )
    assert shown.endswith("1.2.3.4\tfour")
    refused = networks.docker("run", "--add-host", "x:1.1.1.300", "busybox", check=False)
    assert (refused.returncode, 'invalid IP address in add-host: "1.1.1.300"' in refused.stderr) == (125, True)


def test_settings_of_an_interface(networks: Daemon) -> None:
    """They wait for their interface."""
    shown = networks.out(
        "run", "--rm", *NET, "--sysctl", "net.ipv4.conf.eth0.log_martians=1", "busybox",
        "sysctl", "-n", "net.ipv4.conf.eth0.log_martians",
    )  # fmt: skip
    assert shown == "1"


def answer(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as end:
        return end.recv(10)


def test_none_is_left_like_any_other(networks: Daemon) -> None:
    networks.docker("run", "-d", "--name", "lone", "--network", "none", "busybox", "sleep", "100")
    refused = networks.docker("network", "connect", "n1", "lone", check=False)
    assert "in private (none) mode" in refused.stderr
    networks.docker("network", "disconnect", "none", "lone")
    networks.docker("network", "connect", "n1", "lone")
    networks.docker("exec", "lone", "ping", "-c", "1", "-W", "2", "lone")
    networks.docker("network", "disconnect", "n1", "lone")
    networks.docker("restart", "-t", "0", "lone")
    assert "127.0.0.1" in networks.out("exec", "lone", "ip", "addr"), "on no network, but itself"
    networks.docker("run", "-d", "--name", "hosts", "--network", "host", "busybox", "sleep", "100")
    for words, text in (
        (("connect", "n1", "hosts"), "sharing network namespace with another container or host"),
        (("disconnect", "host", "hosts"), "container cannot be disconnected from host network"),
        (("disconnect", "host", "lone"), "is not connected to network host"),
    ):
        refused = networks.docker("network", *words, check=False)
        assert (refused.returncode, text in refused.stderr) == (1, True), refused.stderr


#: answers every question with one address, over UDP and TCP; TCP's answers are another address
_RESOLVER = """
import socket, threading
from dnslib import RR, A, QTYPE, DNSRecord
def reply(data, address):
    question = DNSRecord.parse(data)
    answer = question.reply()
    answer.add_answer(RR(question.q.qname, QTYPE.A, rdata=A(address), ttl=9))
    return answer.pack()
def tcp():
    server = socket.create_server(("0.0.0.0", 53))
    while True:
        end, _ = server.accept()
        data = end.recv(4096)
        packed = reply(data[2:], "192.0.2.2")
        end.sendall(len(packed).to_bytes(2, "big") + packed)
        end.close()
threading.Thread(target=tcp, daemon=True).start()
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 53))
print(flush=True)
while True:
    data, peer = udp.recvfrom(4096)
    udp.sendto(reply(data, "192.0.2.1"), peer)
"""
_OVER_TCP = """
import socket
from dnslib import DNSRecord
question = DNSRecord.question("world.example").pack()
end = socket.create_connection(("127.0.0.11", 53), 5)
end.sendall(len(question).to_bytes(2, "big") + question)
print(DNSRecord.parse(end.recv(4096)[2:]).short())
"""


def test_other_resolvers(networks: Daemon) -> None:
    """`--dns`: asked for what no container is called, over UDP and TCP; `--dns-search` and `--dns-option`."""
    networks.docker("run", "-d", "--name", "resolver", "busybox", "sleep", "100")
    there = address(networks, "resolver", "bridge")

    def inside(name: str) -> list[str]:
        return ["nsenter", "-t", str(networks.inspect(name)["State"]["Pid"]), "-n", sys.executable, "-c"]

    with subprocess.Popen([*inside("resolver"), _RESOLVER], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == b"\n"
            words = ("--dns", there, "--dns-search", "corp.example", "--dns-option", "timeout:3")
            networks.docker("run", "-d", "--name", "asker", *NET, *words, "busybox", "sleep", "100")
            shown = networks.out("exec", "asker", "cat", "/etc/resolv.conf").splitlines()
            assert shown == ["search corp.example", "nameserver 127.0.0.11", "options timeout:3 ndots:0"]
            assert looked_up(networks, "asker", "world.example") == {"192.0.2.1"}
            over_tcp = subprocess.run([*inside("asker"), _OVER_TCP], capture_output=True, text=True, check=True)
            assert over_tcp.stdout == "192.0.2.2\n"
            networks.docker("run", "--rm", *words, "busybox", "nslookup", "world.example")  # also without names of ours
        finally:
            server.kill()
