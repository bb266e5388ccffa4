"""A start that stands still before each kernel call: what it shows, that it blocks nobody and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import APIError, Response
from kernel_engine.runtime import cgroups
from tests.daemon import SLOWNESS, Daemon

PATIENCE = 60.0 * SLOWNESS
BODY = {
    "Image": "busybox",
    "Cmd": ["sleep", "100"],
    "ExposedPorts": {"80/tcp": {}},
    "HostConfig": {"Memory": 64 << 20, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
}


class Walk:
    """One start, from stop to stop."""

    def __init__(self, daemon: Daemon, **query: object) -> None:
        self.api = daemon.api
        self.id: str = self.api.post("/containers/create", body=BODY).json()["Id"]
        self.path = f"/kernel-engine/containers/{self.id}/steps"
        self.answer: Response = self.api.post(self.path, query={"remove": "1", **query})
        self._lines: Iterator[bytes] = self.answer.lines()

    def next(self) -> dict[str, Any]:
        """The next line: a stop, or the end."""
        line: dict[str, Any] = json.loads(next(self._lines))
        found: dict[str, Any] = line.get("Stop", line)
        return found

    def on(self, stop: dict[str, Any], to: str = "next") -> None:
        self.api.post(f"{self.path}/next", query={"after": stop["Number"], "to": to})

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Goes on to the stop at which a call is wanted."""
        while True:
            stop = self.next()
            if any(wanted(call) for call in stop["Next"]):
                return stop
            self.on(stop)

    def look(self) -> Any:
        return self.api.get(self.path).json()


def named(name: str, words: str = "") -> Callable[[dict[str, Any]], bool]:
    return lambda call: call["Name"] == name and words in call["Arguments"]


def eventually(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"after {PATIENCE:.0f} s still: {what}")


def left(daemon: Daemon, walk: Walk, pid: int) -> list[str]:
    """Everything that there is of a container."""
    groups = [path for path in cgroups.directories(daemon.instance.cgroup, walk.id) if os.path.exists(path)]
    places = [str(path) for path in (daemon.instance.container(walk.id), *_snapshots(daemon)) if path.exists()]
    cables = [path.name for path in Path("/sys/class/net").glob(f"{daemon.instance.veth_prefix}*")]
    known = [row["Id"] for row in daemon.api.get("/containers/json", query={"all": "1"}).json()]
    mounts = [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(daemon.instance.root) in line
    ]
    process = [str(pid)] if pid and Path(f"/proc/{pid}/ns/mnt").exists() else []
    words = ["nft", "list", "table", "ip", daemon.instance.nft_table]
    table = subprocess.run(words, capture_output=True, text=True, check=True)
    ports = [line for line in table.stdout.splitlines() if " : 172." in line or ". 80" in line]
    return [*groups, *places, *cables, *known, *mounts, *process, *ports]


def _snapshots(daemon: Daemon) -> list[Path]:
    return [path for path in (daemon.instance.root / "snapshots").iterdir() if path.is_dir()]


@pytest.fixture
def walk(clean: Daemon) -> Iterator[Callable[..., Walk]]:
    made: list[Walk] = []

    def begin(**query: object) -> Walk:
        made.append(Walk(clean, **query))
        return made[-1]

    yield begin
    for item in made:
        with suppress(APIError):  # it is over
            item.api.delete(item.path)
        item.answer.close()


