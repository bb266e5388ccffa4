"""docker stats and docker update: what a container uses, and other limits while it runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

from kernel_engine.runtime import cgroups
from kernel_engine.syscalls import cgroupfs
from tests.daemon import Daemon

MIB = 1024 * 1024


def test_stats_without_a_stream(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "busy", "-m", "64m", "busybox", "sh", "-c", "while :; do :; done")
    clean.docker("run", "-d", "--name", "idle", "busybox", "sleep", "100")
    rows = [json.loads(line) for line in clean.out("stats", "--no-stream", "--format", "json").splitlines()]
    busy, idle = sorted(rows, key=lambda row: row["Name"])
    assert float(busy["CPUPerc"].rstrip("%")) > 20
    assert float(idle["CPUPerc"].rstrip("%")) < 5
    assert busy["MemUsage"].endswith(" / 64MiB")
    assert (busy["PIDs"], idle["PIDs"]) == ("1", "1")


def test_stats_of_one_that_does_not_run(clean: Daemon) -> None:
    clean.docker("create", "--name", "still", "busybox", "true")
    assert clean.out("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.MemUsage}}", "still") == (
        "still 0.00% 0B / 0B"
    )
    assert clean.out("stats", "--no-stream").splitlines()[1:] == []
    assert len(clean.out("stats", "--no-stream", "--all").splitlines()) == 2
    missing = clean.docker("stats", "--no-stream", "nobody", check=False)
    assert missing.returncode == 1
    assert "No such container: nobody" in missing.stderr


def test_a_stream_counts_from_the_sample_before(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "one", "busybox", "sleep", "100")
    with clean.api.get("/containers/one/stats") as response:
        objects = response.objects()
        first, second = next(objects), next(objects)
    assert "system_cpu_usage" not in first["precpu_stats"]
    assert second["precpu_stats"] == first["cpu_stats"]
    assert second["preread"] == first["read"]
    assert first["networks"]["eth0"].keys() >= {"rx_bytes", "tx_bytes", "rx_packets", "tx_dropped"}


def test_a_stream_ends_with_its_container(clean: Daemon) -> None:
    clean.docker("run", "-d", "--rm", "--name", "short", "busybox", "sleep", "1")
    begun = time.monotonic()
    with clean.api.get("/containers/short/stats") as response:
        assert len(list(response.objects())) >= 1
    assert time.monotonic() - begun < 10


def test_update_changes_a_running_container(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "one", "-m", "64m", "busybox", "sleep", "100")
    assert clean.out("update", "-m", "96m", "--pids-limit", "7", "one") == "one"
    host = clean.inspect("one")["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (96 * MIB, 128 * MIB, 7)
    assert _pids_limit(clean) == 7
    clean.docker("restart", "-t", "0", "one")
    assert _pids_limit(clean) == 7


def test_update_of_the_processors(clean: Daemon) -> None:
    """On cgroup v1 a container without such a limit has no group for it yet."""
    clean.docker("run", "-d", "--name", "one", "busybox", "sh", "-c", "sleep 100 & sleep 100")
    clean.docker("update", "--cpuset-cpus", "0", "one")
    shown = clean.out("exec", "one", "sh", "-c", "grep -h Cpus_allowed_list /proc/[0-9]*/status")
    assert {line.split()[1] for line in shown.splitlines()} == {"0"}
    clean.docker("restart", "-t", "0", "one")
    assert clean.out("exec", "one", "grep", "Cpus_allowed_list", "/proc/1/status").split()[1] == "0"


def test_update_of_a_restart_policy(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "one", "busybox", "sleep", "100")
    clean.docker("update", "--restart", "on-failure:3", "one")
    assert clean.inspect("one")["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    clean.docker("run", "-d", "--rm", "--name", "passing", "busybox", "sleep", "100")
    refused = clean.docker("update", "--restart", "always", "passing", check=False)
    assert "Restart policy cannot be updated because AutoRemove is enabled for the container" in refused.stderr


def test_refused_updates_change_nothing(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "one", "-m", "64m", "busybox", "sleep", "100")
    before = clean.inspect("one")["HostConfig"]
    for words, text in (
        (("-m", "1m"), "Error response from daemon: Minimum memory limit allowed is 6MB"),
        (("-m", "200m"), "Memory limit should be smaller than already set memoryswap limit"),
        (
            ("--pids-limit", "9", "--cpuset-cpus", "999"),
            "requested CPUs are not available - requested 999, available: 0",
        ),
        (("--cpuset-cpus", "0-x"), "invalid value 0-x for cpuset cpus: invalid format: 0-x"),
        (("--cpuset-mems", "99"), "requested memory nodes are not available - requested 99, available: 0"),
        ((), "you must provide one or more flags when using this command"),
    ):
        refused = clean.docker("update", *words, "one", check=False)
        assert refused.returncode == 1
        assert text in refused.stderr
    assert clean.inspect("one")["HostConfig"] == before
    assert _pids_limit(clean) == 0


def _pids_limit(daemon: Daemon) -> int:
    container = daemon.inspect("one")["Id"]
    places = [Path(item) for item in cgroups.directories(daemon.instance.cgroup, container)]
    text = next(cgroupfs.read(str(item / "pids.max")) for item in places if (item / "pids.max").exists()).strip()
    return 0 if text == "max" else int(text)
