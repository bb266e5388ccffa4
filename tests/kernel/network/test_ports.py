"""Published ports between real namespaces: who reaches them, who must not, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernel_engine.errors import KernelRefused, Unavailable
from kernel_engine.network import firewall, nat
from kernel_engine.network.endpoint import Published
from kernel_engine.network.network import NetworkOptions
from kernel_engine.network.networks import Endpoint, Networks
from kernel_engine.network.ports import Ports, Wish, hold, local_range
from kernel_engine.network.relay import Relays
from kernel_engine.network.rules import Ways, ruleset
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.nfnetlink import Nfnetlink

from .conftest import Machine, Place, elsewhere, nft

HOST = "203.0.113.1"  #: the machine's address in the world


def has_sctp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


@pytest.fixture(autouse=True)
def loopback(machine: Machine) -> None:
    """The machine's own 127.0.0.1."""
    with Netlink() as netlink:
        netlink.set_link(netlink.link("lo").index, up=True)


def wish(container: int = 80, host: int = 0, *, last: int = 0, address: str = "0.0.0.0", protocol: str = "tcp") -> Wish:
    return Wish(container_port=container, protocol=protocol, host_addresses=(address,), first=host, last=last or host)


async def published(machine: Machine, bridge: Networks, *wishes: Wish) -> tuple[Place, Endpoint]:
    """A container with these ports. The reservation stays open, as the launcher would hold it."""
    place = machine.place()
    reservation = await bridge.reserve(wishes)
    machine.stack.callback(reservation.close)
    return place, await bridge.attach(bridge.default, place.id, place.netlink, place.pid, reservation=reservation)


def here(address: str, port: int, *, timeout: float = 2) -> socket.socket:
    return socket.create_connection((address, port), timeout)


def elements(machine: Machine, name: str = "one") -> int:
    table = machine.instance(name).nft_table
    with Nfnetlink() as netfilter:
        return sum(len(netfilter.elements(table, mapping)) for mapping in ("published", "published_at"))


@contextmanager
def reached(server: socket.socket, client: socket.socket) -> Iterator[str]:
    """Bytes go both ways; yields the address that the container sees."""
    with client:
        accepted, peer = server.accept()
        with accepted:
            client.sendall(b"question")
            assert accepted.recv(8) == b"question"
            accepted.sendall(b"answer")
            assert client.recv(6) == b"answer"
            yield peer[0]


async def test_a_port_is_reached_from_everywhere(machine: Machine) -> None:
    world = machine.world()
    bridge = await machine.open()
    place, endpoint = await published(machine, bridge, wish(80, 8080))
    neighbour, _ = await machine.container(bridge)
    assert endpoint.published == (Published(container_port=80, protocol="tcp", host_address="0.0.0.0", host_port=8080),)
    with place.listen(80) as server:
        with reached(server, world.connect(HOST, 8080)) as seen:
            assert seen == "203.0.113.2", "another machine is seen under its own address"
        with reached(server, here("127.0.0.1", 8080)) as seen:
            assert seen == bridge.default.gateway
        for address in ("127.0.0.9", HOST, bridge.default.gateway):
            with reached(server, here(address, 8080)):
                pass
        for address in (HOST, bridge.default.gateway):
            with reached(server, neighbour.connect(address, 8080)) as seen:
                assert seen == bridge.default.gateway, "or the answer would go to the neighbour directly"
            with reached(server, place.connect(address, 8080)) as seen:
                assert seen == bridge.default.gateway


async def test_a_container_of_another_instance_reaches_a_published_port_and_no_other(machine: Machine) -> None:
    machine.world()
    one, two = await machine.open("one"), await machine.open("two")
    place, endpoint = await published(machine, one, wish(80, 8080))
    other, _ = await machine.container(two)
    with place.listen(80) as server:
        with reached(server, other.connect(HOST, 8080)):
            pass
        with pytest.raises(TimeoutError):
            other.connect(endpoint.address, 80, timeout=0.3).close()


