"""The timeline of a start: what is drawn from the engine's trace, and which command lines have one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kernel_engine.cli.explain import explained
from labs.notebook.kernel.timeline import words_of
from labs.notebook.kernel.timeline_picture import NOTHING, as_html, phases


def step(at: int, name: str, arguments: str = "", *, process: str = "child", result: str = "0", ok: bool = True) -> Any:
    """One that began `at` microseconds after the first."""
    return {"Process": process, "Name": name, "Arguments": arguments, "Result": result, "Ok": ok,
            "Started": at * 1000, "Duration": 500, "Pid": 7, "Source": "kernel_engine/runtime/init.py:73"}  # fmt: skip


START = [
    step(0, "clone3", "CLONE_PIDFD|CLONE_NEWPID", process="launcher", result="7"),
    step(10, "unshare", "CLONE_NEWNS|CLONE_NEWUTS"),
    step(20, "mount", "overlay → /m type overlay lowerdir=1"),
    step(25, "netlink RTM_NEWLINK", "veth ke1 peer eth0 netns-of-pid 7 up", process="daemon"),
    step(30, "mknod", "/dev/null c 1:3 666"),
    step(31, "mknod", "/dev/zero c 1:5 666"),
    step(40, "prctl", "PR_SET_PDEATHSIG, SIGKILL"),
    step(95, "close_range", "3, 4294967295, CLOSE_RANGE_CLOEXEC"),
    step(96, "execve", "/bin/<b> ['<b>']", result=""),
]


def test_phases_are_one_process_at_one_wall_and_end_where_it_waited() -> None:
    found = [(phase.group, phase.process, phase.count) for phase in phases(explained(START))]
    assert found == [
        ("네임스페이스", "launcher", 1),
        ("네임스페이스", "child", 1),
        ("이미지", "child", 1),
        ("네트워크", "daemon", 1),
        ("파일 시스템", "child", 2),
        ("실행", "child", 1),
        ("실행", "child", 2),
    ]


def test_each_line_says_what_why_how_long_and_where() -> None:
    drawn = as_html(START)
    assert "커널에 부탁한 일 9번" in drawn
    assert "왜 필요할까요?" in drawn
    assert "https://man7.org/linux/man-pages/man2/unshare.2.html" in drawn
    assert "<code>/proc/7/ns/{mnt,uts}</code>" in drawn
    assert 'data-source="kernel_engine/runtime/init.py:73"' in drawn
    assert len(re.findall(r"<circle ", drawn)) == 8  # the two devices are one line
    assert "엔진(daemon) 1번, 낳는 프로세스(launcher) 1번, 컨테이너의 첫 프로세스 7번" in drawn


def test_what_a_container_is_called_is_text_not_markup() -> None:
    assert "<b>'" not in as_html(START)
    assert "&lt;b&gt;" in as_html(START)


def test_a_start_that_failed_says_where() -> None:
    drawn = as_html([*START[:-1], step(96, "execve", "/bin/nosuch", result="ENOENT", ok=False)])
    assert "9번째 단계 execve에서 멈췄어요: ENOENT (그런 파일이 없어요)" in drawn
    assert "dl-refused" in drawn


def test_no_steps() -> None:
    assert NOTHING in as_html([])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("docker run --rm busybox true", (["docker", "run"], ["--rm", "busybox", "true"])),
        ("run busybox", (["docker", "run"], ["busybox"])),
        ("docker container run 'a b'", (["docker", "container", "run"], ["a b"])),
        ("docker ps", None),
        ("", None),
    ],
)
def test_which_commands_can_be_explained(line: str, found: object) -> None:
    assert words_of(line) == found