def test_it_stops_before_every_call_that_is_recorded(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk()
    expected, done = [], []
    while "Number" in (stop := start.next()):
        expected += [
            (call["Name"], call["Arguments"], call["Source"]) for call in stop["Next"] if call["Process"] == "child"
        ]
        done += stop["Done"]
        start.on(stop)
    assert stop == {"Started": True}
    steps = clean.api.get(f"/kernel-engine/containers/{start.id}/trace").json()["Steps"]
    assert expected == [
        (step["Name"], step["Arguments"], step["Source"]) for step in steps if step["Process"] == "child"
    ]
    # each stop tells what was done; only execve, the last one, has nobody to tell of it
    assert [step["Name"] for step in done] == [step["Name"] for step in steps[:-1]]
    assert {step["Process"] for step in done} == {"launcher", "daemon", "child"}
    assert clean.inspect(start.id)["State"]["Running"]


def test_what_is_seen_at_a_stop_is_what_the_kernel_says(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk()
    stop = start.next()
    view = start.look()
    assert (view["Kernel"], view["Inside"], view["Next"][0]["Process"]) == (None, None, "launcher")
    start.on(stop)
    before = start.until(named("unshare"))
    spaces = {space["Kind"]: space["Shared"] for space in start.look()["Kernel"]["Namespaces"]}
    assert spaces["mnt"] and spaces["uts"] and spaces["net"] and not spaces["pid"]
    start.on(before)
    stop = start.until(named("sethostname"))
    view = start.look()
    pid = stop["Pid"]
    for space in view["Kernel"]["Namespaces"]:
        assert space["Inode"] == os.stat(f"/proc/{pid}/ns/{space['Kind']}").st_ino
    assert [(item["Pid"], item["InnerPid"]) for item in view["Kernel"]["Processes"]] == [(pid, 1)]
    assert len(view["Kernel"]["Mounts"]) == len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    assert view["Inside"]["Hostname"] == view["Host"]["Hostname"] == os.uname().nodename
    assert view["Inside"]["Group"].endswith(start.id)
    assert str(64 << 20) in {value["Limit"] for value in view["Kernel"]["Cgroup"]}
    assert view["Kernel"]["Security"]["Seccomp"] == 0
    start.on(stop)
    stop = start.until(named("execve"))
    view = start.look()
    assert view["Inside"]["Hostname"] == start.id[:12]
    assert view["Kernel"]["Security"]["Seccomp"] == 2
    assert "CAP_SYS_ADMIN" in view["Kernel"]["Security"]["Dropped"]
    start.on(stop, to="end")
    assert start.next() == {"Started": True}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clone3", ""),
        ("setsid", ""),
        ("netlink RTM_NEWLINK", "veth"),
        ("mount", "overlay"),
        ("pivot_root", ""),
        ("execve", ""),
    ],
)
def test_giving_up_leaves_nothing(clean: Daemon, walk: Callable[..., Walk], name: str, words: str) -> None:
    start = walk()
    stop = start.until(named(name, words))
    start.api.delete(start.path)
    end = start.next()
    assert end["GivenUp"]
    assert end["Error"].endswith("was given up: somebody had seen enough")
    eventually(lambda: not left(clean, start, stop["Pid"]), f"{left(clean, start, stop['Pid'])}")


def test_others_start_meanwhile_and_verbs_do_not_wait(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk()
    start.until(named("mount", "overlay"))
    assert clean.out("run", "--rm", "busybox", "echo", "hi") == "hi"
    for verb, *more in (("start",), ("rename", "other"), ("commit", "other"), ("cp", "-"), ("rm",)):
        target = f"{start.id}:/etc" if verb == "cp" else start.id
        refused = clean.docker(verb, target, *more, check=False, timeout=30)
        assert "being started step by step" in refused.stderr, verb
    clean.docker("container", "prune", "-f")
    assert clean.inspect(start.id)["State"]["Status"] == "created"
    clean.docker("rm", "-f", start.id)
    assert start.next()["Error"].endswith("the container is being removed")
    eventually(lambda: not left(clean, start, 0), "something of it")


def test_a_stop_that_lasts_too_long_ends_the_start(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk(patience="0.5")
    start.next()
    end = start.next()
    assert end["GivenUp"]
    assert end["Error"].endswith("was given up: nobody went on for 0.5 s")
    eventually(lambda: not left(clean, start, 0), "something of it")


def test_it_ends_with_its_client(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk()
    stop = start.until(named("mount", "proc"))
    start.answer.close()
    eventually(lambda: not left(clean, start, stop["Pid"]), "something of it")


def test_a_container_that_was_there_before_stays(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk(remove="0")
    start.until(named("pivot_root"))
    start.api.delete(start.path)
    state = clean.inspect(start.id)["State"]
    assert (state["Status"], state["ExitCode"]) == ("created", 128)
    clean.docker("start", start.id)
    assert clean.inspect(start.id)["State"]["Running"]


def test_two_clicks_are_one(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk()
    stop = start.next()
    start.on(stop)
    second = start.next()
    with pytest.raises(APIError, match="does not stand at step 1"):
        start.on(stop)
    assert start.look()["Number"] == second["Number"]


def test_it_ends_with_a_daemon_that_is_killed(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk()
    stop = start.until(named("mount", "overlay"))
    clean.kill()
    eventually(lambda: not Path(f"/proc/{stop['Pid']}/ns/mnt").exists(), "the process")
    clean.start()
    eventually(lambda: not left(clean, start, stop["Pid"]), "something of it")


def test_it_ends_with_a_launcher_that_is_killed(clean: Daemon, walk: Callable[..., Walk]) -> None:
    start = walk()
    stop = start.until(named("mount", "overlay"))
    launcher = int(Path(f"/proc/{stop['Pid']}/status").read_text().split("PPid:\t")[1].split()[0])
    os.kill(launcher, 9)
    assert "the launcher died" in start.next()["Error"]
    assert clean.inspect(start.id)["State"]["Status"] == "created"  # as after any start that has failed
    clean.docker("rm", start.id)
    eventually(lambda: not left(clean, start, stop["Pid"]), "something of it")
    eventually(lambda: clean.docker("run", "--rm", "busybox", "true", check=False).returncode == 0, "no launcher")
