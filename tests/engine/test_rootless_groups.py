"""An ordinary user's engine in a part of cgroup v2's tree that was given to him: limits hold (decision 0039)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kernel_engine.runtime import cgroups
from tests import rootless
from tests.daemon import Daemon, running_daemon

pytestmark = pytest.mark.full
NEEDED = ("memory", "cpu", "pids")
ALONE = ("run", "--rm", "--network", "none")


def _lacking() -> str:
    """Why nobody can be given groups with controllers on this machine; "" where it can be done."""
    if os.geteuid() or not cgroups.is_unified():
        return "root, and cgroup v2 with the controllers"
    found = Path(cgroups.ROOT, "cgroup.subtree_control").read_text().split()
    return "" if set(NEEDED) <= set(found) else f"{' '.join(NEEDED)} in {cgroups.ROOT}/cgroup.subtree_control"


@pytest.fixture(scope="module")
def given() -> Iterator[Path]:
    """A group that is the user's, in which he begins; gone afterwards, if nothing of the engine's is left in it."""
    if reason := _lacking():
        pytest.skip(f"needs {reason}")
    group = Path(cgroups.ROOT, f"ke-given-{rootless.UID}")
    group.mkdir()
    for path in (group, *(group / name for name in ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control"))):
        os.chown(path, rootless.UID, rootless.UID)
    yield group
    for child in [path for path in group.iterdir() if path.is_dir()]:
        assert child.name == "kernel-engine.others", "of the engine nothing is left"
        child.rmdir()
    group.rmdir()


@pytest.fixture(scope="module")
def engine(given: Path, busybox_mirror: str) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="ke-user-") as directory:
        place = Path(directory)
        if reason := rootless.lacking(place):
            pytest.skip(f"needs {reason}")
        with running_daemon(place, (busybox_mirror,), program=rootless.program(place, group=str(given))) as running:
            running.docker("pull", "busybox", timeout=300)
            yield running


def test_info_says_what_there_is(engine: Daemon) -> None:
    facts = engine.api.get("/info").json()
    assert (facts["CgroupDriver"], facts["CgroupVersion"]) == ("cgroupfs", "2")
    assert [facts[name] for name in ("MemoryLimit", "CpuCfsQuota", "CPUShares", "PidsLimit")] == [True] * 4
    assert not facts["OomKillDisable"]
    assert not [word for word in facts["Warnings"] or () if "without cgroups" in word or "memory limit" in word]
    assert facts["CPUSet"] == ("WARNING: No cpuset support" not in (facts["Warnings"] or ()))


def test_memory(engine: Daemon) -> None:
    limit = ("-m", "32m", "--memory-swap", "32m")
    done = engine.docker(*ALONE, *limit, "busybox", "cat", "/sys/fs/cgroup/memory.max")
    assert (done.stdout, done.stderr) == (f"{32 << 20}\n", "")
    words = (
        "run",
        "--name",
        "eater",
        "--network",
        "none",
        *limit,
        "busybox",
        "sh",
        "-c",
        "head -c 100m /dev/zero | tail",
    )
    assert engine.docker(*words, check=False, timeout=300).returncode == 137
    assert engine.inspect("eater")["State"]["OOMKilled"]
    engine.docker("rm", "eater")


def test_processors_and_processes(engine: Daemon) -> None:
    assert engine.out(*ALONE, "--cpus", "0.5", "busybox", "cat", "/sys/fs/cgroup/cpu.max") == "50000 100000"
    bomb = "i=0; while [ $i -lt 40 ]; do sleep 30 & i=$((i+1)); done"
    done = engine.docker(*ALONE, "--pids-limit", "20", "busybox", "sh", "-c", bomb, check=False, timeout=300)
    assert "can't fork" in done.stderr


def test_all_else_about_groups(engine: Daemon, given: Path) -> None:
    words = ("run", "-d", "--name", "long", "--network", "none", "--pids-limit", "50", "busybox", "sleep", "600")
    container = engine.out(*words)
    group = given / Path(engine.instance.cgroup).name / container
    assert (group / "pids.max").read_text() == "50\n"
    assert engine.inspect("long")["State"]["Pid"] == int((group / "cgroup.procs").read_text())
    engine.docker("update", "-m", "64m", "--memory-swap", "64m", "long")
    assert (group / "memory.max").read_text() == f"{64 << 20}\n"
    assert engine.api.get("/containers/long/stats", query={"stream": "0"}).json()["memory_stats"]["limit"] == 64 << 20
    engine.docker("pause", "long")
    assert (group / "cgroup.freeze").read_text() == "1\n"
    engine.docker("unpause", "long")
    engine.kill()
    engine.start()
    assert engine.out("exec", "long", "cat", "/proc/self/cgroup", "/sys/fs/cgroup/pids.max").split() == ["0::/", "50"]
    assert "sleep" in engine.out("top", "long", "-o", "pid,comm")
    engine.docker("rm", "-f", "long")
    assert not group.exists()


def test_a_user_who_begins_where_nothing_is_his(engine: Daemon, busybox_mirror: str) -> None:
    """No groups are found, and none taken that belong to others."""
    with tempfile.TemporaryDirectory(prefix="ke-user-") as directory:
        place = Path(directory)
        with running_daemon(place, (busybox_mirror,), program=rootless.program(place)) as other:
            assert other.api.get("/info").json()["CgroupDriver"] == "none"
    with suppress(FileNotFoundError):
        assert not [path for path in Path(cgroups.ROOT).iterdir() if path.name.startswith("kernel-engine-")]
