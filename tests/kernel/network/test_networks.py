"""A bridge between real namespaces: reachability, leases, restarts, and that nothing is left."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from kernel_engine.errors import Conflict, KernelRefused, Unavailable
from kernel_engine.network import firewall
from kernel_engine.network.networks import Networks, destroy, loopback_up
from kernel_engine.syscalls.netlink import Netlink

from .conftest import Machine, elsewhere, nft

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


async def settled(bridge: Networks) -> None:
    """Until the work beside the requests is done."""
    while bridge._background:
        await asyncio.sleep(0.005)


async def test_two_containers_reach_each_other(machine: Machine) -> None:
    bridge = await machine.open()
    (one, here), (two, there) = [await machine.container(bridge) for _ in range(2)]
    assert (here.address, there.address, here.gateway) == ("172.17.0.2", "172.17.0.3", "172.17.0.1")
    with one.listen(80) as server, two.connect(here.address, 80) as client:
        accepted, peer = server.accept()
        with accepted:
            assert peer[0] == there.address
            client.sendall(b"hello")
            assert accepted.recv(5) == b"hello"


async def test_what_attach_configures(machine: Machine) -> None:
    bridge = await machine.open()
    place, endpoint = await machine.container(bridge)
    assert place.links() == {"lo": True, "eth0": True}
    with elsewhere(place.namespace), Netlink() as inside:
        eth0 = inside.link("eth0")
        assert eth0.mac == endpoint.mac == "02:42:ac:11:00:02"
        assert "172.17.0.2/16" in {str(item.interface) for item in inside.addresses()}
        default = next(route for route in inside.routes() if not route.destination.prefixlen)
        assert (str(default.gateway), default.index) == ("172.17.0.1", eth0.index)
    with Netlink() as host:
        assert host.link(endpoint.host_interface).master == host.link(bridge.default.interface).index
        assert len(endpoint.host_interface) == 15


async def test_the_world_is_reached_under_the_hosts_address(machine: Machine) -> None:
    world = machine.world()
    bridge = await machine.open()
    place, _ = await machine.container(bridge)
    with world.listen(80) as server, place.connect("203.0.113.2", 80), server.accept()[0] as accepted:
        assert accepted.getpeername()[0] == "203.0.113.1"


async def test_the_world_cannot_open_a_connection_to_a_container(machine: Machine) -> None:
    world = machine.world()
    bridge = await machine.open()
    place, endpoint = await machine.container(bridge)
    with place.listen(80), pytest.raises(TimeoutError):
        world.connect(endpoint.address, 80, timeout=0.3).close()


async def test_networks_of_two_instances_do_not_see_each_other(machine: Machine) -> None:
    one, two = await machine.open("one"), await machine.open("two")
    assert (one.default.subnet, two.default.subnet) == ("172.17.0.0/16", "172.18.0.0/16")
    (place, endpoint), (other, _) = await machine.container(one), await machine.container(two)
    with place.listen(80), pytest.raises(TimeoutError):
        other.connect(endpoint.address, 80, timeout=0.3).close()


async def test_a_subnet_in_use_is_avoided(machine: Machine) -> None:
    machine.dummy("172.17.0.1/16")
    assert (await machine.open()).default.subnet == "172.18.0.0/16"


async def test_a_route_counts_as_use(machine: Machine) -> None:
    machine.dummy("198.51.100.1/24")
    with Netlink() as netlink:
        netlink.add_route("172.16.0.0/13", gateway="198.51.100.2")
        netlink.add_route(gateway="198.51.100.2")
    assert (await machine.open()).default.subnet == "172.24.0.0/16"


async def test_a_wanted_subnet_that_is_in_use_is_refused_and_leaves_nothing(machine: Machine) -> None:
    machine.dummy("10.9.0.1/16")
    with pytest.raises(Conflict, match=r"subnet 10\.9\.8\.0/24 overlaps 10\.9\.0\.0/16"):
        await machine.open(subnet="10.9.8.0/24")
    assert machine.links() == {"other0"}
    assert nft("list", "tables") == ""


async def test_a_wanted_subnet(machine: Machine) -> None:
    bridge = await machine.open(subnet="10.9.8.7/24")
    assert (bridge.default.subnet, bridge.default.gateway) == ("10.9.8.0/24", "10.9.8.7")
    _, endpoint = await machine.container(bridge)
    assert (endpoint.address, endpoint.prefix_length) == ("10.9.8.1", 24)


async def test_another_subnet_is_taken_only_when_the_bridge_is_empty(machine: Machine) -> None:
    bridge = await machine.open()
    _, endpoint = await machine.container(bridge)
    with pytest.raises(Conflict, match=r"still serves 1 containers in 172\.17\.0\.0/16"):
        await machine.open(subnet="10.9.8.0/24")
    await bridge.detach(endpoint)
    moved = await machine.open(subnet="10.9.8.0/24")
    assert moved.default.subnet == "10.9.8.0/24"
    assert (await machine.open()).default.subnet == "10.9.8.0/24", "it is remembered"


async def test_opening_again_changes_nothing(machine: Machine) -> None:
    first = await machine.open()
    before = nft("list", "ruleset")
    links = machine.links()
    second = await machine.open()
    assert (first.default.id, first.default.subnet, first.default.gateway) == (
        second.default.id,
        second.default.subnet,
        second.default.gateway,
    )
    assert (machine.links(), nft("list", "ruleset")) == (links, before)


async def test_after_a_killed_daemon_leases_in_use_stay_and_others_are_swept(machine: Machine) -> None:
    killed = await machine.open()
    (place, kept), (_, lost) = [await machine.container(killed) for _ in range(2)]
    await asyncio.sleep(0.05)  # the rows are on disk soon; nothing of the first daemon is closed
    bridge = await machine.open()
    await bridge.adopt((kept,))
    _, new = await machine.container(bridge)
    assert new.address == lost.address, "kept is not given again, lost is"
    await settled(bridge)
    assert machine.links() == {bridge.default.interface, kept.host_interface, new.host_interface}
    neighbour, _ = await machine.container(bridge)
    with place.listen(80) as server, neighbour.connect(kept.address, 80):
        server.accept()[0].close()


async def test_a_lease_is_remembered_even_before_adopt(machine: Machine) -> None:
    killed = await machine.open()
    _, held = await machine.container(killed)
    await settled(killed)
    bridge = await machine.open()
    _, new = await machine.container(bridge)
    assert new.address != held.address


async def test_detaching_a_living_container_takes_cable_and_address_back(machine: Machine) -> None:
    bridge = await machine.open()
    place, endpoint = await machine.container(bridge)
    await bridge.detach(endpoint)
    assert machine.links() == {bridge.default.interface}
    assert place.links() == {"lo": True}
    await bridge.detach(endpoint)
    _, again = await machine.container(bridge)
    assert again.address == endpoint.address
    await bridge.detach(endpoint)
    assert again.host_interface in machine.links(), "an old endpoint does not pull the new one's cable"


async def test_detaching_after_the_container_has_ended(machine: Machine) -> None:
    bridge = await machine.open()
    place, endpoint = await machine.container(bridge)
    place.end()
    await bridge.detach(endpoint)
    assert machine.links() == {bridge.default.interface}


async def test_a_failed_attach_leaves_nothing(machine: Machine) -> None:
    bridge = await machine.open()
    place = machine.place()
    with pytest.raises(KernelRefused, match="failed to create endpoint"):
        await bridge.attach(bridge.default, "c" * 64, place.netlink, 0x3FFFFF)
    with elsewhere(place.namespace), Netlink() as inside:
        inside.add_bridge("eth0")
    with pytest.raises(KernelRefused):
        await bridge.attach(bridge.default, "c" * 64, place.netlink, place.pid)
    assert machine.links() == {bridge.default.interface}
    _, endpoint = await machine.container(bridge)
    assert endpoint.address == "172.17.0.2"


async def test_an_attach_that_is_cancelled_leaves_nothing(machine: Machine) -> None:
    bridge = await machine.open()
    place = machine.place()
    task = asyncio.create_task(bridge.attach(bridge.default, "c" * 64, place.netlink, place.pid))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled(bridge)
    assert machine.links() == {bridge.default.interface}
    _, endpoint = await machine.container(bridge)
    assert endpoint.address == "172.17.0.2"


async def test_all_addresses_given(machine: Machine) -> None:
    bridge = await machine.open(subnet="10.9.8.0/30")
    await machine.container(bridge)
    with pytest.raises(Unavailable, match="no available IPv4 addresses on this network's address pools: bridge"):
        await machine.container(bridge)


async def test_a_narrow_way_out_narrows_the_cables(machine: Machine) -> None:
    machine.dummy("198.51.100.1/24")
    with Netlink() as netlink:
        netlink.set_link(netlink.link("other0").index, mtu=1400)
        netlink.add_route(gateway="198.51.100.2")
    place, _ = await machine.container(await machine.open())
    with elsewhere(place.namespace), Netlink() as inside:
        assert inside.link("eth0").mtu == 1400


async def test_forwarding_is_put_back_by_the_last_instance(machine: Machine) -> None:
    FORWARDING.write_text("0")
    await machine.open("one")
    await machine.open("two")
    await machine.open("two")
    assert FORWARDING.read_text().strip() == "1"
    destroy(machine.instance("one"))
    assert FORWARDING.read_text().strip() == "1"
    destroy(machine.instance("two"))
    assert FORWARDING.read_text().strip() == "0"


async def test_forwarding_stays_while_another_program_has_a_bridge(machine: Machine) -> None:
    FORWARDING.write_text("0")
    await machine.open()
    machine.dummy("198.51.100.1/24")
    destroy(machine.instance())
    assert FORWARDING.read_text().strip() == "1"


async def test_a_claim_of_an_instance_that_is_gone_does_not_count(machine: Machine) -> None:
    FORWARDING.write_text("0")
    gone = await machine.open("gone")
    await machine.open("one")
    with Netlink() as netlink:
        netlink.delete_link(gone.default.interface)
    destroy(machine.instance("one"))
    assert FORWARDING.read_text().strip() == "0"


async def test_destroy_leaves_nothing_and_may_be_repeated(machine: Machine) -> None:
    bridge = await machine.open()
    await machine.container(bridge)
    other = await machine.open("other")
    for _ in range(2):
        destroy(machine.instance())
        assert machine.links() == {other.default.interface}
        left = machine.instance("other").nft_table
        assert nft("list", "tables") == f"table ip {left}\ntable ip6 {left}\n"


async def test_a_restarted_machine_gives_the_subnet_it_had(machine: Machine) -> None:
    machine.dummy("172.17.0.1/16")
    first = await machine.open()
    destroy(machine.instance())
    with Netlink() as netlink:
        netlink.delete_link("other0")
    second = await machine.open()
    assert (second.default.subnet, second.default.id) == ("172.18.0.0/16", first.default.id)


async def test_network_none_has_a_loopback(machine: Machine) -> None:
    place = machine.place()
    loopback_up(place.netlink)
    assert place.links() == {"lo": True}
    loopback_up(place.netlink)


@pytest.mark.parametrize("docker", [True, False])
async def test_a_firewall_that_drops_is_found_and_the_advice_helps(machine: Machine, docker: bool) -> None:
    world = machine.world()
    bridge = await machine.open()
    place, _ = await machine.container(bridge)
    assert firewall.findings(bridge.default.interface) == ()
    rules = "iptables -P FORWARD DROP"
    if docker:
        rules += "; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER"
    subprocess.run(rules, shell=True, check=True)
    with world.listen(80):
        with pytest.raises(TimeoutError):
            place.connect("203.0.113.2", 80, timeout=0.3).close()
        (finding,) = firewall.findings(bridge.default.interface)
        subprocess.run(finding.partition(f"through {bridge.default.interface}: ")[2], shell=True, check=True)
        place.connect("203.0.113.2", 80).close()
    assert firewall.findings(bridge.default.interface) == ()