async def test_bound_to_one_address(machine: Machine) -> None:
    world = machine.world()
    bridge = await machine.open()
    place, _ = await published(machine, bridge, wish(80, 8080, address="127.0.0.1"), wish(81, 8081, address=HOST))
    with place.listen(80) as server:
        with reached(server, here("127.0.0.1", 8080)):
            pass
        for connect in (lambda: here(HOST, 8080), lambda: world.connect(HOST, 8080), lambda: place.connect(HOST, 8080)):
            with pytest.raises(ConnectionRefusedError):
                connect().close()
    with place.listen(81) as server:
        with reached(server, world.connect(HOST, 8081)):
            pass
        with pytest.raises(ConnectionRefusedError):
            here("127.0.0.1", 8081).close()


async def test_another_machine_cannot_trick_its_way_to_the_hosts_loopback(machine: Machine) -> None:
    """It routes 127.0.0.0/8 to this machine (CVE-2020-8558 and moby's issue 45610)."""
    world = machine.world()
    route_loopback_away(world, HOST)
    bridge = await machine.open()
    place, _ = await published(machine, bridge, wish(80, 8080, address="127.0.0.1"), wish(81, 8081))
    with place.listen(80), place.listen(81):
        for port in (8080, 8081):
            with pytest.raises(TimeoutError):
                world.connect("127.0.0.1", port, timeout=0.3).close()


async def test_a_container_cannot_trick_its_way_to_the_hosts_loopback(machine: Machine) -> None:
    """The bridge has route_localnet, so that only our rules are in the way: without them it does get through."""
    bridge = await machine.open()
    place, _ = await machine.container(bridge)
    route_loopback_away(place, bridge.default.gateway)
    with socket.create_server(("127.0.0.1", 7000)) as secret:
        secret.settimeout(2)
        with pytest.raises(TimeoutError):
            place.connect("127.0.0.1", 7000, timeout=0.3).close()
        nft("flush", "chain", "ip", machine.instance().nft_table, "guard")
        place.connect("127.0.0.1", 7000).close()


def route_loopback_away(place: Place, gateway: str) -> None:
    """What a machine's root can do: 127.0.0.0/8 is no longer itself."""
    with elsewhere(place.namespace), Netlink() as netlink:
        lo = netlink.link("lo").index
        for item in netlink.addresses():
            if item.index == lo:
                netlink.delete_address(lo, str(item.interface))
        Path("/proc/sys/net/ipv4/conf/eth0/route_localnet").write_text("1")
        netlink.add_route("127.0.0.0/8", gateway=gateway)


async def test_datagrams(machine: Machine) -> None:
    """A client that goes on sending from one socket reaches the container that has the port now."""
    bridge = await machine.open()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(2)
    machine.stack.callback(client.close)
    client.sendto(b"too early", ("127.0.0.1", 5300))
    first = machine.place()
    reservation = await bridge.reserve([wish(53, 5300, protocol="udp")])
    endpoint = await bridge.attach(bridge.default, first.id, first.netlink, first.pid, reservation=reservation)
    ask(client, first)
    reservation.close()
    await bridge.detach(endpoint)
    second, place = await published(machine, bridge, wish(53, 5301, protocol="udp"), wish(54, 5300, protocol="udp"))
    assert place.address == endpoint.address, "or this would show less"
    ask(client, second, inside=54)


def ask(client: socket.socket, place: Place, *, inside: int = 53) -> None:
    with elsewhere(place.namespace):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server:
        server.settimeout(2)
        server.bind(("0.0.0.0", inside))
        client.sendto(b"question", ("127.0.0.1", 5300))
        data, peer = server.recvfrom(99)
        server.sendto(data + b"!", peer)
        assert client.recv(99) == b"question!"


