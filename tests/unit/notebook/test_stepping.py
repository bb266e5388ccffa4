"""The words, rows and pictures of a start that goes on one step at a time."""

from __future__ import annotations

import re
from typing import Any

import pytest

from labs.notebook.kernel import stepping_picture
from labs.notebook.kernel.stepping_picture import Sight
from labs.stepping import sides, text
from labs.stepping.walk import End, Standing
from labs.stepping.words import wish

ID = "a" * 64


def view(*, shared: bool = True, hostname: str = "host", seccomp: int = 0, pid: int = 4242) -> dict[str, Any]:
    kinds = ("mnt", "pid", "uts", "ipc", "net", "cgroup", "user", "time")
    spaces = [
        {"Kind": kind, "Inode": 2 if kind == "pid" else 1, "HostInode": 1 if kind == "pid" or shared else 3,
         "Shared": kind != "pid" and shared, "Source": f"/proc/{pid}/ns/{kind}"}
        for kind in kinds
    ]  # fmt: skip
    return {
        "Number": 7,
        "Next": [{"Process": "child", "Name": "unshare", "Arguments": "CLONE_NEWNS", "Source": "init.py:1"}],
        "Done": [],
        "Pid": pid,
        "Host": {"Pid": 1, "Hostname": "host", "Mounts": 20, "Group": "/"},
        "Inside": {"Pid": 1, "Hostname": hostname, "User": 0, "Gid": 0, "Group": f"/engine/{ID}"},
        "Kernel": {
            "Id": ID,
            "Pid": pid,
            "Processes": [{"Pid": pid, "InnerPid": 1, "Command": "<launcher>"}],
            "Namespaces": spaces,
            "Mounts": [{"Target": "/", "Type": "ext4"}],
            "UidMap": [{"Inside": 0, "Outside": 0, "Count": 9}],
            "Cgroup": [{"Path": "/x/memory.current", "Value": "1", "Limit": str(64 << 20)}],
            "Security": {
                "Kept": ["CAP_CHOWN"], "Effective": ["CAP_CHOWN"], "Dropped": [], "Seccomp": seccomp,
                "Filters": 1 if seccomp else 0, "Source": f"/proc/{pid}/status",
            },
        },
    }  # fmt: skip


def step(name: str, arguments: str, started: int, duration: int = 1000) -> dict[str, Any]:
    return {
        "Process": "child", "Name": name, "Arguments": arguments, "Result": "0", "Ok": True, "Started": started,
        "Duration": duration, "Pid": 4242, "Source": "kernel_engine/runtime/init.py:1",
    }  # fmt: skip


def standing(number: int, seen: dict[str, Any], *done: dict[str, Any]) -> Standing:
    return Standing(number=number, stop=number, view=seen, done=done)


@pytest.mark.parametrize("words", ["docker ps", "", "--all", "docker container ls", "--calls docker"])
def test_only_a_run_can_be_stepped_through(words: str) -> None:
    assert wish(words.split()) is None


def test_words_are_parted_behind_run() -> None:
    found = wish("--calls --all docker container run -d busybox run".split())
    assert found is not None
    assert (found.path, found.words) == ("container run", ("-d", "busybox", "run"))
    assert (found.every_call, found.unasked) == (True, True)


def test_rows_compare_both_sides() -> None:
    rows = {row.name: row for row in sides.rows(view(shared=False, hostname="inner", seccomp=2))}
    assert rows["프로세스"].host == "pid 4242"
    assert rows["프로세스"].inside == "pid 1"
    assert rows["네트워크(net)"].apart
    assert rows["호스트 이름"].inside == "inner"
    assert rows["cgroup"].fixed == "자기 묶음, 메모리 한도 64MB"
    assert rows["시스템 콜 필터"].inside == "필터 1개"
    assert not sides.rows({**view(), "Kernel": None, "Inside": None})[0].apart


def test_what_has_changed_is_marked() -> None:
    before, now = sides.rows(view()), sides.rows(view(hostname="inner"))
    assert sides.changed(now, before) == {"호스트 이름"}
    assert sides.changed(now, ()) == frozenset()


def test_fixed_text_holds_no_number_of_a_run() -> None:
    before = sides.rows(view())
    found = standing(2, view(hostname="inner", pid=555), step("sethostname", "inner", 5))
    said = text.standing(found, sides.rows(found.view), before, fixed=True)
    assert "한 일: 컨테이너의 호스트 이름을 정해요" in said
    assert "* 호스트 이름" in said
    assert "마운트" not in said  # nothing new there
    assert not re.search(r"555|4026|µs", said)
    assert "pid 555" in text.standing(found, sides.rows(found.view), before, fixed=False)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (End(error="", given_up=False), "실행됐어요"),
        (End(error="no such file", given_up=False), "시작하지 못했어요: no such file"),
        (End(error="… given up: nobody went on for 600 s", given_up=True), "너무 오래 멈춰"),
        (End(error="… given up: somebody had seen enough", given_up=True), "그만뒀어요"),
        (End(error="the engine has ended, and the start with it", given_up=True), "엔진이 끝나서"),
    ],
)
def test_every_end_is_a_sentence(end: End, words: str) -> None:
    assert words in text.end(end)
    assert words in stepping_picture.as_html(Sight(command="docker run x", name="x", end=end))


def test_a_card_shows_what_comes_what_is_and_what_was() -> None:
    first, second = view(), view(hostname="inner")
    sight = Sight(command="docker run <b>", name="x").at(standing(1, first), sides.rows(first))
    sight = sight.at(standing(2, second, step("sethostname", "inner", 5)), sides.rows(second))
    drawn = stepping_picture.as_html(sight)
    assert "&lt;b&gt;" in drawn
    assert drawn.count("방금 바뀌었어요") == 1
    assert "컨테이너의 호스트 이름을 정해요" in drawn
    assert all(f'data-do="{word}"' in drawn for word in ("next", "end", "quit"))
    assert "data-do" not in stepping_picture.as_html(Sight(command="x", name="x", end=End(error="", given_up=False)))


def test_waits_are_cut_out_of_the_timeline() -> None:
    steps = [step("setsid", "", 0), step("unshare", "CLONE_NEWNS", 9_000_000_000), step("execve", "x", 9_000_500_000)]
    steps[0]["Started"] = 1
    cut = stepping_picture.without_waits(steps)
    assert cut[-1]["Started"] - cut[0]["Started"] < 3 * stepping_picture.BREATH
    assert [item["Name"] for item in cut] == ["setsid", "unshare", "execve"]
