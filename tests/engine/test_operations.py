"""Every request's kernel calls come together in one trace, whichever process made them; and a start's are those that
strace(1), an outsider, saw of daemon, launcher and child."""

from __future__ import annotations

import io
import shutil
import tarfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from kernel_engine.client import APIError
from kernel_engine.daemon.cleanup import helper_processes
from tests.daemon import Daemon
from tests.strace import PATIENCE as STRACE_PATIENCE
from tests.strace import Call, refusal, seen, threads, told, watched

START = {
    "clone3", "setsid", "unshare", "mount", "open_tree", "move_mount", "mount_setattr", "pivot_root", "umount2",
    "sethostname", "prctl", "seccomp", "setgroups", "setresgid", "setresuid", "capset", "execve", "mknod", "symlink",
    "netlink RTM_NEWLINK", "netlink RTM_NEWADDR", "netlink RTM_NEWROUTE", "netlink NFT_MSG_NEWSETELEM",
    "write", "mkdir", "setrlimit", "close_range",
}  # fmt: skip
#: what a start must at least be seen to ask for, so that there is something to compare
COMPARED = {"clone3", "unshare", "mount", "pivot_root", "seccomp", "capset", "execve", "netlink", "mkdir"}
ATTEMPTS = 3
DOCKERFILE = "FROM busybox\nCOPY one /one\nRUN echo two > /two\nWORKDIR /three\n"


def tells(daemon: Daemon, method: str, end: str, *names: str) -> None:
    """The last such request made these calls; it may not be written down yet when its client is answered."""
    found: set[str] = set()

    def told() -> bool:
        nonlocal found
        for item in daemon.api.get("/kernel-engine/operations").json():
            if item["Method"] == method and item["Path"].endswith(end):
                steps = daemon.api.get(f"/kernel-engine/operations/{item['Id']}/trace").json()["Steps"]
                assert [step["Started"] for step in steps] == sorted(step["Started"] for step in steps)
                found = {step["Name"] for step in steps}
                return found >= set(names)
        return False

    eventually(told, lambda: f"{method} …{end} lacks {set(names) - found}")


def test_each_operation_tells_what_it_asked(clean: Daemon, tmp_path: Path) -> None:
    clean.docker("run", "-d", "--name", "told", "-p", "127.0.0.1::80", "busybox", "sleep", "100")
    tells(clean, "POST", "/start", *START)
    told = clean.inspect("told")["Id"]

    clean.docker("exec", "told", "true")
    tells(clean, "POST", "/start", "clone3", "setns", "seccomp", "capset", "execve")
    clean.docker("pause", "told")
    tells(clean, "POST", "/pause", "write")
    clean.docker("unpause", "told")
    clean.docker("update", "-m", "64m", "--memory-swap", "64m", "told")
    tells(clean, "POST", "/update", "write")
    (tmp_path / "one").write_text("one")
    clean.docker("cp", str(tmp_path / "one"), "told:/one")
    tells(clean, "PUT", "/archive", "setns")
    clean.docker("commit", "told", "of:told")
    tells(clean, "POST", "/commit", "write")  # the container stands still meanwhile

    clean.docker("network", "create", "apart")
    tells(clean, "POST", "/networks/create", "netlink RTM_NEWLINK", "netlink RTM_NEWADDR", "write", "nft")
    clean.docker("network", "connect", "apart", "told")
    tells(clean, "POST", "/connect", "netlink RTM_NEWLINK", "netlink RTM_NEWADDR", "setns")
    clean.docker("network", "disconnect", "apart", "told")
    tells(clean, "POST", "/disconnect", "netlink RTM_DELLINK")
    clean.docker("network", "rm", "apart")
    tells(clean, "DELETE", "/networks/apart", "netlink RTM_DELLINK", "nft")

    clean.docker("kill", "told")
    tells(clean, "POST", "/kill", "pidfd_send_signal")
    eventually(lambda: _end(clean, told) >= {"rmdir", "netlink NFT_MSG_DELSETELEM"}, lambda: f"{_end(clean, told)}")


