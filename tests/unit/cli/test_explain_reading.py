"""Where a step of the trace can be read about, and where its effect can be seen."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_engine.cli.explain_reading import WHY, effect, first_process, manual
from kernel_engine.cli.explain_table import GROUPS


@pytest.mark.parametrize(
    ("name", "arguments", "page", "place"),
    [
        ("clone3", "CLONE_PIDFD|CLONE_NEWPID", ("clone3", 2), "/proc/7/ns/pid"),
        ("unshare", "CLONE_NEWNS|CLONE_NEWUTS", ("unshare", 2), "/proc/7/ns/{mnt,uts}"),
        ("mount", "overlay → /x type overlay", ("mount", 2), "/proc/7/mountinfo"),
        ("umount2", "the host's root MNT_DETACH", ("umount", 2), "/proc/7/mountinfo"),
        ("mkdir", "/sys/fs/cgroup/memory/k/1", ("cgroups", 7), "/sys/fs/cgroup/memory/k/1"),
        ("mkdir", "/dev/pts", ("mkdir", 2), "/proc/7/mountinfo"),
        ("write", "/sys/fs/cgroup/k/1/pids.max 20", ("cgroups", 7), "/sys/fs/cgroup/k/1/pids.max"),
        ("write", "/sys/fs/cgroup/cpu/k/1/tasks 0", ("cgroups", 7), "/proc/7/cgroup"),
        ("write", "/sys/fs/cgroup/devices/k/devices.deny a", ("cgroups", 7), "/sys/fs/cgroup/devices/k/devices.list"),
        ("write", "/proc/sys/net/x 0 1", ("proc", 5), "/proc/sys/net/x (컨테이너 안에서)"),
        ("sethostname", "web", ("gethostname", 2), "/proc/7/ns/uts"),
        ("prctl", "PR_CAPBSET_DROP, CAP_BPF", ("prctl", 2), "/proc/7/status (CapBnd)"),
        ("prctl", "PR_SET_PDEATHSIG, SIGKILL", ("prctl", 2), ""),
        ("capset", "CAP_CHOWN", ("capset", 2), "/proc/7/status (CapEff)"),
        ("seccomp", "SECCOMP_SET_MODE_FILTER, 1 instructions", ("seccomp", 2), "/proc/7/status (Seccomp)"),
        ("netlink RTM_NEWLINK", "veth ke1 peer eth0", ("rtnetlink", 7), "/sys/class/net/ke1"),
        ("netlink RTM_NEWADDR", "172.17.0.2/16 index 2", ("rtnetlink", 7), "/proc/7/net/fib_trie"),
        ("netlink NFT_MSG_NEWSETELEM", "ke_0 published, 1 elements", ("nft", 8), "nft list table ip ke_0"),
        ("execve", "/bin/true ['true']", ("execve", 2), "/proc/7/exe"),
        ("close_range", "3, 4294967295, CLOSE_RANGE_CLOEXEC", ("close_range", 2), ""),
    ],
)  # fmt: skip
def test_where_to_read_on(name: str, arguments: str, page: tuple[str, int], place: str) -> None:
    assert manual(name, arguments) == page
    assert effect(name, arguments, 7) == place


def test_every_group_has_a_reason() -> None:
    assert set(WHY) == set(GROUPS)


def test_the_first_process_is_the_containers_own() -> None:
    steps: list[dict[str, Any]] = [{"Process": "launcher", "Pid": 1}, {"Process": "child", "Pid": 42}]
    assert first_process(steps) == 42
    assert first_process(steps[:1]) == 0
