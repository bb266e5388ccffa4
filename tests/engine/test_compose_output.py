"""What compose shows of containers: `up` in the foreground, `logs`, and how both end."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.daemon import Daemon
from tests.engine.composing import COMPOSE, STAYS, Composed, composed

ENDING = """
    services:
      a: {image: busybox, command: "sh -c 'echo one; echo two >&2; sleep 0.2; exit 3'"}
      long: {image: busybox, command: STAYS, stop_grace_period: 1s}
    """
STAYING = """
    services:
      a: {image: busybox, command: "sh -c 'echo here; exec STAYS'"}
      b: {image: busybox, command: "sh -c 'echo there; exec STAYS'", depends_on: [a]}
    """.replace("exec STAYS", 'trap \\"exit 0\\" TERM; while :; do sleep 0.05; done')


@pytest.fixture
def project(daemon: Daemon, tmp_path: Path) -> Iterator[Composed]:
    with composed(daemon, tmp_path, "shown") as made:
        yield made


def until(process: subprocess.Popen[str], text: str) -> str:
    """What it prints up to the text and what came with it."""
    assert process.stdout is not None
    seen = b""
    while text.encode() not in seen:
        ready, _, _ = select.select([process.stdout], [], [], 20)
        piece = os.read(process.stdout.fileno(), 65536) if ready else b""
        assert piece, f"{text!r} never came:\n{seen.decode()}"
        seen += piece
    return seen.decode()


def test_the_foreground_ends_when_all_have_ended(project: Composed) -> None:
    project.write(
        """
        services:
          a: {image: busybox, command: "sh -c 'echo one; echo two >&2; exit 3'"}
          longer: {image: busybox, command: "sh -c 'sleep 0.3; printf last'"}
        """
    )
    result = project("up")
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "Attaching to a-1, longer-1",
        "a-1       | one",
        "a-1 exited with code 3",
        "longer-1  | last",
        "longer-1 exited with code 0",
    ]
    assert "a-1       | two" in result.stderr
    again = project("up", "--no-log-prefix", "--attach", "longer").stdout
    assert again == "Attaching to longer-1\nlast\nlonger-1 exited with code 0\n"


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--abort-on-container-exit"], 3), (["--exit-code-from", "a"], 3), (["--abort-on-container-failure"], 3)],
)
def test_one_that_ends_ends_all(project: Composed, options: list[str], code: int) -> None:
    project.write(ENDING)
    result = project("up", *options, check=False)
    assert result.returncode == code
    assert "Aborting on container exit..." in result.stderr
    assert project.states() == {"shown-a-1": "exited", "shown-long-1": "exited"}


def test_the_exit_code_of_another_than_the_one_that_ended_it(project: Composed) -> None:
    project.write(ENDING.replace("STAYS", STAYS.replace("exit 0", "exit 9")))
    assert project("up", "--exit-code-from", "long", check=False).returncode == 9


def test_an_interrupt_stops_in_order(project: Composed) -> None:
    project.write(STAYING)
    process = project.start("up")
    until(process, "there")  # both run
    process.send_signal(signal.SIGINT)
    lines = process.communicate(timeout=30)[0].splitlines()
    assert process.returncode == 130
    assert lines[0].endswith("Gracefully Stopping... press Ctrl+C again to force")
    assert lines.index(" Container shown-b-1  Stopped") < lines.index(" Container shown-a-1  Stopping")
    assert project.states() == {"shown-a-1": "exited", "shown-b-1": "exited"}


def test_a_second_interrupt_kills(project: Composed) -> None:
    deaf = "sh -c 'trap : TERM; echo here; while :; do sleep 0.1; done'"
    project.write(f'services: {{deaf: {{image: busybox, command: "{deaf}"}}}}')
    process = project.start("up")
    until(process, "here")
    process.send_signal(signal.SIGINT)
    until(process, "Stopping")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 8  # not the 10 seconds that a stop waits
    assert project.states() == {"shown-deaf-1": "exited"}


def test_an_interrupt_while_a_dependency_is_waited_for(project: Composed) -> None:
    project.write(
        """
        services:
          db: {image: busybox, command: STAYS, healthcheck: {test: "false", interval: 60s}}
          web: {image: busybox, command: STAYS, depends_on: {db: {condition: service_healthy}}}
        """
    )
    process = project.start("up")
    until(process, "Attaching to")
    deadline = time.monotonic() + 10
    while project.states()["shown-db-1"] != "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert project.states() == {"shown-db-1": "exited", "shown-web-1": "created"}


def test_a_container_that_restarts_goes_on_being_shown(project: Composed) -> None:
    project.write("services: {a: {image: busybox, command: \"sh -c 'echo again; exit 1'\", restart: 'on-failure:1'}}")
    lines = project("up").stdout.splitlines()
    assert lines.count("a-1  | again") == 2
    assert lines.count("a-1 exited with code 1 (restarting)") == 1
    assert lines[-1] == "a-1 exited with code 1"


def test_a_container_that_is_stopped_before_its_next_start(project: Composed) -> None:
    project.write("services: {a: {image: busybox, command: \"sh -c 'echo here; exit 1'\", restart: always}}")
    process = project.start("up")
    until(process, "(restarting)")
    project("stop")
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_what_cannot_be_started_ends_the_foreground(project: Composed) -> None:
    project.write("services: {a: {image: busybox, command: nosuch}, b: {image: busybox, command: STAYS}}")
    result = project("up", check=False)
    assert result.returncode == 1
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr


def test_logs(project: Composed) -> None:
    project.write(
        """
        services:
          a: {image: busybox, command: "sh -c 'echo 1; echo 2; echo 3'"}
          bb: {image: busybox, command: echo four}
        """
    )
    project("up")
    assert project("logs").stdout == "a-1   | 1\na-1   | 2\na-1   | 3\nbb-1  | four\n"
    assert project("logs", "--tail", "1", "a").stdout == "a-1  | 3\n"
    assert project("logs", "--no-log-prefix", "bb").stdout == "four\n"
    assert project("logs", "-t", "bb").stdout.startswith("bb-1  | 20")
    assert project("logs", "-f", "bb").stdout == "bb-1  | four\n"  # nothing runs: it ends


def test_following_goes_on_with_what_is_started_later(project: Composed) -> None:
    project.write(STAYING)
    project("up", "-d")
    process = project.start("logs", "-f")
    until(process, "here")
    project("restart", "a")
    assert until(process, "here")
    project("kill")
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_terminal_shows_colours_and_lines_that_change(project: Composed) -> None:
    project.write("services: {a: {image: busybox, command: echo hello}}")
    child = pexpect.spawn(
        COMPOSE[0], [*COMPOSE[1:], "up"], cwd=project.directory, encoding="utf-8", timeout=20, dimensions=(30, 90),
        env={**project.environment, "TERM": "xterm"},
    )  # fmt: skip
    child.expect(r"\[\+\] Running 2/2")
    child.expect("Attaching to a-1")
    child.expect_exact("\x1b[36ma-1  | \x1b[0mhello")
    child.expect("exited with code 0")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_notebook_cell_shows_the_same_every_time(project: Composed) -> None:
    project.write(STAYING)
    seen = set()
    for _ in range(2):
        reading, writing = os.pipe()
        environment = {**project.environment, "DOCKER_LABS_CELL": str(os.fstat(writing).st_ino)}
        with open(reading, encoding="utf-8") as cell:
            for words in (["up", "-d"], ["down"]):
                subprocess.run(
                    [*COMPOSE, *words],
                    stdout=writing,
                    stderr=writing,
                    stdin=subprocess.DEVNULL,
                    check=True,
                    cwd=project.directory,
                    env=environment,
                )
            os.close(writing)
            seen.add(cell.read())
    assert seen == {
        " Network shown_default  Created\n Container shown-a-1  Created\n Container shown-b-1  Created\n"
        " Container shown-a-1  Started\n Container shown-b-1  Started\n"
        " Container shown-b-1  Removed\n Container shown-a-1  Removed\n Network shown_default  Removed\n"
    }


@pytest.mark.parametrize("words", ["logs -f", "up"])
def test_a_reader_that_leaves(project: Composed, words: str) -> None:
    """`| head -n 1`: without a word, as a program that SIGPIPE ends."""
    project.write("services: {a: {image: busybox, command: \"sh -c 'while :; do echo line; sleep 0.05; done'\"}}")
    project("up", "-d")
    line = f"{' '.join(map(shlex.quote, COMPOSE))} {words} | head -n 1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        cwd=project.directory,
        env=project.environment,
        timeout=60,
        check=False,
    )
    assert (result.returncode, "Traceback" in result.stderr) == (141, False)
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize("words", [["up"], ["logs", "-f"]])
def test_an_engine_that_leaves(project: Composed, words: list[str]) -> None:
    project.write(STAYING)
    if words != ["up"]:
        project("up", "-d")
    process = project.start(*words)
    until(process, "here")
    project.daemon.kill()
    try:
        printed = process.communicate(timeout=30)[0]
        assert process.returncode == 1
        assert "closed the connection: EOF" in printed or "Is the docker daemon running?" in printed
        assert "Traceback" not in printed
    finally:
        project.daemon.start()
