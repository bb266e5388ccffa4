"""Health checks as they run: execs on schedule, what ps and inspect show, pause, restarts and dead daemons."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.engine.test_life import until

QUICK = ("--health-interval", "100ms", "--health-retries", "2")


def run(daemon: Daemon, name: str, check: str, *options: str) -> None:
    daemon.out("run", "-d", "--name", name, "--health-cmd", check, *QUICK, *options, "busybox", "sleep", "1000")


def health(daemon: Daemon, name: str) -> Any:
    return daemon.inspect(name)["State"].get("Health")


def status_is(daemon: Daemon, name: str, status: str) -> Any:
    """The whole health as soon as its status is this."""
    return until(lambda: (found := health(daemon, name))["Status"] == status and found)


def test_from_starting_to_unhealthy_to_healthy(clean: Daemon) -> None:
    since = time.time()
    run(clean, "web", "echo out; echo err >&2; test -e /ok")
    failed = status_is(clean, "web", "unhealthy")
    assert failed["FailingStreak"] >= 2
    assert failed["Log"][0]["ExitCode"] == 1
    assert sorted(failed["Log"][0]["Output"].split()) == ["err", "out"]
    assert failed["Log"][0]["Start"] < failed["Log"][0]["End"] < failed["Log"][1]["Start"]
    assert " (unhealthy)" in clean.out("ps", "--format", "{{.Status}}")
    clean.docker("exec", "web", "touch", "/ok")
    assert status_is(clean, "web", "healthy")["FailingStreak"] == 0
    assert " (healthy)" in clean.out("ps", "--format", "{{.Status}}")
    until(lambda: len(health(clean, "web")["Log"]) == 5)
    assert len(health(clean, "web")["Log"]) == 5
    assert clean.out("ps", "-q", "--filter", "health=healthy") != ""
    assert clean.out("ps", "-q", "--filter", "health=none") == ""
    refused = clean.docker("ps", "--filter", "health=poorly", check=False)
    assert "Unrecognised filter value for health: poorly" in refused.stderr
    events = clean.out("events", "--since", str(since), "--until", str(time.time()), "--format", "{{.Action}}")
    told = [line for line in events.splitlines() if line.startswith("health_status")]
    assert told == ["health_status: unhealthy", "health_status: healthy"]
    assert "exec_create: /bin/sh -c echo out; echo err >&2; test -e /ok" in events
    assert "exec_die" in events


def test_until_the_first_probe_it_is_starting(clean: Daemon) -> None:
    clean.out("run", "-d", "--name", "slow", "--health-cmd", "true", "busybox", "sleep", "1000")
    assert health(clean, "slow") == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert clean.out("ps", "--format", "{{.Status}}").endswith(" (health: starting)")
    assert clean.out("ps", "-q", "--filter", "health=starting") != ""


def test_a_probe_that_takes_too_long_is_killed(clean: Daemon) -> None:
    run(clean, "slow", "echo begun; exec sleep 1000", "--health-timeout", "1s")
    found = status_is(clean, "slow", "unhealthy")
    assert found["Log"][0]["ExitCode"] == -1
    assert found["Log"][0]["Output"] == "Health check exceeded timeout (1s): begun\n"
    clean.docker("pause", "slow")  # no probe is under way any more
    clean.docker("unpause", "slow")
    assert clean.out("top", "slow").count("sleep") <= 2


def test_much_output_is_cut_and_what_is_no_program_is_told(clean: Daemon) -> None:
    run(clean, "talking", "yes | head -c 100000")
    first = until(lambda: health(clean, "talking")["Log"])[0]
    assert (first["ExitCode"], len(first["Output"])) == (0, 4096 + 3)
    assert first["Output"].endswith("y\n...")
    body = {"Image": "busybox", "Cmd": ["sleep", "1000"], "Healthcheck": {"Test": ["CMD", "/gone"], "Interval": 10**8}}
    container = clean.api.post("/containers/create", body=body).json()["Id"]
    clean.docker("start", container)
    entry = until(lambda: health(clean, container)["Log"])[0]
    assert entry["ExitCode"] == -1
    assert '"/gone": stat /gone: no such file or directory' in entry["Output"]


def test_a_paused_container_is_not_probed_and_an_ended_one_neither(clean: Daemon) -> None:
    run(clean, "idle", "echo x >> /count")
    status_is(clean, "idle", "healthy")
    clean.docker("pause", "idle")
    found = health(clean, "idle")
    assert found["Status"] == "unhealthy"  # as Docker has it while nobody looks
    time.sleep(0.4)
    assert health(clean, "idle")["Log"] == found["Log"]
    assert clean.out("ps", "--format", "{{.Status}}").endswith("(Paused)")
    clean.docker("unpause", "idle")
    status_is(clean, "idle", "healthy")
    clean.docker("stop", "-t", "0", "idle")
    ended = health(clean, "idle")
    assert ended["Status"] == "unhealthy"
    time.sleep(0.3)
    assert health(clean, "idle") == ended
    clean.docker("start", "idle")
    assert status_is(clean, "idle", "healthy")["Log"][-1]["Start"] > ended["Log"][-1]["Start"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_probing_goes_on_with_the_next_daemon(clean: Daemon, end: str) -> None:
    run(clean, "steady", "test ! -e /bad")
    run(clean, "hanging", "exec sleep 777", "--health-timeout", "100s")
    status_is(clean, "steady", "healthy")
    until(lambda: "sleep 777" in clean.out("top", "hanging"))
    getattr(clean, end)()
    clean.start()
    assert health(clean, "steady")["Status"] == "healthy"
    last = health(clean, "steady")["Log"][-1]["Start"]
    until(lambda: health(clean, "steady")["Log"][-1]["Start"] > last)
    clean.docker("exec", "steady", "touch", "/bad")
    status_is(clean, "steady", "unhealthy")
    # the probe of the daemon that is gone does not pile up beside the new one's
    until(lambda: "sleep 777" in clean.out("top", "hanging"))
    until(lambda: clean.out("top", "hanging").count("sleep 777") == 1)


def test_an_image_may_bring_its_check_and_a_container_refuse_it(clean: Daemon) -> None:
    clean.docker("create", "--name", "source", "--health-cmd", "true", "--health-interval", "100ms", "busybox", "sh")
    clean.docker("commit", "source", "checked")
    image = json.loads(clean.out("image", "inspect", "checked"))[0]["Config"]["Healthcheck"]
    assert image == {"Test": ["CMD-SHELL", "true"], "Interval": 100_000_000}
    clean.docker("run", "-d", "--name", "with", "checked", "sleep", "1000")
    clean.docker("run", "-d", "--name", "without", "--no-healthcheck", "checked", "sleep", "1000")
    status_is(clean, "with", "healthy")
    assert "Health" not in clean.inspect("without")["State"]
    assert clean.inspect("without")["Config"]["Healthcheck"] == {"Test": ["NONE"], "Interval": 100_000_000}
    assert clean.out("ps", "--filter", "health=none", "--format", "{{.Names}}") == "without"


def test_a_dockerfile_may_bring_the_check(clean: Daemon) -> None:
    text = (
        'FROM busybox\nSHELL ["/bin/sh", "-ec"]\nHEALTHCHECK --interval=100ms --retries=1 CMD echo $0 && test -e /ok\n'
    )
    clean.docker("build", "-t", "watched", "-", input=text)
    clean.docker("run", "-d", "--name", "watched", "watched", "sleep", "1000")
    assert status_is(clean, "watched", "unhealthy")["Log"][-1]["Output"] == "/bin/sh\n"
    clean.docker("exec", "watched", "touch", "/ok")
    status_is(clean, "watched", "healthy")
    clean.docker("build", "-t", "unwatched", "-", input="FROM watched\nHEALTHCHECK NONE\n")
    clean.docker("run", "-d", "--name", "unwatched", "unwatched", "sleep", "1000")
    assert "Health" not in clean.inspect("unwatched")["State"]


def test_probes_end_with_their_containers(clean: Daemon) -> None:
    """Whatever a probe is doing at that moment: nothing of it keeps the daemon from ending, nothing is logged."""
    told = clean.log.stat().st_size
    for _ in range(4):
        for name, check in (("quick", "true"), ("late", "sleep 100"), ("failing", "exit 1")):
            clean.out("run", "-d", "--name", name, "--health-cmd", check, "--health-interval", "10ms",
                      "--health-timeout", "30ms", "busybox", "sleep", "1000")  # fmt: skip
        time.sleep(0.2)
        clean.docker("rm", "-f", "quick", "late", "failing")
    clean.stop()
    log = clean.log.read_bytes()[told:].decode()
    clean.start()
    assert "work beside a request failed" not in log
    assert "was not closed" not in log