async def test_detaching_closes_the_port_and_frees_it(machine: Machine) -> None:
    bridge = await machine.open()
    place = machine.place()
    reservation = await bridge.reserve([wish(80, 8080), wish(81, 8081, address="127.0.0.1")])
    endpoint = await bridge.attach(bridge.default, place.id, place.netlink, place.pid, reservation=reservation)
    assert elements(machine) == 2
    reservation.close()  # as the launcher does when the container ends
    place.end()
    await bridge.detach(endpoint)
    assert elements(machine) == 0
    await bridge.detach(endpoint)
    with pytest.raises(ConnectionRefusedError):
        here("127.0.0.1", 8080).close()
    await published(machine, bridge, wish(80, 8080))


async def test_a_failed_attach_opens_nothing(machine: Machine) -> None:
    bridge = await machine.open()
    place = machine.place()
    reservation = await bridge.reserve([wish(80, 8080)])
    with pytest.raises(KernelRefused):
        await bridge.attach(bridge.default, "c" * 64, place.netlink, 0x3FFFFF, reservation=reservation)
    reservation.give_up()
    assert elements(machine) == 0
    table = machine.instance().nft_table
    nft("add", "element", "ip", table, "published", "{ tcp . 8080 : 172.17.0.9 . 80 }")  # somebody was here before
    with pytest.raises(KernelRefused):
        await published(machine, bridge, wish(80, 8081), wish(80, 8080))
    assert elements(machine) == 1
    assert machine.links() == {bridge.default.interface}


async def test_a_new_daemon_keeps_open_what_is_open_and_closes_the_rest(machine: Machine) -> None:
    killed = await machine.open()
    place, kept = await published(machine, killed, wish(80, 8080), wish(81, 8081, address="127.0.0.1"))
    await published(machine, killed, wish(80, 9090))
    with place.listen(80) as server, here("127.0.0.1", 8080) as client, server.accept()[0] as accepted:
        bridge = await machine.open(endpoints=(kept,))
        assert elements(machine) == 2
        client.sendall(b"still")
        assert accepted.recv(5) == b"still", "a connection goes on"
        with reached(server, here("127.0.0.1", 8080)):
            pass
    with pytest.raises(Unavailable, match="failed: port is already allocated"):
        await bridge.reserve([wish(80, 8080)])


async def test_many_ports_at_once(machine: Machine) -> None:
    bridge = await machine.open()
    many = [wish(number, number + 20000) for number in range(1, 1501)]
    _, endpoint = await published(machine, bridge, *many)
    assert elements(machine) == 1500
    table = machine.instance().nft_table
    nft("delete", "element", "ip", table, "published", "{ tcp . 20007 }")
    await bridge.detach(endpoint)
    assert elements(machine) == 0, "one that is gone keeps none of the others"


async def test_by_hand_as_by_nft(machine: Machine) -> None:
    """What the netlink message says is what nft reads, and the other way round."""
    await machine.open()
    table = machine.instance().nft_table
    ports = (
        Published(container_port=80, protocol="tcp", host_address="0.0.0.0", host_port=8080),
        Published(container_port=65535, protocol="udp", host_address="127.0.0.1", host_port=1),
        Published(container_port=9, protocol="sctp", host_address="0.0.0.0", host_port=65535),
    )
    led = [(port, "172.17.0.200") for port in ports]
    nat.publish(table, led)
    by_hand = nft("list", "table", "ip", table)
    assert "tcp . 8080 : 172.17.0.200 . 80" in by_hand and "127.0.0.1 . udp . 1 : 172.17.0.200 . 65535" in by_hand
    bridge = machine.instance().bridge
    nat.load(ruleset(table, [Ways(bridge=bridge, subnet="172.17.0.0/16")], led))
    assert elements(machine) == 3
    for line in ("tcp . 8080 : ", "sctp . 65535 : ", "127.0.0.1 . udp . 1 : "):
        assert line in nft("list", "table", "ip", table)
    nat.withdraw(table, ports)
    assert elements(machine) == 0
    nat.withdraw("ke_nobody", ports)


