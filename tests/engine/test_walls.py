"""%without: the leak of each wall is seen without it and not with it, and nothing of the machine is touched."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.client import APIError
from kernel_engine.runtime import capabilities, cgroups
from kernel_engine.runtime.ground import Ground
from kernel_engine.walls import stage
from kernel_engine.walls.wall import WALLS
from kernel_engine.walls.walls import PREFIX
from labs.without.table import CLEAN
from tests import remapping
from tests.daemon import REPOSITORY, SLOWNESS, Daemon

PATIENCE = 30.0 * SLOWNESS


@pytest.fixture(scope="module", autouse=True)
def sandboxes(daemon: Daemon) -> None:
    if reason := remapping.lacking(daemon.instance.root):
        pytest.skip(reason)


def compare(daemon: Daemon, wall: str, *command: str, seconds: int = 8, **host: Any) -> dict[str, Any]:
    body = {"Image": "busybox", "Cmd": list(command), "HostConfig": host}
    found = daemon.api.post(f"/kernel-engine/without/{wall}", query={"seconds": str(seconds)}, body=body).json()
    assert found["Left"] == []
    assert_clean(daemon)
    return dict(found)


def assert_clean(daemon: Daemon) -> None:
    """No group, no process and no mount of a sandbox is on the machine."""
    assert stage.left(daemon.instance.cgroup, PREFIX) == ()
    assert sandboxed(daemon) == []
    mounted = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    assert not mounted & {str(path) for path in (stage.LAYERS, stage.IMAGE, stage.QUEUES)}


def sandboxed(daemon: Daemon) -> list[str]:
    """Processes in a group of a sandbox of this engine's."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            groups = Path(f"/proc/{entry}/cgroup").read_text()
            if (
                f"{daemon.instance.cgroup}/{PREFIX}" in groups
                and "State:\tZ" not in Path(f"/proc/{entry}/status").read_text()
            ):
                found.append(entry)
    return found


def gone(daemon: Daemon) -> bool:
    return not sandboxed(daemon) and not stage.left(daemon.instance.cgroup, PREFIX)


def until(what: Callable[[], bool], why: str) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.05)


# what leaks ----------------------------------------------------------------------------------------------------------
def pid(with_all: Any, without: Any, host: Any) -> None:
    assert (with_all["Inside"]["Pid"], with_all["Inside"]["ProcessCount"]) == (1, 1)
    assert without["Inside"]["Pid"] > 1
    assert without["Inside"]["Processes"][0] == host["Processes"][0]
    assert without["Inside"]["ProcessCount"] > 3
    assert str(os.getpid()) in without["Output"].split()
    assert str(os.getpid()) not in with_all["Output"].split()


def mount(with_all: Any, without: Any, host: Any) -> None:
    image = [name for name in with_all["Inside"]["Root"] if name != ".dockerenv"]
    assert with_all["Beside"]["Root"] == host["Root"]
    assert set(image) <= set(without["Beside"]["Root"])
    assert without["Beside"]["Root"] != host["Root"], "the launcher's own root is the container's now"
    assert without["Inside"]["Namespaces"]["mnt"] == without["Beside"]["Namespaces"]["mnt"]
    assert with_all["Inside"]["Namespaces"]["mnt"] != with_all["Beside"]["Namespaces"]["mnt"]


def uts(with_all: Any, without: Any, host: Any) -> None:
    name = socket.gethostname()
    assert without["Output"].strip() == without["Inside"]["HostName"] == name
    assert name not in (with_all["Output"].strip(), with_all["Inside"]["HostName"])


def ipc(with_all: Any, without: Any, host: Any) -> None:
    assert without["Output"].split() == without["Inside"]["Queues"] == [stage.QUEUE]
    assert with_all["Output"].split() == with_all["Inside"]["Queues"] == []


def net(with_all: Any, without: Any, host: Any) -> None:
    there = sorted(name for _, name in socket.if_nameindex())
    assert {"lo"} < set(without["Inside"]["Interfaces"]) & set(there)
    assert with_all["Inside"]["Interfaces"] == ["lo"]
    assert without["Output"] != with_all["Output"]


def cgroup(with_all: Any, without: Any, host: Any) -> None:
    assert with_all["Inside"]["Cgroup"] == "/"
    assert PREFIX in without["Inside"]["Cgroup"]
    assert PREFIX in without["Output"]
    assert PREFIX not in with_all["Output"]
    assert (with_all["Inside"]["MemoryLimit"], without["Inside"]["MemoryLimit"]) == (str(32 << 20), "max")


def user(with_all: Any, without: Any, host: Any) -> None:
    assert (with_all["HostUser"], without["HostUser"]) == (stage.FIRST_ID, 0)
    assert with_all["Inside"]["UserMap"] == f"0 {stage.FIRST_ID} {stage.IDS}"
    assert without["Inside"]["UserMap"] == host["UserMap"]
    assert with_all["Inside"]["User"] == without["Inside"]["User"] == 0


