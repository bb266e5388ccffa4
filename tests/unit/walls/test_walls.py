"""What leaving a wall out does to a spec, and what a container without one may ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernel_engine.containers.options import ContainerOptions, EndpointOptions, HostOptions, MountOptions
from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime import capabilities
from kernel_engine.runtime.ground import PLAIN, Ground
from kernel_engine.runtime.plan import device_rules, standard
from kernel_engine.runtime.spec import Process, Resources, Rootfs, Spec
from kernel_engine.walls.look import _group
from kernel_engine.walls.wall import WALLS, check

SPEC = Spec(
    id="ab",
    process=Process(args=("true",), capabilities=capabilities.DEFAULT, seccomp="/filter"),
    rootfs=Rootfs(base="/b", lower=("l",), upper="u", work="w", target="/t"),
    cgroup="ke",
    resources=Resources(memory=1),
    sysctls=(("net.ipv4.ping_group_range", "0 2147483647"), ("kernel.shmmax", "1")),
)


def test_plain_ground_changes_nothing() -> None:
    assert PLAIN.spec(SPEC) is SPEC
    assert PLAIN.device_rules(SPEC) == device_rules(SPEC)
    assert PLAIN.pivots
    assert PLAIN.look is None


@pytest.mark.parametrize("wall", ["pid", "mount", "uts", "ipc", "net", "cgroup"])
def test_a_namespace_is_left_out_and_no_other(wall: str) -> None:
    found = Ground(without=wall).spec(SPEC)  # type: ignore[arg-type]
    assert set(SPEC.namespaces) - set(found.namespaces) == {wall}
    assert found.process == SPEC.process


def test_what_belongs_to_a_namespace_goes_with_it() -> None:
    assert Ground(without="net").spec(SPEC).sysctls == (("kernel.shmmax", "1"),)
    assert Ground(without="cgroup").spec(SPEC).resources == Resources()
    assert Ground(without="pid").spec(SPEC).resources == SPEC.resources


def test_rights_and_the_filter() -> None:
    assert Ground(without="seccomp").spec(SPEC).process == replace(SPEC.process, seccomp="")
    assert Ground(without="capabilities").spec(SPEC).process == replace(SPEC.process, capabilities=(capabilities.ALL,))
    assert not Ground(without="pivot_root").pivots
    for wall in ("pivot_root", "user"):
        assert Ground(without=wall).spec(SPEC) is SPEC  # type: ignore[arg-type]


def test_in_a_user_namespace() -> None:
    ground = Ground(in_user_namespace=True)
    assert ground.spec(SPEC).sysctls[0] == ("net.ipv4.ping_group_range", "0 65535")
    assert ground.device_rules(SPEC) == ()


@pytest.mark.parametrize(("wall", "bound"), [("pid", ["/proc"]), ("net", ["/sys"]), ("uts", [])])
def test_what_shows_a_foreign_namespace_is_bound(wall: str, bound: list[str]) -> None:
    spec = Ground(without=wall).spec(SPEC)  # type: ignore[arg-type]
    found = [item.target for item in standard(spec, "v2", {}, foreign=Ground().foreign) if item.type == "bind"]
    assert found == bound
    assert [item.target for item in standard(spec, "v2", {}) if item.type == "bind"] == []


OPTIONS = ContainerOptions(image="busybox")


@pytest.mark.parametrize("wall", WALLS)
def test_every_wall_has_its_name(wall: str) -> None:
    assert check(wall, OPTIONS) == wall


def test_the_machines_own_root_gets_no_more_rights() -> None:
    """Every other container's root is nobody."""
    many = replace(OPTIONS, host=HostOptions(cap_add=("sys_admin",)))
    assert check("pid", many) == "pid"
    with pytest.raises(InvalidRequest, match="cannot have more rights"):
        check("user", many)
    assert check("user", replace(OPTIONS, host=HostOptions(cap_add=("CHOWN",)))) == "user"


def test_the_default_network_may_be_named() -> None:
    """As our own command does it."""
    assert check("pid", replace(OPTIONS, networks={"default": EndpointOptions()})) == "pid"


@pytest.mark.parametrize("wall", ["", "PID", "time", "pid,net", "seccomp "])
def test_no_other_name_is_one(wall: str) -> None:
    with pytest.raises(InvalidRequest, match="unknown wall"):
        check(wall, OPTIONS)


@pytest.mark.parametrize(
    "options",
    [
        replace(OPTIONS, tty=True),
        replace(OPTIONS, open_stdin=True),
        replace(OPTIONS, volumes=("/data",)),
        replace(OPTIONS, networks={"web": EndpointOptions()}),
        *(
            replace(OPTIONS, host=host)
            for host in (
                HostOptions(privileged=True),
                HostOptions(binds=("/:/host",)),
                HostOptions(mounts=(MountOptions(type="bind", target="/host", source="/"),)),
                HostOptions(volumes_from=("other",)),
                HostOptions(port_bindings={"80/tcp": (("", "8080"),)}),
                HostOptions(publish_all=True),
                HostOptions(network_mode="host"),
                HostOptions(network_mode="container:other"),
                HostOptions(pid_mode="host"),
                HostOptions(ipc_mode="host"),
                HostOptions(uts_mode="host"),
                HostOptions(cgroupns_mode="host"),
                HostOptions(links=("other",)),
                HostOptions(security_opt=("seccomp=unconfined",)),
                HostOptions(raw={"Devices": [{"PathOnHost": "/dev/sda"}]}),
            )
        ),
    ],
    ids=repr,
)
def test_nothing_reaches_out_of_the_container(options: ContainerOptions) -> None:
    with pytest.raises(InvalidRequest, match="cannot have"):
        check("pid", options)


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("3:cpu:/a\n4:memory:/b\n0::/\n", "/b"),
        ("0::/kernel-engine/x\n", "/kernel-engine/x"),
        ("", ""),
    ],
)
def test_the_group_that_limits_memory(text: str, group: str) -> None:
    assert _group(text) == group