async def test_a_firewall_that_drops_is_found_and_the_advice_helps(machine: Machine) -> None:
    world = machine.world()
    bridge = await machine.open()
    place, _ = await published(machine, bridge, wish(80, 8080))
    subprocess.run("iptables -P FORWARD DROP; iptables -P INPUT DROP", shell=True, check=True)
    with place.listen(80) as server:
        with pytest.raises(TimeoutError):
            world.connect(HOST, 8080, timeout=0.3).close()
        (finding,) = firewall.findings(bridge.default.interface)
        subprocess.run(finding.partition(f"through {bridge.default.interface}: ")[2], shell=True, check=True)
        assert firewall.findings(bridge.default.interface) == ()
        with reached(server, world.connect(HOST, 8080)):
            pass


async def test_the_advice_against_nftables_rules_helps_too(machine: Machine) -> None:
    """On networks of the user's own as on the default one."""
    world = machine.world()
    bridge = await machine.open()
    nft("add", "table", "inet", "fw")
    nft("add", "chain", "inet", "fw", "gate", "{ type filter hook forward priority 0; policy drop; }")
    network = await bridge.create(NetworkOptions(name="own"))
    place = machine.place()
    reservation = await bridge.reserve([wish(80, 8080)])
    await bridge.attach(network, "c" * 64, place.netlink, place.pid, reservation=reservation)
    reservation.close()
    with place.listen(80) as server:
        with pytest.raises(TimeoutError):
            world.connect(HOST, 8080, timeout=0.3).close()
        (finding,) = firewall.findings(bridge.default.interface)
        subprocess.run(finding.partition(f"through {bridge.default.interface}: ")[2], shell=True, check=True)
        assert firewall.findings(bridge.default.interface) == ()
        with reached(server, world.connect(HOST, 8080)):
            pass


# the host's ports --------------------------------------------------------------------------------------------------
def test_a_port_that_is_taken(machine: Machine) -> None:
    ports = Ports()
    machine.stack.callback(ports.reserve([wish(80, 9000)]).close)
    with pytest.raises(Unavailable) as taken:
        ports.reserve([wish(81, 9001), wish(80, 9000)])
    assert taken.value.message == "Bind for 0.0.0.0:9000 failed: port is already allocated"
    with pytest.raises(KernelRefused) as narrower:
        ports.reserve([wish(80, 9000, address="127.0.0.1")])
    assert narrower.value.message == "listen tcp4 127.0.0.1:9000: bind: address already in use"
    ports.reserve([wish(81, 9001)]).give_up()  # the first try has kept nothing
    ports.reserve([wish(80, 9000, protocol="udp")]).give_up()


async def test_a_port_that_was_given_back_a_moment_ago_is_waited_for(machine: Machine) -> None:
    """A process that was forked meanwhile may hold it a little longer; one of others is not waited for."""
    bridge = await machine.open()
    reservation = await bridge.reserve([wish(80, 9000)])
    with socket.socket(fileno=os.dup(reservation.descriptors()[0])) as duplicate:
        reservation.give_up()
        asyncio.get_running_loop().call_later(0.2, duplicate.close)
        (await bridge.reserve([wish(80, 9000)])).give_up()
    with socket.create_server(("0.0.0.0", 9001)):
        started = time.monotonic()
        with pytest.raises(KernelRefused, match="address already in use"):
            await bridge.reserve([wish(80, 9000), wish(81, 9001)])
        assert time.monotonic() - started < 1


def test_a_port_that_somebody_else_has(machine: Machine) -> None:
    ports = Ports()
    with socket.create_server(("127.0.0.1", 9000)):
        with pytest.raises(KernelRefused) as taken:
            ports.reserve([wish(80, 9000)])
        assert taken.value.message == "listen tcp4 0.0.0.0:9000: bind: address already in use"
    with pytest.raises(KernelRefused) as absent:
        ports.reserve([wish(80, 9000, address="9.9.9.9")])
    assert absent.value.message == "listen tcp4 9.9.9.9:9000: bind: cannot assign requested address"
    ports.reserve([wish(80, 9000)]).give_up()


