"""`--link` on the default bridge (hosts, variables, names) and on networks of the user's own (a name of one's own)."""

from __future__ import annotations

import re

from tests.daemon import Daemon
from tests.engine.test_user_networks import address, looked_up, networks

__all__ = ["networks"]


def hosts(daemon: Daemon, name: str) -> list[str]:
    """The lines of its /etc/hosts after the usual six."""
    return daemon.out("exec", name, "cat", "/etc/hosts").splitlines()[6:]


def variables(daemon: Daemon, name: str, prefix: str) -> list[str]:
    return [line for line in daemon.out("exec", name, "env").splitlines() if line.startswith(prefix)]


def port(address: str, number: int, protocol: str) -> list[str]:
    key = f"MY_BASE_PORT_{number}_{protocol.upper()}"
    return [
        f"{key}={protocol}://{address}:{number}",
        f"{key}_ADDR={address}",
        f"{key}_PORT={number}",
        f"{key}_PROTO={protocol}",
    ]


def test_a_link_tells_where_the_other_one_is(clean: Daemon) -> None:
    clean.docker(
        "run", "-d", "--name", "db", "-e", "PASSWORD=x", "--expose", "5432", "--expose", "80-82/udp",
        "busybox", "sleep", "100",
    )  # fmt: skip
    clean.docker("run", "-d", "--name", "web", "--link", "db:my-base", "--link", "db", "busybox", "sleep", "100")
    there, own = address(clean, "db", "bridge"), address(clean, "web", "bridge")
    short, mine = clean.inspect("db")["Id"][:12], clean.inspect("web")["Id"][:12]
    assert hosts(clean, "web") == [f"{there}\tmy-base {short} db", f"{there}\tdb {short}", f"{own}\t{mine}"]
    assert variables(clean, "web", "MY_BASE_") == [
        f"MY_BASE_PORT=udp://{there}:80",
        f"MY_BASE_PORT_80_UDP_START=udp://{there}:80",
        f"MY_BASE_PORT_80_UDP_ADDR={there}",
        "MY_BASE_PORT_80_UDP_PROTO=udp",
        "MY_BASE_PORT_80_UDP_PORT_START=80",
        f"MY_BASE_PORT_80_UDP_END=udp://{there}:82",
        "MY_BASE_PORT_80_UDP_PORT_END=82",
        f"MY_BASE_PORT_80_UDP=udp://{there}:80",
        "MY_BASE_PORT_80_UDP_PORT=80",
        *port(there, 81, "udp"),
        *port(there, 82, "udp"),
        *port(there, 5432, "tcp"),
        "MY_BASE_NAME=/web/my-base",
        "MY_BASE_ENV_PASSWORD=x",
    ]
    clean.docker("exec", "web", "ping", "-c", "1", "-W", "2", "my-base")
    assert clean.inspect("web")["HostConfig"]["Links"] == ["/db:/web/my-base", "/db:/web/db"]
    assert clean.out("ps", "--no-trunc", "--format", "{{.Names}}").splitlines() == ["web", "db,web/my-base,web/db"]
    assert clean.out("ps", "--format", "{{.Names}}").splitlines() == ["web", "db"]


def test_another_address_is_told(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "db", "--expose", "80", "busybox", "sleep", "100")
    clean.docker("run", "-d", "--name", "web", "--link", "db", "busybox", "sleep", "100")
    before = address(clean, "db", "bridge")
    clean.docker("stop", "-t", "0", "db")
    clean.docker("run", "-d", "--name", "other", "busybox", "sleep", "100")  # takes the address
    clean.docker("start", "db")
    after = address(clean, "db", "bridge")
    assert after != before
    assert [line.split()[0] for line in hosts(clean, "web") if " " in line] == [after]
    assert f"DB_PORT=tcp://{after}:80" in clean.out("exec", "web", "env")
    clean.docker("rename", "db", "base")
    assert clean.inspect("web")["HostConfig"]["Links"] == ["/base:/web/db"]


def test_the_name_that_a_link_gives(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "db", "busybox", "sleep", "100")
    clean.docker("run", "-d", "--name", "web", "--link", "db:base", "busybox", "sleep", "100")
    assert clean.inspect("web/base")["Name"] == "/db"
    assert clean.out("exec", "web/base", "echo", "hi") == "hi"
    assert clean.out("rm", "--link", "web/base") == "web/base"
    assert clean.inspect("web")["HostConfig"]["Links"] is None
    assert [line for line in hosts(clean, "web") if "base" in line] == []
    for name, text in (
        ("web/base", "No such container: web/base"),
        ("web", "Conflict, cannot remove the default link name of the container"),
    ):
        refused = clean.docker("rm", "--link", name, check=False)
        assert (refused.returncode, text in refused.stderr) == (1, True), refused.stderr


def test_links_that_are_refused(networks: Daemon) -> None:
    networks.docker("run", "-d", "--name", "db", "busybox", "sleep", "100")
    networks.docker("create", "--name", "web", "--link", "db:base", "busybox", "true")
    networks.docker("run", "-d", "--name", "apart", "--network", "n1", "busybox", "sleep", "100")
    networks.docker("stop", "-t", "0", "db")
    for words, text in (
        (("start", "web"), "Cannot link to a non running container: /db AS /web/base"),
        (("run", "--link", "nobody", "busybox"), "could not get container for nobody: No such container: nobody"),
        (("run", "--link", "db:a:b", "busybox"), 'invalid argument "db:a:b" for "--link" flag: bad format for links'),
        (("run", "--link", "apart", "busybox"), "Cannot link to /apart, as it does not belong to the default network"),
    ):
        refused = networks.docker(*words, check=False)
        assert refused.returncode and text in refused.stderr, refused.stderr
    networks.docker("rm", "-f", "db")
    assert networks.inspect("web")["HostConfig"]["Links"] == ["/db:/web/base"]


def test_a_link_on_a_users_network_is_a_name_of_ones_own(networks: Daemon) -> None:
    on = ("--network", "n1")
    networks.docker("run", "-d", "--name", "db", *on, "busybox", "sleep", "100")
    networks.docker("run", "-d", "--name", "web", *on, "--link", "db:base", "busybox", "sleep", "100")
    networks.docker("run", "-d", "--name", "other", *on, "busybox", "sleep", "100")
    there = address(networks, "db")
    assert looked_up(networks, "web", "base") == {there}
    assert looked_up(networks, "other", "base") == set()
    assert not re.search("^DB_|^BASE_", networks.out("exec", "web", "env"), re.M)
    shown = networks.inspect("web")
    assert shown["HostConfig"]["Links"] is None
    assert shown["NetworkSettings"]["Networks"]["n1"]["Links"] == ["db:base"]
    networks.docker("network", "disconnect", "n1", "other")
    networks.docker("network", "connect", "--link", "db:late", "n1", "other")
    assert looked_up(networks, "other", "late") == {there}