def seccomp(with_all: Any, without: Any, host: Any) -> None:
    assert (with_all["Inside"]["Seccomp"], without["Inside"]["Seccomp"]) == (2, 0)
    assert set(with_all["Inside"]["Calls"].values()) == {"EPERM"}
    assert without["Inside"]["Calls"]["unshare(CLONE_NEWUSER)"] == ""
    assert "Operation not permitted" in with_all["Output"]
    assert "uid=65534" in without["Output"]


def all_capabilities(with_all: Any, without: Any, host: Any) -> None:
    default = capabilities.mask(capabilities.DEFAULT)
    assert int(with_all["Inside"]["Capabilities"], 16) == default
    assert int(without["Inside"]["Capabilities"], 16) > default
    assert with_all["Inside"]["Calls"]["netlink RTM_NEWLINK(bridge)"] == "EPERM"
    assert without["Inside"]["Calls"]["netlink RTM_NEWLINK(bridge)"] == ""
    assert (with_all["ExitCode"] != 0, without["ExitCode"]) == (True, 0)


def pivot_root(with_all: Any, without: Any, host: Any) -> None:
    there = {name for name in os.listdir("/") if not name.startswith(".")}
    assert set(without["Output"].split()) == there
    assert set(with_all["Output"].split()) == {"bin", "dev", "etc", "proc", "sys", "tmp"}
    assert without["Inside"]["Root"] == host["Root"]


LEAKS: dict[str, tuple[tuple[str, ...], Callable[[Any, Any, Any], None], dict[str, Any]]] = {
    "pid": (("sh", "-c", "cd /proc; echo *"), pid, {}),
    "mount": (("true",), mount, {}),
    "uts": (("hostname",), uts, {}),
    "ipc": (("ls", "/dev/mqueue"), ipc, {}),
    "net": (("ip", "-o", "link"), net, {}),
    "cgroup": (("cat", "/proc/self/cgroup"), cgroup, {"Memory": 32 << 20}),
    "user": (("cat", "/proc/self/uid_map"), user, {}),
    "seccomp": (("unshare", "-U", "id"), seccomp, {}),
    "capabilities": (("ip", "link", "set", "lo", "down"), all_capabilities, {}),
    "pivot_root": (("ls", "/"), pivot_root, {}),
}
#: the call that the container with all walls made, and what of its arguments the other one's lacks
CALLS = {
    "pid": ("clone3", "CLONE_NEWPID"),
    "mount": ("unshare", "CLONE_NEWNS"),
    "uts": ("unshare", "CLONE_NEWUTS"),
    "ipc": ("unshare", "CLONE_NEWIPC"),
    "net": ("unshare", "CLONE_NEWNET"),
    "cgroup": ("unshare", "CLONE_NEWCGROUP"),
    "seccomp": ("seccomp", ""),
    "pivot_root": ("pivot_root", ""),
}


@pytest.mark.parametrize("wall", WALLS)
def test_the_leak_is_seen_without_the_wall_and_not_with_it(clean: Daemon, wall: str) -> None:
    command, leaks, host = LEAKS[wall]
    found = compare(clean, wall, *command, **host)
    assert (found["All"]["Error"], found["Without"]["Error"]) == ("", "")
    leaks(found["All"], found["Without"], found["Without"]["Host"])
    with pytest.raises(AssertionError):  # a wall that stays is noticed
        leaks(found["All"], found["All"], found["All"]["Host"])
    if wall in CALLS:
        name, flag = CALLS[wall]
        made = [
            [step for step in found[run]["Steps"] if step["Name"] == name and flag in step["Arguments"] and step["Ok"]]
            for run in ("All", "Without")
        ]
        assert (len(made[0]) > 0, made[1]) == (True, [])
    assert clean.api.get("/containers/json", query={"all": "1"}).json() == []


# nothing is changed --------------------------------------------------------------------------------------------------
@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_what_a_layer_has_replaced_stays_hidden(clean: Daemon, tmp_path: Path) -> None:
    """A directory that was removed and made again hides the one below: whole, in both runs, as with docker run."""
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN mkdir /d && touch /d/old\nRUN rm -r /d && mkdir /d && touch /d/new && chown 7:8 /d/new\n"
    )
    clean.docker("build", "-q", "-t", "replaced", str(tmp_path))
    clean.docker("run", "--rm", "replaced", "test", "!", "-e", "/d/old")
    for wall in ("pid", "user"):
        body = {"Image": "replaced", "Cmd": ["sh", "-c", "ls -n /d | tail -n +2; touch /d/mine && ls /d"]}
        found = clean.api.post(f"/kernel-engine/without/{wall}", query={"seconds": "8"}, body=body).json()
        for run in ("All", "Without"):
            [row, *names] = found[run]["Output"].splitlines()
            assert row.split()[2:4] == ["7", "8"] and names == ["mine", "new"], found[run]
    assert_clean(clean)


