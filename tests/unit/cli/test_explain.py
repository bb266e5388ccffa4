"""The trace as Korean text: every step counted, grouped, with its source; failures say where it stopped."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_engine.cli.explain import explain, explained, shortened, stopping
from kernel_engine.cli.explain_table import GROUPS, meaning


def step(
    name: str, arguments: str = "", result: str = "0", ok: bool = True, process: str = "child", **more: Any
) -> Any:
    return {"Process": process, "Name": name, "Arguments": arguments, "Result": result, "Ok": ok, "Started": 1,
            "Duration": 1500, "Pid": 7, "Source": "kernel_engine/runtime/init.py:1", **more}  # fmt: skip


START = [
    step("clone3", "CLONE_PIDFD|CLONE_NEWPID", "42", process="launcher"),
    step("mkdir", "/sys/fs/cgroup/memory/kernel-engine-0/1"),
    step("write", "/sys/fs/cgroup/memory/kernel-engine-0/1/memory.limit_in_bytes 67108864"),
    step("unshare", "CLONE_NEWNS|CLONE_NEWUTS"),
    step("netlink RTM_NEWLINK", "veth ke1 peer eth0 netns-of-pid 42 up", process="daemon"),
    step("mount", "overlay → /x/merged type overlay lowerdir=1:2,upperdir=3"),
    step("mknod", "/dev/null c 1:3 666"),
    step("mknod", "/dev/zero c 1:5 666"),
    step("seccomp", "SECCOMP_SET_MODE_FILTER, 1250 instructions"),
    step("execve", "/bin/echo ['echo', 'hi']", ""),
]


def test_every_group_stands_once_and_in_order() -> None:
    text = explain(START)
    places = [text.index(f"[{group}]") for group in GROUPS]
    assert places == sorted(places)
    assert "커널에 부탁한 일 10번" in text.splitlines()[0]
    assert "멈췄어요" not in text


def test_a_line_has_number_words_call_time_and_source() -> None:
    text = explain(START)
    assert (
        "        6  이미지의 레이어를 겹치고 맨 위에 쓰기 레이어를 얹어 루트를 만들어요\n"
        "           mount(overlay → /x/merged type overlay lowerdir=1:2,upperdir=3) · 2µs"
        " · kernel_engine/runtime/init.py:1"
    ) in text


def test_neighbours_that_do_the_same_are_one_line() -> None:
    lines = explained(START)
    assert sum(line.count for line in lines) == len(START)
    (devices,) = [line for line in lines if line.call.startswith("mknod")]
    assert (devices.place, devices.count, devices.duration) == ("7~8", 2, 3000)


def test_where_it_stopped() -> None:
    steps = [*START[:-1], step("execve", "/bin/nosuch", "ENOENT", ok=False)]
    assert stopping(steps) == 9
    text = explain(steps)
    assert "10번째 단계 execve(/bin/nosuch)에서 멈췄어요: ENOENT (그런 파일이 없어요)" in text
    assert "(커널이 거절했어요)" in text


def test_a_refusal_that_the_engine_can_do_without_is_no_stop() -> None:
    steps = [step("mount", "mqueue → /dev/mqueue type mqueue", "ENODEV", ok=False), *START]
    assert stopping(steps) is None
    assert "에서 멈췄어요" not in explain(steps)


def test_a_start_that_never_came_to_the_program() -> None:
    assert "9번째 단계까지 마쳤지만" in explain(START[:-1])


def test_no_steps() -> None:
    assert "시작한 적이 없어서" in explain([])


def test_an_unknown_call_is_shown_without_words_of_ours() -> None:
    lines = explained([step("frobnicate", "1", Source="kernel_engine/network/veth.py:1")])
    assert (lines[0].group, lines[0].text) == ("네트워크", "")
    assert "frobnicate(1)" in explain([step("frobnicate", "1")])


@pytest.mark.parametrize(
    ("name", "arguments", "group", "words"),
    [
        ("mount", "proc → /proc type proc MS_NOSUID", "파일 시스템", "/proc"),
        ("mount", "tmpfs → /proc/acpi type tmpfs MS_RDONLY", "보안", "덮어서"),
        ("mount", "cgroup → /sys/fs/cgroup/pids type cgroup pids", "파일 시스템", "cgroup"),
        ("mount", "none → / MS_REC|MS_SLAVE", "파일 시스템", "퍼지지"),
        ("open_tree", "/proc/bus OPEN_TREE_CLONE", "보안", "덮어서"),
        ("move_mount", "→ /etc/hosts", "파일 시스템", "DNS"),
        ("write", "/sys/fs/cgroup/kernel-engine-0/1/pids.max 20", "자원 제한", "프로세스 수"),
        ("write", "/sys/fs/cgroup/kernel-engine-0/1/memory.max 67108864", "자원 제한", "메모리 한도"),
        ("write", "/proc/sys/net/ipv4/ping_group_range 0 1", "네트워크", "설정"),
        ("mkdir", "/dev/pts", "파일 시스템", "폴더"),
        ("chdir", "/var/lib/kernel-engine/layers", "이미지", "레이어"),
        ("chdir", "/srv", "실행", "작업 폴더"),
        ("prctl", "PR_CAPBSET_DROP, CAP_BPF", "보안", "권한"),
        ("netlink RTM_NEWADDR", "172.22.0.2/16 index 2", "네트워크", "IP 주소"),
        ("netlink RTM_NEWLINK", "index 1 up", "네트워크", "루프백"),
        ("umount2", "the host's root MNT_DETACH", "파일 시스템", "호스트의 루트를 떼어"),
        ("umount2", "/old MNT_DETACH", "파일 시스템", "/old에 붙어 있던 것을 떼어 내요"),
        ("umount2", ". MNT_DETACH", "파일 시스템", "지금 폴더를 덮은 마운트"),
        ("umount2", f"/{'a' * 60}/merged 0", "파일 시스템", "…/merged에 붙어 있던 것을"),
        ("unshare", "CLONE_NEWNET|CLONE_NEWIPC", "네임스페이스", "프로세스 간 통신, 네트워크"),
    ],
)
def test_what_calls_are_for(name: str, arguments: str, group: str, words: str) -> None:
    found = meaning(name, arguments, "kernel_engine/runtime/rootfs.py:1")
    assert found[0] == group
    assert words in found[1]


def test_long_arguments_lose_their_middle() -> None:
    text = shortened("/a" * 40 + "the end of it")
    assert len(text) == 88
    assert text.startswith("/a/a")
    assert text.endswith("the end of it")
