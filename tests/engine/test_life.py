"""start, stop, kill, restart, pause, wait, rename, rm, ps, and restart policies."""

from __future__ import annotations

import time

import pytest

from tests.daemon import Daemon


def run(daemon: Daemon, name: str, *words: str, options: tuple[str, ...] = ()) -> str:
    return daemon.out("run", "-d", "--name", name, *options, "busybox", *(words or ("sleep", "1000")))


def until(condition, seconds: float = 30):  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def test_a_shell_without_input_ends_and_one_with_a_terminal_stays(clean: Daemon) -> None:
    run(clean, "gone", "sh")
    run(clean, "idle", "sh", options=("-it",))
    until(lambda: clean.inspect("gone")["State"]["Status"] == "exited")
    assert clean.out("ps", "--format", "{{.Names}}") == "idle"
    assert set(clean.out("ps", "-a", "--format", "{{.Names}}").split()) == {"idle", "gone"}
    assert clean.inspect("gone")["State"]["ExitCode"] == 0


def test_stop_asks_first_and_kills_after_the_timeout(clean: Daemon) -> None:
    run(clean, "polite", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
    clean.docker("stop", "polite")
    assert clean.inspect("polite")["State"]["ExitCode"] == 7
    run(clean, "deaf")
    start = time.monotonic()
    clean.docker("stop", "-t", "1", "deaf")
    assert 0.9 < time.monotonic() - start < 5
    assert clean.inspect("deaf")["State"]["ExitCode"] == 137


def test_kill_with_a_signal_of_ones_choice(clean: Daemon) -> None:
    run(clean, "listening", "sh", "-c", "trap 'exit 5' USR1; while :; do sleep 0.1; done")
    time.sleep(0.2)
    clean.docker("kill", "-s", "USR1", "listening")
    assert clean.out("wait", "listening") == "5"
    result = clean.docker("kill", "listening", check=False)
    assert "is not running" in result.stderr


def test_restart_keeps_files(clean: Daemon) -> None:
    run(clean, "kept")
    clean.docker("exec", "kept", "touch", "/mark")
    before = clean.inspect("kept")["State"]["Pid"]
    clean.docker("restart", "-t", "0", "kept")
    assert clean.inspect("kept")["State"]["Pid"] != before
    clean.docker("exec", "kept", "test", "-e", "/mark")


def test_pause_stops_time(clean: Daemon) -> None:
    run(clean, "clock", "sh", "-c", "while :; do echo tick; sleep 0.05; done")
    until(lambda: "tick" in clean.out("logs", "clock"))
    clean.docker("pause", "clock")
    assert "(Paused)" in clean.out("ps")
    time.sleep(0.1)
    before = clean.out("logs", "clock")
    time.sleep(0.3)
    assert clean.out("logs", "clock") == before
    result = clean.docker("exec", "clock", "true", check=False)
    assert "is paused, unpause the container before exec" in result.stderr
    clean.docker("unpause", "clock")
    until(lambda: len(clean.out("logs", "clock")) > len(before))


def test_rm_refuses_a_running_container(clean: Daemon) -> None:
    container = run(clean, "busy")
    result = clean.docker("rm", "busy", check=False)
    assert f"You cannot remove a running container {container}. Stop the container before" in result.stderr
    clean.docker("rm", "-f", "busy")
    assert clean.out("ps", "-aq") == ""


def test_rename(clean: Daemon) -> None:
    run(clean, "before")
    clean.docker("rename", "before", "after")
    assert clean.inspect("after")["Name"] == "/after"
    assert "No such" in clean.docker("inspect", "before", check=False).stderr


def test_wait_prints_the_code(clean: Daemon) -> None:
    run(clean, "short", "sh", "-c", "sleep 0.3; exit 9")
    assert clean.out("wait", "short") == "9"


def test_wait_hears_also_of_an_end_that_is_followed_by_a_start(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "again", "--restart", "always", "busybox", "sh", "-c", "sleep 0.5; exit 4")
    assert clean.out("wait", "again") == "4"
    refused = clean.docker("rm", "again", check=False)
    assert "Stop the container before" in refused.stderr or "container is running" in refused.stderr, refused.stderr


@pytest.mark.parametrize(("policy", "code", "restarts"), [("on-failure:2", 1, 2), ("on-failure", 0, 0), ("no", 1, 0)])
def test_restart_policies(clean: Daemon, policy: str, code: int, restarts: int) -> None:
    run(clean, "again", "sh", "-c", f"exit {code}", options=("--restart", policy))
    until(lambda: clean.inspect("again")["State"]["Status"] == "exited")
    assert clean.inspect("again")["RestartCount"] == restarts


def test_always_comes_back_until_it_is_stopped_by_hand(clean: Daemon) -> None:
    run(clean, "phoenix", "sh", "-c", "sleep 0.2", options=("--restart", "always"))
    until(lambda: clean.inspect("phoenix")["RestartCount"] >= 2)
    clean.docker("stop", "-t", "1", "phoenix")
    time.sleep(1)
    assert clean.inspect("phoenix")["State"]["Status"] == "exited"


def test_ps_looks_like_dockers(clean: Daemon) -> None:
    container = run(clean, "shown", "sleep", "1000")
    header, row = clean.out("ps").splitlines()
    assert header.split("  ")[0] == "CONTAINER ID"
    assert row.startswith(container[:12])
    assert '"sleep 1000"' in row
    assert "Up " in row
    assert row.endswith("shown")


def test_rm_of_a_container_that_removes_itself(clean: Daemon) -> None:
    clean.docker("run", "-d", "--rm", "--name", "brief", "busybox", "true")
    until(lambda: clean.out("ps", "-aq") == "")


def test_rm_force_of_one_that_ends_in_the_same_moment(clean: Daemon) -> None:
    for delay in range(80):
        body = {"Image": "busybox", "Cmd": ["true"]}
        container = clean.api.post("/containers/create", body=body).json()["Id"]
        clean.api.post(f"/containers/{container}/start")
        time.sleep(delay % 20 * 0.0003)
        clean.api.delete(f"/containers/{container}", query={"force": "1"})
    assert clean.api.get("/containers/json", query={"all": "1"}).json() == []