def test_the_machines_files_cannot_be_written(clean: Daemon) -> None:
    """Not even with every capability and the mount(2) that the filter then allows."""
    script = (
        "for at in /etc /tmp /root /var/tmp /dev/shm /mnt; do touch $at/without-was-here; done;"
        "mount -o remount,bind,rw / && echo REMOUNTED; mount -o remount,rw / && echo REMOUNTED;"
        "umount -l /proc && echo UNMOUNTED; echo x > /proc/sys/kernel/core_pattern && echo WRITTEN;"
        "cat /etc/shadow && echo READ; true"
    )
    found = compare(clean, "pivot_root", "sh", "-c", script, CapAdd=["ALL"])
    said = found["Without"]["Output"]
    assert said.count("Read-only file system") >= 3, said
    assert not any(word in said for word in ("REMOUNTED", "UNMOUNTED", "WRITTEN", "READ\n")), said
    for place in ("/etc", "/tmp", "/root", "/var/tmp", "/dev/shm", "/mnt"):
        assert not Path(place, "without-was-here").exists()


def test_the_machines_processes_cannot_be_ended_nor_looked_into(clean: Daemon, victim: subprocess.Popen[bytes]) -> None:
    script = f"kill -9 {victim.pid}; ls /proc/{victim.pid}/root/; cat /proc/{victim.pid}/cmdline"
    found = compare(clean, "pid", "sh", "-c", script, CapAdd=["ALL"])
    said = found["Without"]["Output"]
    assert "Operation not permitted" in said
    assert "Permission denied" in said
    assert "sleep" in said  # it is that process
    assert victim.poll() is None


@pytest.mark.parametrize(
    ("wall", "script"),
    [
        ("uts", "hostname without-was-here"),
        ("net", "ip link add without type bridge; ip link set lo down"),
        ("cgroup", "mkdir /sys/fs/cgroup/without || mkdir /sys/fs/cgroup/memory/without"),
    ],
)
def test_settings_of_the_machine_cannot_be_changed(clean: Daemon, wall: str, script: str) -> None:
    def state() -> tuple[object, ...]:
        flags = Path("/sys/class/net/lo/flags").read_text()
        return socket.gethostname(), "without" in dict(map(reversed, socket.if_nameindex())), flags

    before = state()
    found = compare(clean, wall, "sh", "-c", script, CapAdd=["ALL"])
    assert found["Without"]["ExitCode"] != 0
    assert state() == before


# the end -------------------------------------------------------------------------------------------------------------
#: what shares no pid namespace with its container's first process, and has left its session
STRAY = ("sh", "-c", "(setsid sleep 600 &) ; sleep 600")


def test_it_is_over_when_its_time_is_up(clean: Daemon) -> None:
    found = compare(clean, "pid", *STRAY, seconds=1)
    for run in (found["All"], found["Without"]):
        assert (run["TimedOut"], run["ExitCode"]) == (True, 137)


def test_it_is_over_when_the_client_leaves(clean: Daemon) -> None:
    with asking(clean, "pid", *STRAY):
        pass
    until(lambda: gone(clean), "the sandbox goes on")


def test_in_a_terminal_both_are_seen_and_ctrl_c_ends_both(clean: Daemon) -> None:
    def begin(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "labs.cli", "without", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=REPOSITORY, env={**os.environ, "DOCKER_HOST": clean.host},
        )  # fmt: skip

    said, complaint = begin("uts", "docker", "run", "--rm", "busybox", "hostname").communicate(timeout=PATIENCE)
    assert f"  {socket.gethostname()}\n" in said, complaint
    assert said.endswith(f"{CLEAN}\n")
    long = begin("pid", "docker", "run", "--rm", "busybox", *STRAY)
    until(lambda: sleeping(clean) or long.poll() is not None, "nothing runs")
    if long.poll() is not None:  # as in `asking`
        long.communicate()
        long = begin("pid", "docker", "run", "--rm", "busybox", *STRAY)
        until(lambda: sleeping(clean), "nothing runs")
    long.send_signal(signal.SIGINT)
    assert long.communicate(timeout=PATIENCE) == ("", "멈췄어요. 두 컨테이너도 끝났어요.\n")
    assert long.returncode == 130
    until(lambda: gone(clean), "the sandbox goes on")


