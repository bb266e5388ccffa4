"""Forks of a loaded interpreter that enter containers: they have the container's walls, and nothing of the outside."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kernel_engine.errors import EngineError, NotSupported
from kernel_engine.runtime.bounds import bounds
from kernel_engine.runtime.bringing import Template, Wish
from tests.conftest import needs_root
from tests.daemon import Daemon

pytestmark = [needs_root, pytest.mark.timeout(600)]
_PATIENCE = 240.0
#: as a grader's containers are
WALLS = ("--user", "61000:61000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "32")
#: says the line, and stays
STAYS = "import sys, time; print({!r}, flush=True); time.sleep(100000)"


@dataclass(slots=True)
class House:
    """An engine, and a template that executes whatever it is told."""

    engine: Daemon
    template: Template
    ended: dict[int, int] = field(default_factory=dict)

    def container(self, *options: str) -> tuple[str, int]:
        """Its id, and its first process."""
        made = self.engine.out("run", "-d", *options, "busybox", "sleep", "100000")
        return made, int(self.engine.inspect(made)["State"]["Pid"])

    def bring(self, first: int, code: str) -> tuple[int, int]:
        """The process, and where it prints."""
        reading, writing = os.pipe()
        wish = Wish(first=first, words=(code,), environment={"OWN": "its own"}, folder="/tmp")
        try:
            return self.template.bring(wish, writing), reading
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)

    def code(self, pid: int) -> int:
        """With which it ended."""
        until = time.monotonic() + _PATIENCE
        while pid not in self.ended:
            assert time.monotonic() < until, f"{pid} goes on"
            select.select([self.template.control], [], [], 1)
            self.ended |= dict(self.template.ended())
        return self.ended[pid]


@pytest.fixture(scope="module")
def house(daemon: Daemon) -> Iterator[House]:
    template = Template("builtins:exec")
    yield House(daemon, template)
    template.close()


def _said(reading: int, until: bytes) -> str:
    heard = b""
    while until not in heard:
        assert select.select([reading], [], [], _PATIENCE)[0], heard
        piece = os.read(reading, 65536)
        if not piece:
            break
        heard += piece
    os.close(reading)
    return heard.decode()


def _memory(pid: int) -> Iterator[bytes]:
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                first, last = (int(word, 16) for word in found.groups())
                memory.seek(first)
                yield memory.read(last - first)


def test_its_walls_are_those_of_the_container_s_own_processes(house: House, clean: Daemon) -> None:
    made, first = house.container(*WALLS, "--ulimit", "nofile=333:444", "--memory", "64m")
    clean.out("exec", "-d", made, "sleep", "100001")
    pid, output = house.bring(first, STAYS.format("in"))
    _said(output, b"in\n")
    top = [int(row[1]) for row in clean.api.get(f"/containers/{made}/top").json()["Processes"]]
    added = next(each for each in top if each not in (first, pid))
    assert bounds(pid) == bounds(first) == bounds(added)
    status = bounds(pid).status
    assert (status["Uid"].split(), status["Seccomp"], status["NoNewPrivs"]) == (["61000"] * 4, "2", "1")
    assert {status[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    outside = bounds(os.getpid()).namespaces
    shared = {name for name, link in bounds(pid).namespaces.items() if link == outside[name]}
    assert not shared & {"mnt", "pid", "net", "ipc", "uts"}
    assert pid in top, "the engine does not see it"
    for file in ("oom_score_adj", "cgroup", "limits"):
        mine, its = (Path(f"/proc/{each}/{file}").read_text(encoding="utf-8") for each in (pid, first))
        assert mine == its
    assert os.getsid(pid) != os.getsid(0)


def test_it_holds_nothing_of_the_outside(house: House, clean: Daemon) -> None:
    """Neither open files, nor what another one was told, nor a path that is not its own."""
    made, first = house.container(*WALLS)
    other, _ = house.container(*WALLS)
    former, output = house.bring(first, "print('the other one said', 'mandarin' + 'ate'); OWN = 'mandarinate'")
    assert "mandarinate" in _said(output, b"\n")
    assert house.code(former) == 0
    pid, output = house.bring(first, STAYS.format("in"))
    _said(output, b"in\n")
    opened = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    assert set(opened) == {"0", "1", "2"}
    assert opened["0"] == "/dev/null" and opened["1"] == opened["2"] and opened["1"].startswith("pipe:")
    assert os.stat(f"/proc/{pid}/environ").st_uid == 61000, "/proc/self is not its own"
    assert Path(f"/proc/{pid}/environ").read_bytes() == b"LANG=C.UTF-8\0"
    program = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
    assert os.fstatvfs(program).f_flag & os.ST_RDONLY
    os.close(program)
    held = b"".join(_memory(pid))
    assert b"its own" in held
    outside = (str(clean.instance.root), str(clean.instance.run), clean.instance.cgroup, made, other, "mandarinate")
    assert [word for word in outside if word.encode() in held] == []


def test_it_is_gone_with_the_container(house: House, clean: Daemon) -> None:
    made, first = house.container(*WALLS)
    pid, output = house.bring(first, STAYS.format("in"))
    _said(output, b"in\n")
    clean.out("rm", "-f", made)
    assert house.code(pid) == -9


def test_it_sees_itself_as_the_container_does(house: House, clean: Daemon) -> None:
    _, first = house.container(*WALLS, "--hostname", "inside")
    own = "os.uname().nodename, os.getcwd(), os.environ['OWN'], len(os.environ), os.listdir('/proc/self/fd')"
    code = f"import os, signal; print({own}, signal.getsignal(2))"
    pid, output = house.bring(first, code)
    said = _said(output, b"\n")
    assert said.startswith("inside /tmp its own 1 ['0', '1', '2', ")
    assert "default_int_handler" in said
    assert house.code(pid) == 0


def test_a_container_with_other_walls_is_not_entered(house: House, clean: Daemon) -> None:
    """What it would lack is not guessed at; the template goes on."""
    _, first = house.container("--security-opt", "seccomp=unconfined")
    with pytest.raises(NotSupported, match="default filter"):
        house.bring(first, "1")
    made, first = house.container(*WALLS)
    clean.out("rm", "-f", made)
    with pytest.raises((EngineError, OSError)):
        house.bring(first, "1")
    _, first = house.container(*WALLS)
    pid, output = house.bring(first, "print('here')")
    assert "here" in _said(output, b"\n")
    assert house.code(pid) == 0


def test_one_whose_bounds_differ_is_told_from_its_twin() -> None:
    mine = bounds(os.getpid())
    assert mine.difference(mine) == ""
    other = bounds(os.getpid())
    other.status["CapEff"] = "0000000000000001"
    assert mine.difference(other) == f"CapEff: 0000000000000001 is not {mine.status['CapEff']}"
