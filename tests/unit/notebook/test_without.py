"""%without: which lines are understood, and what the page says of the engine's answer."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from kernel_engine.cli.explain_table import NAMESPACE_FILES
from kernel_engine.runtime.ground import Wall
from labs.notebook.kernel.without_picture import as_html
from labs.without import facts, text
from labs.without.asking import Refused, understood
from labs.without.table import CLEAN, WALLS

WAY = "%without "


# the line ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "line",
    [
        "pid docker run --rm busybox ps -o pid",
        "pid docker container run --rm busybox ps -o pid",
        "pid run --rm busybox ps -o pid",
    ],
)
def test_a_line_is_a_wall_and_a_run(line: str) -> None:
    wish = understood(line.split(), WAY)
    assert (wish.wall, wish.image, wish.command) == ("pid", "busybox", "docker run --rm busybox ps -o pid")
    assert (wish.body["Image"], wish.body["Cmd"]) == ("busybox", ["ps", "-o", "pid"])
    assert wish.pulls


def test_the_line_is_shown_as_it_can_be_typed_again() -> None:
    words = ["pid", "docker", "run", "busybox", "sh", "-c", "id; ps"]
    assert understood(words, WAY).command == "docker run busybox sh -c 'id; ps'"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "이렇게 써 주세요: %without 벽 docker run …"),
        ("roof docker run busybox", "roof: 그런 벽은 없어요. 다음 가운데 하나를 써 주세요: pid, mount, uts"),
        ("pid", "%without pid 다음에는 docker run …이 와야 해요"),
        ("pid docker ps", "%without pid 다음에는 docker run …이 와야 해요"),
        ("pid docker run", "docker run 다음에 이미지의 이름을 써 주세요"),
        ("pid docker run -d busybox", "-d는 쓸 수 없어요"),
        ("pid docker run -it busybox sh", "-i와 -t는 쓸 수 없어요"),
        ("pid docker run --nope busybox", "unknown flag: --nope\n"),
        ("pid docker run -m much busybox", 'invalid argument "much" for "-m, --memory" flag'),
    ],
)
def test_what_is_no_such_line_is_refused_in_korean(line: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        understood(line.split(), WAY)
    assert str(refused.value).startswith(said)


def test_the_course_knows_the_engines_walls() -> None:
    assert tuple(WALLS) == get_args(Wall)
    for name, wall in WALLS.items():
        assert understood(wall.example.split()[1:], WAY).wall == name
        assert not wall.flag.startswith("CLONE_") or NAMESPACE_FILES[wall.flag] == wall.space


# the page ------------------------------------------------------------------------------------------------------------
SPACES = ("mnt", "pid", "uts", "ipc", "net", "cgroup", "user")
ROOT = ["bin", "boot", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run", "sbin"]


def seen(own: tuple[str, ...] = (), **values: Any) -> dict[str, Any]:
    """The machine's view, or one from namespaces of its own."""
    return {
        "Pid": 4711,
        "User": 0,
        "HostName": "study-pc",
        "Processes": ["init"],
        "ProcessCount": 321,
        "Interfaces": ["eth0", "lo"],
        "Queues": [],
        "Root": ROOT,
        "MountCount": 25,
        "Cgroup": "/kernel-engine-0/without-1/" + "5e2f" * 16,
        "MemoryLimit": "max",
        "Capabilities": "00000000a80425fb",
        "Seccomp": 2,
        "UserMap": "0 2000000000 65536",
        "Namespaces": {kind: 900 + at if kind in own else 100 + at for at, kind in enumerate(SPACES)},
        "Calls": {},
        **values,
    }


def step(name: str, arguments: str) -> dict[str, Any]:
    return {"Process": "child", "Name": name, "Arguments": arguments, "Result": "0", "Ok": True, "Started": 1,
            "Duration": 1, "Pid": 9, "Source": "kernel_engine/runtime/init.py:101"}  # fmt: skip


