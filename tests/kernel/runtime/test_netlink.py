"""rtnetlink against a real, empty network namespace, configured from outside through its socket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.process import CloneFlag, unshare
from kernel_engine.syscalls.trace import Trace, recording


@pytest.fixture
def namespace() -> Iterator[tuple[Netlink, int]]:
    """A namespace's socket, and the pid of the process that keeps it."""
    ready, say = os.pipe()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        unshare(CloneFlag.CLONE_NEWNET)
        inside = Netlink()
        socket.send_fds(theirs, [b"x"], [inside.fileno()])
        os.write(say, b"x")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    _data, fds, _flags, _address = socket.recv_fds(ours, 1, 1)
    with Netlink(fds[0]) as netlink:
        yield netlink, pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for fd in (ready, say):
        os.close(fd)
    ours.close()
    theirs.close()


def test_bridge_veth_addresses_routes(namespace: tuple[Netlink, int]) -> None:
    netlink, pid = namespace
    trace = Trace("test")
    with recording(trace):
        netlink.add_bridge("br0", mac="02:42:00:00:00:01", up=True)
        bridge = netlink.link("br0")
        netlink.add_address(bridge.index, "10.9.0.1/24")
        netlink.add_veth("v0", "v1", peer_pid=pid, master=bridge.index, up=True, peer_mac="02:42:0a:09:00:02", mtu=1400)
        netlink.set_link(netlink.link("v1").index, name="eth0", up=True)
        netlink.add_route(gateway="10.9.0.9")
        netlink.add_route("10.77.0.0/16", index=bridge.index)
    links = {link.name: link for link in netlink.links()}
    assert (links["br0"].kind, links["br0"].mac, links["br0"].up) == ("bridge", "02:42:00:00:00:01", True)
    assert (links["v0"].master, links["v0"].mtu, links["v0"].up) == (bridge.index, 1400, True)
    assert (links["eth0"].mac, links["eth0"].up) == ("02:42:0a:09:00:02", True)
    assert [str(address.interface) for address in netlink.addresses()] == ["10.9.0.1/24"]
    routes = {str(route.destination): route for route in netlink.routes()}
    assert str(routes["0.0.0.0/0"].gateway) == "10.9.0.9"
    assert routes["10.77.0.0/16"].index == bridge.index
    assert [step.name for step in trace.steps].count("netlink RTM_NEWLINK") == 3
    assert all(step.source.startswith("test_netlink.py:") for step in trace.steps)
    netlink.delete_link("v0")
    assert "eth0" not in {link.name for link in netlink.links()}


def test_errors_carry_the_kernel_s_sentence(namespace: tuple[Netlink, int]) -> None:
    netlink, _pid = namespace
    netlink.add_bridge("br0", up=True)
    with pytest.raises(FileExistsError):
        netlink.add_bridge("br0")
    with pytest.raises(OSError, match="No such device"):
        netlink.link("nosuch")
    netlink.add_address(netlink.link("br0").index, "10.9.0.1/24")
    with pytest.raises(OSError, match="invalid gateway"):
        netlink.add_route(gateway="99.9.9.9")
    assert {link.name for link in netlink.links()} >= {"lo", "br0"}  # the socket goes on after an error
