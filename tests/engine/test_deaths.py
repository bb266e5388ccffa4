"""kill -9 of each process of the engine: what runs goes on, or is recorded as ended with the reason."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.engine.test_life import until


@pytest.fixture(autouse=True)
def daemon_up(clean: Daemon) -> Iterator[None]:
    yield
    if clean.process is None:
        clean.start()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


def pid_behind(path: Path) -> int:
    """The process that listens on a companion's socket (a second connection would take the daemon's place)."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    inodes = {f"socket:[{line.split()[6]}]" for line in lines if line.endswith(f" {path}")}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) in inodes and (link.parent.parent / "comm").read_text().startswith("ke-"):
                return int(link.parts[2])
        except OSError:
            continue
    raise AssertionError(f"nobody listens on {path}")


def test_containers_go_on_without_the_daemon(clean: Daemon) -> None:
    ticking = clean.out("run", "-d", "--name", "ticking", "busybox", "sh", "-c", "while :; do echo t; sleep 0.05; done")
    clean.out("run", "-d", "--name", "ending", "busybox", "sh", "-c", "sleep 0.5; echo last words; exit 6")
    pid = clean.inspect("ticking")["State"]["Pid"]
    clean.kill()
    time.sleep(1)
    os.kill(pid, 0)
    clean.start()
    assert clean.inspect("ticking")["State"]["Pid"] == pid
    ending = clean.inspect("ending")["State"]
    assert (ending["Status"], ending["ExitCode"]) == ("exited", 6)
    assert clean.out("logs", "ending") == "last words"
    before = len(clean.out("logs", "ticking"))
    until(lambda: len(clean.out("logs", "ticking")) > before)
    assert clean.out("exec", "ticking", "echo", "inside") == "inside"
    clean.docker("rm", "-f", ticking)


def test_network_goes_on_after_a_restart_of_the_daemon(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "server", "busybox", "sleep", "1000")
    address = clean.inspect("server")["NetworkSettings"]["IPAddress"]
    clean.kill()
    clean.start()
    assert clean.inspect("server")["NetworkSettings"]["IPAddress"] == address
    other = clean.out(
        "run", "--rm", "busybox", "sh", "-c", f"ping -c1 -W2 {address} | grep -c 'bytes from'; hostname -i"
    )
    reached, mine = other.split()
    assert reached == "1"
    assert mine != address


def test_a_restart_policy_acts_for_an_end_that_nobody_saw(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "again", "--restart", "always", "busybox", "sleep", "0.4")
    clean.kill()
    time.sleep(0.8)
    clean.start()
    until(lambda: clean.inspect("again")["RestartCount"] >= 1)


def test_a_dead_launcher_ends_its_containers_with_a_reason(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "victim", "busybox", "sleep", "1000")
    clean.docker("run", "-d", "--name", "revived", "--restart", "always", "busybox", "sleep", "1000")
    pid = clean.inspect("victim")["State"]["Pid"]
    os.kill(pid_behind(clean.instance.launcher_socket), signal.SIGKILL)
    until(lambda: clean.inspect("victim")["State"]["Status"] == "exited")
    state = clean.inspect("victim")["State"]
    assert state["ExitCode"] == 137
    assert "launcher" in state["Error"]
    until(lambda: not Path(f"/proc/{pid}/exe").exists())  # gone, or a zombie that init has not collected yet
    until(lambda: clean.inspect("revived")["State"]["Running"])
    assert clean.out("run", "--rm", "busybox", "echo", "alive") == "alive"


def test_a_stop_that_comes_while_a_policy_starts_the_container_again(clean: Daemon) -> None:
    words = ("run", "-d", "--name", "phoenix", "--restart", "always", "busybox", "sh", "-c", "sleep 0.2")
    clean.docker(*words)
    until(lambda: clean.inspect("phoenix")["RestartCount"] >= 3, 30)
    until(lambda: clean.inspect("phoenix")["State"]["Status"] == "restarting")
    launcher = pid_behind(clean.instance.launcher_socket)
    os.kill(launcher, signal.SIGSTOP)
    try:
        time.sleep(1)  # by now the next start waits for the launcher
        with ThreadPoolExecutor() as pool:
            stopping = pool.submit(clean.docker, "stop", "-t", "1", "phoenix")
            time.sleep(0.5)
            os.kill(launcher, signal.SIGCONT)
            stopping.result()
    finally:
        os.kill(launcher, signal.SIGCONT)
    assert clean.inspect("phoenix")["State"]["Status"] == "exited"
    time.sleep(1)
    assert clean.inspect("phoenix")["State"]["Status"] == "exited"


def test_ports_of_what_died_with_everything_are_free_again(clean: Daemon, free_port: int) -> None:
    """Daemon and launcher at once, as by a power cut."""
    words = ("run", "-d", "-p", f"{free_port}:80", "busybox", "sleep", "1000")
    clean.docker(*words)
    launcher = pid_behind(clean.instance.launcher_socket)
    clean.kill()
    os.kill(launcher, signal.SIGKILL)
    clean.start()
    until(lambda: clean.out("ps", "-q") == "")
    clean.docker(*words)


def test_a_dead_log_writer_loses_no_line(clean: Daemon) -> None:
    script = "i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.02; done"
    clean.docker("run", "-d", "--name", "counting", "busybox", "sh", "-c", script)
    time.sleep(0.4)
    os.kill(pid_behind(clean.instance.log_writer_socket), signal.SIGKILL)
    assert clean.out("wait", "counting") == "0"
    lines = clean.out("logs", "counting").split()
    assert lines[-1] == "59"
    # what was in the dead process's hands, at most one read, may be gone; nothing else, and nothing twice
    assert len(lines) == len(set(lines)) >= 58


def test_a_detached_removal_that_was_cut_off_is_finished(clean: Daemon) -> None:
    clean.docker("run", "-d", "--rm", "--name", "fleeting", "busybox", "sleep", "0.3")
    clean.kill()
    time.sleep(0.6)
    clean.start()
    until(lambda: clean.out("ps", "-aq") == "")


def test_a_second_daemon_is_refused(clean: Daemon) -> None:
    import sys

    words = [sys.executable, "-m", "kernel_engine.daemon", "serve", *clean.places()]
    result = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert clean.out("run", "--rm", "busybox", "echo", "still") == "still"
