"""What is decided before the kernel is asked: mounts, cgroup settings, seccomp rules, messages."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.errors import InvalidRequest, KernelRefused
from kernel_engine.runtime import capabilities, cgroups, seccomp
from kernel_engine.runtime.cgroups import freezer
from kernel_engine.runtime.channel import Channel, Closed, as_json, spec_from_json
from kernel_engine.runtime.plan import device_rules, has_own_dev, standard
from kernel_engine.runtime.rootfs import tmpfs_options
from kernel_engine.runtime.spec import (
    Device,
    DeviceRule,
    Joined,
    Mount,
    Process,
    Resources,
    Rlimit,
    Rootfs,
    Spec,
)
from kernel_engine.syscalls.mounts import MountFlag

ROOTFS = Rootfs(base="/b", lower=("l1", "l2"), upper="u", work="w", target="/t")


def spec(**values: object) -> Spec:
    return Spec(id="ab", process=Process(args=("true",)), rootfs=ROOTFS, cgroup="ke", **values)  # type: ignore[arg-type]


def targets(one: Spec, mode: str = "v2") -> list[str]:
    return [system.target for system in standard(one, mode, {"memory": "/sys/fs/cgroup/memory"})]


def test_the_standard_mounts() -> None:
    assert targets(spec()) == [
        "/proc", "/sys", "/dev", "/dev/pts", "/dev/mqueue", "/dev/shm", "/sys/fs/cgroup",
    ]  # fmt: skip
    assert targets(spec(), "v1")[-2:] == ["/sys/fs/cgroup", "/sys/fs/cgroup/memory"]


def test_the_user_s_mounts_replace_them() -> None:
    assert "/dev/shm" not in targets(spec(mounts=(Mount(type="tmpfs", target="/dev/shm/"),)))
    whole = spec(mounts=(Mount(type="bind", source="/dev", target="/dev"),))
    assert [target for target in targets(whole) if target.startswith("/dev")] == []
    assert not has_own_dev(whole)


def test_sys_is_writable_only_when_privileged() -> None:
    flags = {one.target: one.flags for one in standard(spec(), "v2", {})}
    assert flags["/sys"] & flags["/sys/fs/cgroup"] & MountFlag.MS_RDONLY
    flags = {one.target: one.flags for one in standard(spec(privileged=True), "v2", {})}
    assert not (flags["/sys"] | flags["/sys/fs/cgroup"]) & MountFlag.MS_RDONLY


def test_without_a_cgroup_namespace_the_own_group_is_bound() -> None:
    names = ("mount", "pid", "uts", "ipc", "net")
    last = standard(spec(namespaces=names), "v1", {"memory": "/sys/fs/cgroup/memory"})[-1]
    assert (last.type, last.source) == ("bind", "/sys/fs/cgroup/memory/ke/ab")


FOREIGN = frozenset({"pid", "net", "ipc"})


def rootless(names: str, **values: object) -> dict[str, str]:
    """target → type of a container of an ordinary user's engine, with these namespaces of its own."""
    systems = standard(spec(namespaces=tuple(names.split()), **values), "none", {}, foreign=FOREIGN, groups=1)
    return {system.target: system.type for system in systems}


def test_what_shows_the_machines_namespaces_is_bound_where_nobody_may_mount_it() -> None:
    own = rootless("mount pid uts ipc net cgroup")
    assert (own["/proc"], own["/sys"], own["/dev/mqueue"]) == ("proc", "sysfs", "mqueue")
    assert "/sys/fs/cgroup" not in own
    shared = rootless("mount uts cgroup")
    assert (shared["/proc"], shared["/sys"], shared["/dev/mqueue"]) == ("bind", "bind", "bind")
    joined = tuple(Joined(namespace=name, container="cd") for name in ("pid", "ipc"))
    with_others = rootless("mount uts net cgroup", joined=joined)
    assert (with_others["/proc"], with_others["/dev/mqueue"]) == ("proc", "mqueue")
    bare = standard(spec(namespaces=("mount",)), "none", {}, foreign=FOREIGN, queues=False)
    assert "/dev/mqueue" not in [system.target for system in bare]


def test_terminals_have_no_group_where_there_is_none() -> None:
    few, many = (standard(spec(), "none", {}, foreign=FOREIGN, groups=groups) for groups in (1, 65_537))
    data = [next(one.data for one in found if one.target == "/dev/pts") for found in (few, many)]
    assert ["gid=5" in words for words in data] == [False, True]


def test_devices_asked_for_are_allowed() -> None:
    rules = device_rules(spec(devices=(Device(path="/dev/fuse", type="c", major=10, minor=229),)))
    assert rules[0] == DeviceRule(allow=False)
    assert rules[-1] == DeviceRule(allow=True, type="c", major=10, minor=229)
    assert device_rules(spec(privileged=True)) == (DeviceRule(allow=True),)


def test_tmpfs_words() -> None:
    flags, data = tmpfs_options("rw,size=1m,exec")
    assert flags == MountFlag.MS_NOSUID | MountFlag.MS_NODEV
    assert data == "size=1m"
    assert tmpfs_options("ro")[0] & MountFlag.MS_RDONLY


