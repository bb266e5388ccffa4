"""One container in another's network or among its processes: `--network container:NAME`, `--pid container:NAME`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.daemon import Daemon


@pytest.fixture
def owner(clean: Daemon) -> Iterator[Daemon]:
    """With a container `owner` on a network `n1`."""
    clean.docker("network", "create", "n1")
    clean.docker("run", "-d", "--name", "owner", "--network", "n1", "busybox", "sleep", "100")
    yield clean
    clean.docker("rm", "-f", *clean.out("ps", "-aq").split())
    clean.docker("network", "rm", "n1")


def join(daemon: Daemon, *words: str) -> None:
    daemon.docker("run", "-d", "--name", "joined", "--network", "container:owner", *words, "busybox", "sleep", "100")


def links(daemon: Daemon, name: str) -> list[str]:
    """Names of its network interfaces."""
    return sorted(
        line.split(":")[1].strip().partition("@")[0] for line in lines(daemon.out("exec", name, "ip", "link"))
    )


def lines(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if not line.startswith(" ")]


def test_two_containers_have_one_network(owner: Daemon) -> None:
    join(owner)
    assert owner.out("exec", "joined", "ip", "addr") == owner.out("exec", "owner", "ip", "addr")
    for path in ("/etc/hosts", "/etc/resolv.conf", "/etc/hostname"):
        assert owner.out("exec", "joined", "cat", path) == owner.out("exec", "owner", "cat", path), path
    assert owner.out("exec", "joined", "hostname") == owner.out("exec", "owner", "hostname")
    owner.docker("exec", "-d", "owner", "nc", "-l", "-p", "81", "-e", "echo", "hello")
    assert owner.out("exec", "joined", "sh", "-c", "sleep 0.3; nc 127.0.0.1 81") == "hello"
    owner.docker("exec", "joined", "ping", "-c", "1", "-W", "2", "owner")
    shown, its = owner.inspect("joined"), owner.inspect("owner")
    assert shown["HostConfig"]["NetworkMode"] == f"container:{its['Id']}"
    assert (shown["NetworkSettings"]["Networks"], shown["NetworkSettings"]["IPAddress"]) == ({}, "")
    assert shown["Config"]["Hostname"] == its["Config"]["Hostname"]
    assert (shown["HostsPath"], shown["ResolvConfPath"]) == (its["HostsPath"], its["ResolvConfPath"])


def test_what_the_owner_joins_the_other_has_too(owner: Daemon) -> None:
    join(owner)
    owner.docker("network", "connect", "bridge", "owner")
    assert "eth1" in owner.out("exec", "joined", "ip", "link")
    for verb in ("connect", "disconnect"):
        refused = owner.docker("network", verb, "bridge", "joined", check=False)
        assert refused.returncode == 1, verb
    assert (
        "cannot be connected to any other network"
        in owner.docker("network", "connect", "bridge", "joined", check=False).stderr
    )


def test_the_owner_ends_and_comes_back(owner: Daemon) -> None:
    join(owner)
    its = owner.inspect("owner")["Id"]
    owner.docker("stop", "-t", "0", "owner")
    deadline = time.monotonic() + 5
    while links(owner, "joined") != ["lo"]:
        assert time.monotonic() < deadline, "the way out goes with its owner"
    text = f"cannot join network of a non running container: {its}"
    assert text in owner.docker("restart", "-t", "0", "joined", check=False).stderr
    assert owner.inspect("joined")["State"]["Error"] == text
    owner.docker("start", "owner")
    owner.docker("start", "joined")
    assert owner.out("exec", "joined", "ip", "addr") == owner.out("exec", "owner", "ip", "addr")
    owner.docker("rm", "-f", "owner")
    assert f"No such container: {its}" in owner.docker("restart", "-t", "0", "joined", check=False).stderr


def test_after_a_death_of_the_daemon(owner: Daemon) -> None:
    join(owner)
    owner.kill()
    owner.start()
    owner.docker("exec", "joined", "ping", "-c", "1", "-W", "2", "owner")
    owner.docker("exec", "joined", "nslookup", "owner")


def test_another_ones_processes(owner: Daemon) -> None:
    shown = owner.out("run", "--rm", "--pid", "container:owner", "busybox", "ps")
    assert "sleep 100" in shown and shown.splitlines()[1].split()[0] == "1"
    owner.docker("run", "-d", "--name", "looker", "--pid", "container:owner", "busybox", "sleep", "77")
    assert "sleep 77" in owner.out("exec", "owner", "ps")
    assert "sleep 100" in owner.out("exec", "looker", "ps")


def test_another_ones_memory(owner: Daemon) -> None:
    owner.docker("run", "-d", "--name", "donor", "--ipc", "shareable", "--shm-size", "3m", "busybox", "sleep", "100")
    shown = owner.out(
        "run", "--rm", "--ipc", "container:donor", "busybox", "sh", "-c", "echo x > /dev/shm/f; df /dev/shm"
    )
    assert " 3072 " in shown
    assert owner.out("exec", "donor", "cat", "/dev/shm/f") == "x"
    inode = ("readlink", "/proc/self/ns/ipc")
    there = owner.out("exec", "donor", *inode)
    owner.docker("run", "-d", "--name", "taker", "--ipc", "container:donor", "busybox", "sleep", "100")
    assert owner.out("exec", "taker", *inode) == there
    assert (
        "No such file" in owner.docker("run", "--rm", "--ipc", "none", "busybox", "ls", "/dev/shm", check=False).stderr
    )
    for mode, text in (
        ("container:owner", "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"),
        ("container:nobody", "No such container: nobody"),
        ("zz", "Invalid IPC mode: zz"),
    ):
        refused = owner.docker("run", "--rm", "--ipc", mode, "busybox", "true", check=False)
        assert (refused.returncode, text in refused.stderr) == (125, True), refused.stderr


def test_what_is_refused(owner: Daemon) -> None:
    for words, text in (
        (("-p", "80:80"), "conflicting options: port publishing and the container type network mode"),
        (("-P",), "conflicting options: port publishing and the container type network mode"),
        (("--expose", "80"), "conflicting options: port exposing and the container type network mode"),
        (("--hostname", "x"), "conflicting options: hostname and the network mode"),
        (("--dns", "1.1.1.1"), "conflicting options: dns and the network mode"),
        (("--add-host", "a:1.1.1.1"), "conflicting options: custom host-to-IP mapping and the network mode"),
        (("--mac-address", "02:42:ac:11:00:99"), "conflicting options: mac-address and the network mode"),
        (("--network-alias", "q"), "network-scoped aliases are only supported for user-defined networks"),
        (("--link", "owner"), "links are only supported for user-defined networks"),
    ):
        refused = owner.docker("run", "--rm", "--network", "container:owner", *words, "busybox", "true", check=False)
        assert (refused.returncode, text in refused.stderr) == (125, True), refused.stderr
    for mode, text in (
        ("container:nobody", "No such container: nobody"),
        ("container:", "Invalid network mode: invalid container format container:<name|id>"),
        ("container:self", "cannot join own network"),
    ):
        refused = owner.docker("run", "--name", "self", "--network", mode, "busybox", "true", check=False)
        assert (refused.returncode, text in refused.stderr) == (125, True), refused.stderr
        owner.docker("rm", "-f", "self", check=False)
    assert owner.out("ps", "-a", "--format", "{{.Names}}") == "owner"