def run(inside: dict[str, Any] | None, *steps: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"Output": "", "OutputCut": False, "ExitCode": 0, "TimedOut": False, "Error": "", "HostUser": 2000000000,
            "Inside": inside, "Beside": seen(), "Host": seen(), "Steps": list(steps), **values}  # fmt: skip


def without_pid(**values: Any) -> dict[str, Any]:
    return {
        "Wall": "pid",
        "Image": "busybox",
        "Command": ["ps"],
        "All": run(
            seen(SPACES[:6], Pid=1, ProcessCount=1), step("clone3", "CLONE_PIDFD|CLONE_NEWPID"), Output="1 <b>ps</b>\n"
        ),
        "Without": run(seen(("mnt", "uts")), step("clone3", "CLONE_PIDFD"), Output="1 init\n4711 ps\n"),
        "Left": [],
        **values,
    }


def test_the_fixed_text_holds_nothing_that_differs_from_run_to_run() -> None:
    said = text.fixed(without_pid(), "docker run busybox ps")
    for changing in ("321", "4711", "study-pc", "init", "5e2f", ":101"):
        assert changing not in said, changing
    assert said.splitlines()[0] == "벽 하나를 뺀 컨테이너: pid (docker run busybox ps)"
    assert "빠진 호출: clone3(2)의 CLONE_NEWPID" in said
    assert WALLS["pid"].leak in said
    assert said.endswith(CLEAN)


def test_a_terminal_gets_both_outputs_and_the_facts() -> None:
    for width in (60, 120):
        said = text.whole(without_pid(), "docker run busybox ps", width)
        for fact in (
            "1 <b>ps</b>",
            "4711 ps",
            "호스트 321개 / 있으면 1개 / 없으면 321개",
            "CLONE_PIDFD|CLONE_NEWPID",
            CLEAN,
        ):
            assert fact in said, fact
    assert max(map(len, text.whole(without_pid(), "ps", 120).splitlines()[3:6])) <= 120


def test_facts_tell_what_differs() -> None:
    rows = {row.name: row for row in facts.rows(without_pid())}
    assert (rows["보이는 프로세스"].walled, rows["보이는 프로세스"].without) == ("1개", "321개")
    space = rows["네임스페이스: 프로세스 번호(pid)"]
    assert (space.walled, space.without, space.differs) == ("따로", "호스트와 같음", True)
    assert not any(row.differs for row in facts.others(without_pid()) if "seccomp" in row.name)


def test_a_leak_that_nobody_saw_is_not_told() -> None:
    both = run(seen(SPACES[:6]))
    assert text.seen(without_pid(All=both, Without=both)) == text.SAME


def test_a_program_of_the_image_alone_does_not_start() -> None:
    broken = run(None, Error='exec: "/bin/web": no such file or directory')
    found = without_pid(Wall="pivot_root", Without=broken)
    assert text.seen(found) == text.NOT_FOUND
    assert text.ending(broken) == "시작하지 못했어요"
    assert "no such file" in as_html(found, "docker run web")


def test_what_is_left_is_named() -> None:
    assert "cgroup without-1" in text.fixed(without_pid(Left=["cgroup without-1"]), "ps")


def test_nothing_of_a_container_is_markup() -> None:
    drawn = as_html(without_pid(), "docker run <i>")
    assert "<b>ps</b>" not in drawn
    assert "&lt;b&gt;ps&lt;/b&gt;" in drawn
    assert "<i>" not in drawn
    assert "<mark>CLONE_NEWPID</mark>" in drawn
    assert 'data-source="kernel_engine/runtime/init.py:101"' in drawn


@pytest.mark.parametrize("wall", WALLS)
def test_every_wall_can_be_drawn(wall: str) -> None:
    calls = {"unshare(CLONE_NEWUSER)": "EPERM"}
    found = without_pid(Wall=wall, All=run(seen(SPACES[:6], Calls=calls)), Without=run(seen(Calls={**calls})))
    assert as_html(found, "docker run busybox").count("<h5>") == 3
    assert text.whole(found, "docker run busybox", 80).endswith(CLEAN)