def test_a_build_tells_of_its_workers_and_containers(clean: Daemon, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "one").write_text(tmp_path.name)  # known to no cache, at a second try neither
    clean.docker("build", "-t", "told", str(tmp_path))
    newest = clean.api.get("/kernel-engine/builds").json()[0]["id"]
    steps = clean.api.get(f"/kernel-engine/builds/{newest}/trace").json()["Steps"]
    assert {step["Process"] for step in steps} == {"daemon", "launcher", "child", "worker"}
    by_worker = [step["Name"] for step in steps if step["Process"] == "worker"]
    assert by_worker.count("unshare") == 2  # COPY and WORKDIR
    assert {"mount", "chroot", "umount2"} <= set(by_worker)
    [program] = [step for step in steps if step["Name"] == "execve"]
    assert "echo two" in program["Arguments"]
    # its groups; they may be removed later than the build ends, while the last process is still on its way out
    assert {"mkdir", "clone3"} <= {step["Name"] for step in steps if step["Process"] == "launcher"}
    tells(clean, "POST", "/build", *{step["Name"] for step in steps})


def test_pulling_and_loading_tell_of_their_workers(clean: Daemon) -> None:
    clean.docker("pull", "other:latest")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        archive.addfile(entry)
    clean.api.post("/images/create", query={"fromSrc": "-", "repo": "imported"}, body=data.getvalue()).read()
    tells(clean, "POST", "/images/create", "chroot")


def test_a_trace_that_nobody_kept(daemon: Daemon) -> None:
    with pytest.raises(APIError, match="No such operation: 0"):
        daemon.api.get("/kernel-engine/operations/0/trace")
    with pytest.raises(APIError, match="of: start or end"):
        daemon.api.get("/kernel-engine/containers/x/trace", query={"of": "middle"})


@pytest.fixture(scope="module")
def strace() -> str:
    program = shutil.which("strace")
    if program is None:
        pytest.skip("needs strace")
    if said := refusal(program):
        pytest.skip(f"needs ptrace(2): {said}")
    return program


@pytest.mark.timeout(300)
def test_the_trace_is_what_strace_sees(clean: Daemon, strace: str, tmp_path: Path) -> None:
    """On a machine under load strace was once seen to write down calls of one child twice; what the trace lacks, or
    makes up, it does so with every start."""
    clean.docker("run", "--rm", "busybox", "true")  # whatever is made once is there
    for attempt in range(ATTEMPTS):
        told_of, seen_of = _both(clean, strace, tmp_path / f"strace{attempt}")
        # and the comparison is about something
        assert {name for name, _ in chain(*told_of.values())} >= COMPARED
        if told_of == seen_of:
            return
    assert told_of == seen_of


def _both(clean: Daemon, strace: str, log: Path) -> tuple[dict[str, list[Call]], dict[str, list[Call]]]:
    """What the trace tells of one start by process, and what strace has seen."""
    clean.docker("rm", "-f", "seen", check=False)
    eventually(lambda: not _cables(clean), lambda: f"{_cables(clean)}")  # nothing of an end is still asked
    assert clean.process is not None
    daemon, launchers = clean.process.pid, _launchers(clean)
    words = ("-d", "--name", "seen", "-m", "64m", "-p", "127.0.0.1::80", "--ulimit", "core=0")
    with watched(strace, log, daemon, *launchers):
        clean.docker("run", *words, "busybox", "sleep", "100", timeout=STRACE_PATIENCE)
        child: int = clean.inspect("seen")["State"]["Pid"]
        program = Path(f"/proc/{child}/comm")
        eventually(lambda: program.read_text().strip() == "sleep", program.read_text)  # its execve is behind it
    steps = clean.api.get("/kernel-engine/containers/seen/trace").json()["Steps"]
    # the daemon has threads, and one of them only plugs cables
    processes = {"child": {child}, "launcher": launchers, "daemon": threads(daemon)}
    return {name: told(steps, name) for name in processes}, {name: seen(log, pids) for name, pids in processes.items()}


def _launchers(daemon: Daemon) -> set[int]:
    """Itself, and what makes first processes for it."""
    found = {pid for pid, module in helper_processes(daemon.instance) if module.endswith((".launcher", ".zygote"))}
    assert found, "no launcher runs"
    return found


def _cables(daemon: Daemon) -> list[str]:
    return [path.name for path in Path("/sys/class/net").glob(f"{daemon.instance.veth_prefix}*")]


def _end(daemon: Daemon, container: str) -> set[str]:
    found = daemon.api.get(f"/kernel-engine/containers/{container}/trace", query={"of": "end"}).json()
    return {step["Name"] for step in found["Steps"]}


def eventually(condition: Callable[[], bool], why: Callable[[], str]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, why()
        time.sleep(0.02)
