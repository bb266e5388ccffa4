"""Memory, processors and processes: the kernel holds what the options say."""

from __future__ import annotations

from tests.daemon import Daemon


def test_memory_kills_and_says_so(clean: Daemon) -> None:
    script = "a=x; while :; do a=$a$a; done"
    result = clean.docker("run", "--name", "greedy", "-m", "16m", "busybox", "sh", "-c", script, check=False)
    assert result.returncode == 137
    state = clean.inspect("greedy")["State"]
    assert state["OOMKilled"] is True


def test_an_ordinary_end_is_no_oom(clean: Daemon) -> None:
    clean.docker("run", "--name", "modest", "-m", "32m", "busybox", "true")
    assert clean.inspect("modest")["State"]["OOMKilled"] is False


def test_the_number_of_processes(clean: Daemon) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done"
    result = clean.docker("run", "--rm", "--pids-limit", "4", "busybox", "sh", "-c", script, check=False)
    assert "can't fork" in result.stderr


def test_processor_time_is_throttled(clean: Daemon) -> None:
    """Half a processor: two seconds of wall time give about one of processor time."""
    script = "(while :; do :; done) & sleep 2; kill $!; cat /proc/$!/stat 2>/dev/null; times"
    clean.docker("run", "-d", "--name", "slow", "--cpus", "0.2", "busybox", "sh", "-c", "while :; do :; done")
    import time

    def spent() -> float:
        pid = clean.inspect("slow")["State"]["Pid"]
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    del script
    before, start = spent(), time.monotonic()
    time.sleep(2)
    share = (spent() - before) / (time.monotonic() - start)
    assert share < 0.35


def test_impossible_limits_are_refused(clean: Daemon) -> None:
    result = clean.docker("run", "--rm", "-m", "1k", "busybox", "true", check=False)
    assert "Minimum memory limit allowed is 6MB" in result.stderr
    assert result.returncode == 125
