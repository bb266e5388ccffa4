"""A network namespace that stands for the machine, and others that stand for containers and the world outside.

A test runs inside the first: its thread enters it and goes back afterwards, so that nothing touches the machine's
own network. A socket belongs for ever to the namespace it was made in, so one process plays all parts.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kernel_engine.network import rows
from kernel_engine.network.networks import Endpoint, Networks, destroy
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.process import CloneFlag, setns, unshare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "" if os.geteuid() == 0 else "network namespaces need root"
    reason = reason or ("" if shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin") else "nft is not installed")
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@contextmanager
def elsewhere(namespace: int | None = None) -> Iterator[int]:
    """In a network namespace (None: a new one) and back; yields a descriptor that keeps it alive inside the block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if namespace is None:
            unshare(CloneFlag.CLONE_NEWNET)
        else:
            setns(namespace, CloneFlag.CLONE_NEWNET)
        there = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield there
        finally:
            os.close(there)
    finally:
        setns(home, CloneFlag.CLONE_NEWNET)
        os.close(home)


@dataclass(slots=True)
class Place:
    """A network namespace with a process in it."""

    namespace: int
    process: subprocess.Popen[bytes]
    netlink: int  #: a netlink socket of the namespace

    @property
    def id(self) -> str:
        """Of the container that it stands for."""
        return f"{self.pid:064x}"

    @classmethod
    def make(cls) -> Place:
        with elsewhere() as namespace:
            process = subprocess.Popen(("sleep", "60"))
            return cls(os.dup(namespace), process, Netlink().detach())

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> None:
        """The last process ends, and with it the namespace."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
            os.close(self.netlink)
            os.close(self.namespace)

    def listen(self, port: int = 0) -> socket.socket:
        with elsewhere(self.namespace):
            server = socket.create_server(("0.0.0.0", port))
        server.settimeout(2)
        return server

    def connect(self, address: str, port: int, *, timeout: float = 2) -> socket.socket:
        """Connects from here. TimeoutError where packets are dropped."""
        with elsewhere(self.namespace):
            client = socket.socket()
        client.settimeout(timeout)
        try:
            client.connect((address, port))
        except BaseException:
            client.close()
            raise
        return client

    def links(self) -> dict[str, bool]:
        """Name → is it up?"""
        with elsewhere(self.namespace), Netlink() as netlink:
            return {link.name: link.up for link in netlink.links()}


@dataclass(slots=True)
class Machine:
    """What the test's namespace holds."""

    tmp_path: Path
    stack: ExitStack
    records: list[Records] = field(default_factory=list)
    opened: list[Networks] = field(default_factory=list)

    def instance(self, name: str = "one") -> Instance:
        found = Instance.at(self.tmp_path / name, self.tmp_path / f"{name}-run")
        found.root.mkdir(exist_ok=True)
        return found

    async def open(
        self, name: str = "one", subnet: str | None = None, endpoints: tuple[Endpoint, ...] = ()
    ) -> Networks:
        instance = self.instance(name)
        records = Records(instance.database, (rows.SCHEMA,))
        self.records.append(records)
        self.stack.callback(records.close)
        bridge = await Networks.open(instance, records, subnet=subnet, endpoints=endpoints)
        self.opened.append(bridge)
        return bridge

    def place(self) -> Place:
        place = Place.make()
        self.stack.callback(place.end)
        return place

    async def container(self, bridge: Networks) -> tuple[Place, Endpoint]:
        place = self.place()
        return place, await bridge.attach(bridge.default, place.id, place.netlink, place.pid)

    def world(self) -> Place:
        """A namespace behind this one: 203.0.113.2, with a route to the containers through 203.0.113.1."""
        place = self.place()
        with Netlink() as here, elsewhere(place.namespace), Netlink() as there:
            here.add_veth("wan0", "eth0", peer_pid=place.pid, up=True)
            here.add_address(here.link("wan0").index, "203.0.113.1/24")
            index = there.link("eth0").index
            there.add_address(index, "203.0.113.2/24")
            there.set_link(index, up=True)
            there.add_route("172.16.0.0/12", gateway="203.0.113.1")
        return place

    def links(self) -> set[str]:
        with Netlink() as netlink:
            return {link.name for link in netlink.links()} - {"lo"}

    def dummy(self, address: str) -> None:
        """Somebody else's bridge."""
        with Netlink() as netlink:
            netlink.add_bridge("other0", up=True)
            netlink.add_address(netlink.link("other0").index, address)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    with elsewhere(), ExitStack() as stack:
        found = Machine(tmp_path, stack)
        try:
            yield found
        finally:
            for bridge in found.opened:
                await bridge.close()
            for name in {bridge._instance for bridge in found.opened}:
                destroy(name)


def nft(*words: str) -> str:
    return subprocess.run(("nft", *words), check=True, capture_output=True, text=True).stdout