def test_it_is_over_when_the_daemon_is_killed(clean: Daemon) -> None:
    try:
        with asking(clean, "pid", *STRAY):
            clean.kill()
            until(lambda: gone(clean), "the sandbox goes on")
    finally:
        cgroups.create(clean.instance.cgroup, f"{PREFIX}dead", stage.LIMITS, ())
        clean.start()
    assert stage.left(clean.instance.cgroup, PREFIX) == ()


@contextlib.contextmanager
def asking(daemon: Daemon, wall: str, *command: str) -> Iterator[None]:
    """While both containers run; the connection is closed at the end of the block."""
    body = json.dumps({"Image": "busybox", "Cmd": list(command)})
    head = f"POST /kernel-engine/without/{wall} HTTP/1.1\r\nHost: docker\r\nContent-Length: {len(body)}\r\n"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(daemon.instance.socket))
            wire.sendall(f"{head}Content-Type: application/json\r\n\r\n{body}".encode())
            if not until_sleeping(daemon, wire):
                continue  # one container's time was up before the other began, on a machine that others want
            yield
        return
    raise AssertionError("nothing runs")


def until_sleeping(daemon: Daemon, wire: socket.socket) -> bool:
    """Both STRAYs are on their way; False where the answer comes before that was seen."""
    while not select.select((wire,), (), (), 0.05)[0]:
        if sleeping(daemon):
            return True
    return False


def sleeping(daemon: Daemon) -> bool:
    return len([entry for entry in sandboxed(daemon) if named(entry) == "sleep"]) >= 4


def named(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def test_a_killed_sandboxs_group_is_swept_by_the_next(clean: Daemon) -> None:
    cgroups.create(clean.instance.cgroup, f"{PREFIX}dead", stage.LIMITS, ())
    assert stage.left(clean.instance.cgroup, PREFIX) == (f"{PREFIX}dead",)
    compare(clean, "uts", "true")


@pytest.mark.full
def test_two_at_once(clean: Daemon) -> None:
    answers: list[dict[str, Any]] = []

    def ask() -> None:
        body = {"Image": "busybox", "Cmd": ["hostname"]}
        answers.append(clean.api.post("/kernel-engine/without/uts", body=body).json())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [answer["Without"]["Output"].strip() for answer in answers] == [socket.gethostname()] * 3
    assert_clean(clean)


# bad input -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wall", "body", "said"),
    [
        ("roof", {}, 'unknown wall "roof": one of pid, mount'),
        ("pid", {"Image": ""}, "no image specified"),
        ("pid", {"Image": "nobody/has:this"}, "No such image: nobody/has:this"),
        ("pid", {"Tty": True}, "cannot have a terminal"),
        ("pid", {"HostConfig": {"Privileged": True}}, "cannot have --privileged"),
        ("pid", {"HostConfig": {"Binds": ["/:/host"]}}, "cannot have volumes"),
        ("pid", {"HostConfig": {"PidMode": "host"}}, "cannot have another's or the host's namespaces"),
        ("pid", {"HostConfig": {"NetworkMode": "host"}}, "cannot have another network"),
        ("pid", {"Cmd": ["nothing-like-this"]}, '"nothing-like-this": executable file not found'),
        ("pid", {"User": "stranger"}, "unable to find user stranger"),
    ],
)
def test_one_sentence_for_what_cannot_be(clean: Daemon, wall: str, body: dict[str, Any], said: str) -> None:
    with pytest.raises(APIError) as refused:
        clean.api.post(f"/kernel-engine/without/{wall}", body={"Image": "busybox", "Cmd": ["true"], **body})
    assert said in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.status in (400, 404)
    assert_clean(clean)


def test_a_program_that_only_the_image_has_does_not_start_on_the_machines_root(clean: Daemon) -> None:
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    program = next(f"/bin/{name}" for name in applets if not Path(f"/bin/{name}").exists())
    found = compare(clean, "pivot_root", program, "--help")
    assert found["All"]["Error"] == ""
    assert f'exec: "{program}": stat {program}: no such file or directory' in found["Without"]["Error"]


def test_the_engines_own_launcher_knows_every_wall(clean: Daemon) -> None:
    """It is told nothing else: neither by its words nor by its surroundings."""
    clean.docker("run", "--rm", "busybox", "true")
    [line] = {
        line
        for entry in filter(str.isdigit, os.listdir("/proc"))
        if str(clean.instance.run) in (line := commandline(entry)) and "kernel_engine.runtime.launcher" in line
    }
    words = line.split("\0")
    assert [word for word in words if word.startswith("--")] == ["--run", "--cgroup", "--sealed"]
    assert Ground().without is None
    pid = clean.out("run", "-d", "--name", "own", "busybox", "sleep", "600")
    state = clean.inspect(pid)["State"]["Pid"]
    for kind in ("mnt", "pid", "uts", "ipc", "net", "cgroup"):
        assert os.readlink(f"/proc/{state}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")


def commandline(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""