def test_limits_on_both_hierarchies() -> None:
    resources = Resources(memory=100, memory_swap=300, cpu_quota=50000, cpu_shares=1024, pids=5, cpuset_cpus="0-1")
    v2 = {setting.file: setting.value for setting in cgroups.plan_v2(resources)}
    assert v2 == {
        "memory.max": "100", "memory.swap.max": "200", "cpu.weight": "39", "cpu.max": "50000 100000",
        "pids.max": "5", "cpuset.cpus": "0-1",
    }  # fmt: skip
    v1 = {setting.file: setting.value for setting in cgroups.plan_v1(resources)}
    assert v1 == {
        "memory.limit_in_bytes": "100", "memory.memsw.limit_in_bytes": "300", "cpu.cfs_quota_us": "50000",
        "cpu.shares": "1024", "pids.max": "5", "cpuset.cpus": "0-1",
    }  # fmt: skip
    unlimited = Resources(memory=100, memory_swap=-1, pids=-1)
    assert {setting.value for setting in cgroups.plan_v2(unlimited)} == {"100", "max"}
    assert cgroups.plan_v1(Resources()) == cgroups.plan_v2(Resources()) == ()


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000), (0, 1), (10**9, 10000)])
def test_shares_as_weight(shares: int, weight: int) -> None:
    assert cgroups.weight(shares) == weight


def test_device_lines_of_v1() -> None:
    rules = (DeviceRule(allow=False), DeviceRule(allow=True, type="c", major=136))
    lines = [(setting.file, setting.value) for setting in cgroups.device_lines(rules)]
    assert lines == [("devices.deny", "a"), ("devices.allow", "c 136:* rwm")]


PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["breakpoint"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
    ],
}


def chosen(caps: tuple[str, ...], machine: str = "x86_64", kernel: str = "6.1.0-13-amd64") -> set[str]:
    return {name for rule in seccomp.choose(PROFILE, caps, machine, kernel) for name in rule.names}


def test_rules_depend_on_capabilities_machine_and_kernel() -> None:
    assert chosen(()) == {"read", "clone3", "ptrace"}
    assert chosen(("CAP_SYS_ADMIN",)) == {"read", "mount", "ptrace"}
    assert chosen(("ALL",)) == {"read", "mount", "ptrace"}
    assert chosen((), "aarch64") == {"read", "clone3", "ptrace", "breakpoint"}
    assert chosen((), kernel="4.4.0") == {"read", "clone3"}


def test_a_profile_has_one_place_and_a_bad_one_writes_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    profile, caps = seccomp.default_text(), capabilities.DEFAULT
    path = seccomp.place(profile, caps, tmp_path)
    assert seccomp.place(profile, tuple(reversed(caps)), tmp_path) == path
    assert seccomp.place(profile, ("ALL",), tmp_path) != path
    seccomp.compile_profile(profile, caps, path)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InvalidRequest, match="Decoding seccomp profile failed"):
        seccomp.compile_profile("{", (), tmp_path / "none")
    with pytest.raises(InvalidRequest, match="Decoding seccomp profile failed"):
        seccomp.compile_profile('{"defaultAction": "SCMP_ACT_NOSUCH", "syscalls": []}', (), tmp_path / "none")
    assert list(tmp_path.iterdir()) == [path]


def test_a_spec_travels_whole() -> None:
    process = Process(
        args=("a", "b\udc80"), env=("A=ü",), groups=("x",), capabilities=("CAP_KILL",),
        rlimits=(Rlimit(name="core", soft=0, hard=-1),), oom_score_adj=5,
    )  # fmt: skip
    one = Spec(
        id="ab", process=process, rootfs=ROOTFS, cgroup="ke", mounts=(Mount(type="tmpfs", target="/x"),),
        devices=(Device(path="/dev/x", type="c", major=1, minor=2),), sysctls=(("a.b", "c"),),
        resources=Resources(devices=(DeviceRule(allow=True),)),
    )  # fmt: skip
    assert spec_from_json(as_json(one)) == one


@given(st.lists(st.text(max_size=50_000), max_size=4))
def test_messages_of_any_length_arrive_in_order(words: list[str]) -> None:
    left, right = (Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    right.socket.setblocking(False)
    left.socket.setblocking(False)
    received = []
    for word in words:
        left.send({"word": word})
        while left.unsent:
            received += right.receive()
            left.flush()
    received += right.receive()
    assert [message["word"] for message, _ in received] == words
    left.close()
    with pytest.raises(Closed):
        right.receive()
    right.close()


def test_limits_of_a_whole_instance() -> None:
    limits = cgroups.Limits(memory=1 << 30, nano_cpus=1_500_000_000, pids=500)
    v1 = [(setting.file, setting.value) for setting in cgroups.plan_limits_v1(limits)]
    assert v1 == [
        ("memory.memsw.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", "1073741824"),
        ("memory.memsw.limit_in_bytes", "1073741824"),
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "150000"),
        ("pids.max", "500"),
    ]
    v2 = {setting.file: setting.value for setting in cgroups.plan_limits_v2(limits)}
    assert v2 == {
        "memory.max": "1073741824", "memory.swap.max": "0", "cpu.max": "150000 100000", "pids.max": "500",
    }  # fmt: skip


def test_an_instance_without_limits_takes_former_ones_away() -> None:
    v1 = {setting.file: setting.value for setting in cgroups.plan_limits_v1(cgroups.NO_LIMITS)}
    assert {v1[name] for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_quota_us")} == {"-1"}
    v2 = {setting.file: setting.value for setting in cgroups.plan_limits_v2(cgroups.NO_LIMITS)}
    assert v2 == {"memory.max": "max", "memory.swap.max": "max", "cpu.max": "max 100000", "pids.max": "max"}


def test_what_does_not_stand_still_in_time_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "ke/ab"
    group.mkdir(parents=True)
    (group / "cgroup.freeze").touch()
    (group / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    monkeypatch.setattr(freezer, "mode", lambda: "v2")
    monkeypatch.setattr(freezer, "ROOT", str(tmp_path))
    with pytest.raises(KernelRefused, match="unable to freeze container ab"):
        cgroups.freeze("ke", "ab", timeout=0)
    assert (group / "cgroup.freeze").read_text()[-1] == "0"
