"""The daemon as a program: one for an instance, its socket, its end, and cleanup after any end."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.daemon.cleanup import helper_processes
from tests.contract.speaking import request
from tests.daemon import REPOSITORY, Daemon, running_daemon

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: real namespaces, mounts and cgroups")


@pytest.fixture
def alone(tmp_path: Path, busybox_mirror: str) -> Iterator[Daemon]:
    """A daemon that a test may stop, kill and clean up."""
    with running_daemon(tmp_path, (busybox_mirror,)) as running:
        yield running


def engine_command(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kernel_engine.daemon", *words, *daemon.places()],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        timeout=60,
    )


def sleeper(daemon: Daemon) -> str:
    path = str(daemon.instance.socket)
    request(path, "POST", "/images/create?fromImage=busybox&tag=latest")
    container = request(path, "POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep", "600"]}).json()["Id"]
    assert request(path, "POST", f"/containers/{container}/start").status == 204
    return str(container)


def state(daemon: Daemon, container: str) -> dict[str, object]:
    shown = request(str(daemon.instance.socket), "GET", f"/containers/{container}/json").json()
    return dict(shown["State"])


def has_ended(pid: object) -> bool:
    """A zombie that init has not collected yet has ended, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def left_in_kernel(daemon: Daemon) -> list[str]:
    """Whatever bears the instance's name."""
    links = [name for name in os.listdir("/sys/class/net") if daemon.instance.id in name]
    groups = [str(path) for path in Path("/sys/fs/cgroup").rglob(f"*{daemon.instance.cgroup}*")]
    mounts = [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(daemon.instance.run) in line
    ]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    found = [*links, *groups, *mounts]
    return [*found, daemon.instance.nft_table] if daemon.instance.nft_table in tables else found


def test_the_socket_belongs_to_root_and_one_group(alone: Daemon) -> None:
    found = alone.instance.socket.stat()
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_uid == 0
    assert stat.S_IMODE(alone.instance.run.stat().st_mode) == 0o711


def test_a_second_daemon_is_refused_in_one_line(alone: Daemon) -> None:
    assert alone.process is not None
    done = engine_command(alone, "serve")
    assert done.returncode == 1
    text = f"kernel-engine: another daemon serves this instance (process {alone.process.pid}, {alone.instance.run})\n"
    assert done.stderr.endswith(text) and "Traceback" not in done.stderr
    assert request(str(alone.instance.socket), "GET", "/_ping").status == 200


def test_a_stop_leaves_containers_running(alone: Daemon) -> None:
    container = sleeper(alone)
    pid = state(alone, container)["Pid"]
    alone.stop()
    assert not alone.instance.socket.exists()
    assert Path(f"/proc/{pid}").exists()
    alone.start()
    assert state(alone, container)["Pid"] == pid
    assert state(alone, container)["Running"] is True


