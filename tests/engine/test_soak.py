"""200 containers started, executed in, removed, with kill -9 of the daemon in between: no leak, no lost container."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from kernel_engine.runtime import cgroups
from tests.daemon import Daemon
from tests.engine.test_deaths import pid_behind
from tests.engine.test_life import until

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]
ROUNDS, WIDTH = 20, 10


def traces_of(daemon: Daemon) -> list[str]:
    """What containers of this instance can leave on the machine."""
    instance = daemon.instance
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    found = [f"veth {line.split()[1]}" for line in links.splitlines() if f" {instance.veth_prefix}" in line]
    found += [f"mount {line.split()[1]}" for line in Path("/proc/mounts").read_text().splitlines()
              if str(instance.root) in line]  # fmt: skip
    for place in cgroups.directories(instance.cgroup, ""):
        with suppress(FileNotFoundError):
            found += [f"cgroup {place}/{name}" for name in os.listdir(place) if len(name) == 64]
    found += [f"directory {path}" for path in instance.containers.iterdir()]
    found += [f"snapshot {path}" for path in (instance.root / "snapshots").glob("[0-9]*")]
    return found


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid: int) -> int:
    """Resident, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def one_round(daemon: Daemon, number: int) -> None:
    names = [f"soak-{number}-{index}" for index in range(WIDTH)]
    for name in names:
        daemon.docker("run", "-d", "--name", name, "busybox", "sh", "-c", "echo started; sleep 1000")
    if number % 4 == 3:
        daemon.kill()
        daemon.start()
    running = daemon.out("ps", "--format", "{{.Names}}").split()
    assert sorted(running) == sorted(names)
    for name in names:
        assert daemon.out("exec", name, "echo", "inside") == "inside"
        assert daemon.out("logs", name) == "started"
    daemon.docker("rm", "-f", *names)


def test_two_hundred_containers(clean: Daemon) -> None:
    one_round(clean, 0)
    until(lambda: not traces_of(clean), 20)
    launcher, writer = pid_behind(clean.instance.launcher_socket), pid_behind(clean.instance.log_writer_socket)
    before = [(descriptors(pid), memory(pid)) for pid in (launcher, writer)]
    for number in range(1, ROUNDS):
        one_round(clean, number)
    until(lambda: not traces_of(clean), 20)
    for pid, (fds, kilobytes) in zip((launcher, writer), before, strict=True):
        assert descriptors(pid) <= fds
        assert memory(pid) < kilobytes + 4096
