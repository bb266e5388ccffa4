"""`kernel-engine forkserver`: engines forked from one loaded process are engines like all others, and end with it."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import Client
from kernel_engine.daemon.cleanup import helper_processes
from kernel_engine.daemon.lock import holder
from kernel_engine.paths import Instance
from kernel_engine.syscalls.vfork import AVAILABLE
from tests.conftest import needs_root
from tests.daemon import PROGRAM, Daemon

pytestmark = [needs_root, pytest.mark.timeout(300)]
_PATIENCE = 120.0


class Server:
    def __init__(self) -> None:
        self.process = subprocess.Popen([*PROGRAM, "forkserver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], _PATIENCE)[0], "it says nothing"
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def end(self) -> int:
        with self.process as process:
            assert process.stdin is not None
            process.stdin.close()
            return process.wait(_PATIENCE)


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as folder:
        try:
            yield Path(folder)
        finally:
            for each in Path(folder).iterdir():
                if each.is_dir():
                    words = [*PROGRAM, *_words("cleanup", _instance(Path(folder), each.name), "--all")]
                    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=_PATIENCE)


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    made = Server()
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.end()


@pytest.fixture
def network() -> Iterator[str]:
    """Another one than this process has."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            yield f"/proc/{other.pid}/ns/net"
        finally:
            other.kill()


def _instance(place: Path, name: str) -> Instance:
    return Instance.at(place / name / "root", place / name / "run")


def _words(verb: str, of: Instance, *more: str) -> list[str]:
    return [verb, "--root", str(of.root), "--run", str(of.run), *more]


def _serving(of: Instance, log: Path) -> int:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            Client(f"unix://{of.socket}").get("/_ping").close()
        except Exception:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        else:
            return holder(of)


def test_each_is_an_engine_of_its_own_in_the_network_that_was_named(server: Server, place: Path, network: str) -> None:
    here, there = _instance(place, "here"), _instance(place, "there")
    log = place / "log"
    server.ask(id=1, words=_words("serve", here), log=str(log))
    server.ask(id=2, words=_words("serve", there), log=str(log), network=network)
    pids = [_serving(each, log) for each in (here, there)]
    assert len({*pids, server.process.pid}) == 3
    mine, its = (os.readlink(f"/proc/{pid}/ns/net") for pid in pids)
    assert (mine, its) == (os.readlink("/proc/self/ns/net"), os.readlink(network))
    assert all(os.getsid(pid) == pid for pid in pids)
    server.ask(id=1, signal=15)
    assert server.hear() == {"id": 1, "code": 0}
    for number, (each, where) in enumerate(((here, ""), (there, network)), 3):
        server.ask(id=number, words=_words("cleanup", each, "--all"), log=str(log), network=where)
    ended = [server.hear() for _ in range(3)]  # the second engine was ended by its cleanup
    assert {each["id"]: each["code"] for each in ended} == {2: 0, 3: 0, 4: 0}, log.read_text()
    assert not here.root.exists() and not there.run.exists()
    assert server.end() == 0


def test_launcher_log_writer_and_workers_are_forked_and_what_they_start_is_not_different(
    server: Server, place: Path, busybox_mirror: str
) -> None:
    """No Python is started for an engine; it is found by cleanup, and its launcher's interpreter cannot be written."""
    here, log = _instance(place, "here"), place / "log"
    server.ask(id=1, words=[*_words("serve", here), "--registry-mirror", busybox_mirror], log=str(log))
    pid = _serving(here, log)
    helpers = dict((module.rpartition(".")[2], each) for each, module in helper_processes(here))
    assert bool(helpers.pop("zygote", 0)) == AVAILABLE
    assert set(helpers) == {"launcher", "log_writer"}
    own = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert {Path(f"/proc/{each}/cmdline").read_bytes() for each in helpers.values()} == {own}
    assert {os.getsid(each) for each in helpers.values()} == set(helpers.values())
    program = os.open(f"/proc/{helpers['launcher']}/exe", os.O_RDONLY)
    assert os.fstatvfs(program).f_flag & os.ST_RDONLY
    os.close(program)
    engine = Daemon(here, ())
    limits = engine.out("run", "--rm", "busybox", "cat", "/proc/self/limits")
    assert re.search(rf"^Max open files +{resource.getrlimit(resource.RLIMIT_NOFILE)[1]} ", limits, re.MULTILINE)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    names = {
        Path(f"/proc/{each}/comm").read_text().strip(): Path(f"/proc/{each}/cmdline").read_bytes() for each in children
    }
    assert names["ke-workers"] == own, "the image was unpacked by a process that had to start Python"
    server.ask(id=2, words=_words("cleanup", here, "--all"), log=str(log))
    ended = [server.hear() for _ in range(2)]
    assert {each["id"]: each["code"] for each in ended} == {1: 0, 2: 0}, log.read_text()
    assert helper_processes(here) == ()
    assert not [each for each in children if Path(f"/proc/{each}").exists()]


def test_a_failure_is_in_the_log_and_stops_nobody(server: Server, place: Path) -> None:
    log = place / "log"
    server.ask(id=1, words=["serve", "--nonsense"], log=str(log))
    assert server.hear() == {"id": 1, "code": 2}
    assert "unrecognized arguments: --nonsense" in log.read_text()
    server.ask(id=2, words=_words("cleanup", _instance(place, "none"), "--all"), log=str(log), network="/nowhere")
    assert server.hear() == {"id": 2, "code": 1}
    assert "/nowhere" in log.read_text()
    server.ask(id=3, words=_words("cleanup", _instance(place, "none"), "--all"), log=str(log))
    assert server.hear() == {"id": 3, "code": 0}


def test_whoever_asked_is_gone_and_so_are_the_engines(server: Server, place: Path) -> None:
    here = _instance(place, "here")
    server.ask(id=1, words=_words("serve", here), log=str(place / "log"))
    _serving(here, place / "log")
    assert server.end() == 0
    assert holder(here) == 0