def test_a_stop_does_not_wait_for_clients(alone: Daemon) -> None:
    container = sleeper(alone)
    with socket.socket(socket.AF_UNIX) as waiting, socket.socket(socket.AF_UNIX) as attached:
        for end, target in ((waiting, "wait"), (attached, "attach?stream=1&stdout=1")):
            end.connect(str(alone.instance.socket))
            end.sendall(f"POST /containers/{container}/{target} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            assert end.recv(100).startswith(b"HTTP/1.1 200")
        before = time.monotonic()
        alone.stop()
        assert time.monotonic() - before < 8


def test_sigkill_and_a_stale_socket(alone: Daemon) -> None:
    container = sleeper(alone)
    alone.kill()
    assert alone.instance.socket.exists()
    alone.start()
    assert state(alone, container)["Running"] is True


def test_descriptors_are_not_scarce(alone: Daemon) -> None:
    assert alone.process is not None
    limits = Path(f"/proc/{alone.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    soft, hard = line.split()[3:5]
    assert soft == hard


def test_sighup_is_nothing(alone: Daemon) -> None:
    assert alone.process is not None
    alone.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert request(str(alone.instance.socket), "GET", "/_ping").status == 200


def test_systemd_hears_when_it_is_ready(tmp_path: Path, busybox_mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with running_daemon(tmp_path, (busybox_mirror,)) as running:
            assert end.recv(100) == b"READY=1"
            running.stop()
            assert end.recv(100) == b"STOPPING=1"


def test_what_is_wrong_is_said_in_one_line(alone: Daemon) -> None:
    places = ["--root", str(alone.instance.root) + "2", "--run", str(alone.instance.run) + "2"]
    for extra, text in ((["--group", "nosuchgroup"], "there is no group nosuchgroup"), (["--subnet", "odd"], "odd")):
        done = subprocess.run(
            [sys.executable, "-m", "kernel_engine.daemon", "serve", *places, *extra],
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
            timeout=30,
        )
        assert done.returncode == 1
        assert text in done.stderr.splitlines()[-1] or text in done.stderr
        assert "Traceback" not in done.stderr
    cleaned = [sys.executable, "-m", "kernel_engine.daemon", "cleanup", "--all", *places]
    subprocess.run(cleaned, check=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL, timeout=60)


def test_cleanup_stops_the_daemon_and_leaves_nothing(alone: Daemon) -> None:
    container = sleeper(alone)
    pid = state(alone, container)["Pid"]
    planned = engine_command(alone, "cleanup", "--all", "--dry-run")
    assert planned.returncode == 0
    for word in ("kernel_engine.runtime.launcher", "kernel_engine.runtime.log_writer", alone.instance.bridge):
        assert word in planned.stdout
    assert Path(f"/proc/{pid}").exists(), "a dry run removes nothing"
    done = engine_command(alone, "cleanup", "--all")
    assert (done.returncode, done.stderr) == (0, "")
    assert alone.process is not None
    assert alone.process.wait(10) == 0
    assert has_ended(pid)
    assert not alone.instance.root.exists() and not alone.instance.run.exists()
    assert left_in_kernel(alone) == []


def test_cleanup_after_a_crash_keeps_images_and_stopped_containers(alone: Daemon) -> None:
    container = sleeper(alone)
    time.sleep(0.5)  # that it runs is on disk a moment after the answer: the launcher would tell, but it goes, too
    alone.kill()
    done = engine_command(alone, "cleanup")
    assert (done.returncode, done.stderr) == (0, "")
    assert left_in_kernel(alone) == []
    assert not alone.instance.run.exists()
    alone.start()
    found = state(alone, container)
    assert (found["Running"], found["ExitCode"]) == (False, 137)
    assert request(str(alone.instance.socket), "POST", f"/containers/{container}/start").status == 204


def test_cleanup_waits_for_a_launcher_that_is_half_started(alone: Daemon) -> None:
    """Its daemon was killed between the fork and the execve: no command line tells yet whose it is."""
    alone.kill()
    words = ["-I", "-m", "kernel_engine.runtime.launcher", "--run", str(alone.instance.run)]
    words += ["--cgroup", alone.instance.cgroup]
    late = f"import os, sys, time; time.sleep(1.5); os.execv(sys.executable, [sys.executable, *{words!r}])"
    with (alone.instance.run / "launcher.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        starting = subprocess.Popen([sys.executable, "-c", late], stdin=lock, stderr=subprocess.DEVNULL)
    done = engine_command(alone, "cleanup", "--all")
    assert (done.returncode, done.stderr) == (0, "")
    starting.wait(20)
    assert left_in_kernel(alone) == []
    assert helper_processes(alone.instance) == ()


def test_a_launcher_without_a_run_directory_makes_no_group(alone: Daemon) -> None:
    engine_command(alone, "cleanup", "--all")
    words = ["--run", str(alone.instance.run), "--cgroup", alone.instance.cgroup]
    command = [sys.executable, "-I", "-m", "kernel_engine.runtime.launcher", *words]
    assert subprocess.run(command, capture_output=True, check=False, timeout=20).returncode != 0
    assert left_in_kernel(alone) == []


def test_doctor_on_this_machine(alone: Daemon) -> None:
    done = engine_command(alone, "doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.rstrip().endswith("컨테이너를 실행할 수 있는 컴퓨터예요.")
    assert "overlayfs" in done.stdout and "cgroup" in done.stdout