def test_connections_that_have_just_ended_do_not_count(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 9000)) as server, here("127.0.0.1", 9000) as client:
        server.accept()[0].close()  # closed first on this side: TIME_WAIT
        client.recv(1)
    with socket.socket() as plain, pytest.raises(OSError, match="Address already in use"):
        plain.bind(("0.0.0.0", 9000))
    Ports().reserve([wish(80, 9000)]).give_up()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("reuse", [False, True])
def test_nobody_else_gets_a_held_port(machine: Machine, protocol: str, reuse: bool) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with hold("0.0.0.0", protocol, 9000):
        for address in ("0.0.0.0", "127.0.0.1"):
            with socket.socket(socket.AF_INET, kind) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
                with pytest.raises(OSError, match="Address already in use"):
                    other.bind((address, 9000))
        if protocol == "tcp":
            with pytest.raises(ConnectionRefusedError):
                here("127.0.0.1", 9000).close()


@pytest.mark.skipif(has_sctp(), reason="the kernel has SCTP")
@pytest.mark.parametrize("outside", [False, True])
def test_a_protocol_that_the_kernel_does_not_know(machine: Machine, outside: bool) -> None:
    with pytest.raises(KernelRefused) as refused:
        Ports(outside=outside).reserve([wish(80, 9000, protocol="sctp")])
    assert refused.value.message == "listen sctp4 0.0.0.0:9000: bind: protocol not supported"


async def test_what_comes_by_a_protocol_goes_on_by_it(machine: Machine) -> None:
    """Never from SCTP to TCP. The port stands for one of SCTP: few kernels have that."""
    asked = []

    def make(family: int, kind: int, protocol: int) -> socket.socket:
        asked.append((family, kind, protocol))
        return socket.socket(family, kind)

    relays = Relays(make)
    port = Published(container_port=9001, protocol="sctp", host_address="127.0.0.1", host_port=9000)
    with socket.create_server(("127.0.0.1", 9001)) as container, hold("127.0.0.1", "tcp", 9000) as held:
        relays.open(port, held, "127.0.0.1")
        with here("127.0.0.1", 9000) as client:
            client.sendall(b"hello")
            answering, _ = await asyncio.to_thread(container.accept)
            with answering:
                assert await asyncio.to_thread(answering.recv, 5) == b"hello"
        relays.close_all()
    assert asked == [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)]


def test_free_ports_are_given_in_turn(machine: Machine) -> None:
    ports, low = Ports(), local_range()[0]
    with socket.create_server(("0.0.0.0", low + 1)):
        first = ports.reserve([wish(80), wish(81), wish(82, protocol="udp")])
        numbers = [port.host_port for port in first.published]
        assert numbers == [low, low + 2, low]
        first.give_up()
        again = ports.reserve([wish(80)])
        assert again.published[0].host_port == low + 3, "not one that was given a moment ago"
        again.give_up()


def test_a_range_gives_its_first_free_port_until_none_is_left(machine: Machine) -> None:
    ports = Ports()
    with socket.create_server(("0.0.0.0", 8000)):
        held = ports.reserve([wish(80, 8000, last=8002), wish(81, 8000, last=8002)])
        assert [port.host_port for port in held.published] == [8001, 8002]
        with pytest.raises(Unavailable, match="all ports are allocated"):
            ports.reserve([wish(80, 8000, last=8002)])
        held.give_up()


def test_all_free_ports_given(machine: Machine) -> None:
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40002")
    ports = Ports()
    held = ports.reserve([wish(80), wish(81)])
    rest = ports.reserve([wish(82)])
    with pytest.raises(Unavailable, match="all ports are allocated"):
        ports.reserve([wish(83)])
    held.give_up()
    again = ports.reserve([wish(83)])
    assert again.published[0].host_port == 40000, "from the beginning again"
    rest.give_up()
    again.give_up()
