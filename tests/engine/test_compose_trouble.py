"""Projects that cannot be brought up: one clear sentence, and what is there can be brought up or taken down whole."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.engine.composing import Composed, composed


@pytest.fixture
def project(daemon: Daemon, tmp_path: Path) -> Iterator[Composed]:
    with composed(daemon, tmp_path, "bad") as made:
        yield made


def test_a_service_that_never_becomes_healthy(project: Composed) -> None:
    project.write(
        """
        services:
          db:
            image: busybox
            command: STAYS
            healthcheck: {test: "false", interval: 50ms, retries: 2}
          web: {image: busybox, command: STAYS, depends_on: {db: {condition: service_healthy}}}
        """
    )
    result = project("up", "-d", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "dependency failed to start: container bad-db-1 is unhealthy"
    assert project.states() == {"bad-db-1": "running", "bad-web-1": "created"}
    assert "container bad-db-1 is unhealthy" in project("up", "--wait", "db", check=False).stderr
    project("down")
    assert project.leftovers() == []


def test_a_wait_has_an_end(project: Composed) -> None:
    project.write("services: {db: {image: busybox, command: STAYS, healthcheck: {test: 'false', interval: 60s}}}")
    result = project("up", "--wait", "--wait-timeout", "1", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "application not healthy after 1s"


def test_a_dependency_that_fails(project: Composed) -> None:
    project.write(
        """
        services:
          init: {image: busybox, command: sh -c 'exit 4'}
          web: {image: busybox, command: STAYS, depends_on: {init: {condition: service_completed_successfully}}}
          maybe:
            image: busybox
            command: STAYS
            depends_on: {init: {condition: service_completed_successfully, required: false}}
        """
    )
    result = project("up", "-d", "web", check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == 'service "init" didn\'t complete successfully: exit 4'
    assert project.states()["bad-web-1"] == "created"
    project("up", "-d", "maybe")
    assert project.states()["bad-maybe-1"] == "running"


def test_a_name_that_is_taken(project: Composed) -> None:
    project.daemon.docker("create", "--name", "taken", "busybox", "true")
    try:
        project.write(
            """
            services:
              a: {image: busybox, command: STAYS, container_name: taken}
              b: {image: busybox, command: STAYS}
            """
        )
        result = project("up", "-d", check=False)
        assert result.returncode == 1
        last = result.stderr.splitlines()[-1]
        assert last.startswith(
            'Error response from daemon: Conflict. The container name "/taken" is already in use by container'
        )
        assert set(project.states().values()) <= {"created"}  # nothing has been started
        project("down")
        assert project.leftovers() == []
        assert project.daemon.inspect("taken")["State"]["Status"] == "created"
    finally:
        project.daemon.docker("rm", "-f", "taken")
    project("up", "-d")
    assert set(project.states().values()) == {"running"}


def test_a_port_that_is_taken(project: Composed) -> None:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        port = holder.getsockname()[1]
        project.write(f"services: {{web: {{image: busybox, command: STAYS, ports: ['{port}:80']}}}}")
        result = project("up", "-d", check=False)
        assert result.returncode == 1
        assert "address already in use" in result.stderr.splitlines()[-1]
        assert project.states() == {"bad-web-1": "created"}
    project("up", "-d")
    assert project.states() == {"bad-web-1": "running"}


def test_a_second_container_on_a_fixed_port(project: Composed) -> None:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    project.write(f"services: {{web: {{image: busybox, command: STAYS, ports: ['{port}:80']}}}}")
    result = project("up", "-d", "--scale", "web=2", check=False)
    assert result.returncode == 1
    assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in result.stderr.splitlines()[-1]
    assert project.states() == {"bad-web-1": "running", "bad-web-2": "created"}


def test_an_image_that_is_nowhere(project: Composed) -> None:
    project.write(
        "services: {web: {image: 'localhost:1/nothing', command: 'true'}, b: {image: busybox, command: STAYS}}"
    )
    result = project("up", "-d", check=False)
    assert result.returncode == 18
    assert 'Get "http://localhost:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused' in result.stderr
    assert project.leftovers() == []
    project.write("services: {web: {image: busybox:nowhere, pull_policy: never}}")
    assert "No such image: busybox:nowhere" in project("up", "-d", check=False).stderr


def test_a_build_that_fails(project: Composed) -> None:
    project.write("services: {web: {build: .}, b: {image: busybox, command: STAYS}}")
    (project.directory / "Dockerfile").write_text("FROM busybox\nRUN exit 7\n")
    result = project("up", "-d", check=False)
    assert result.returncode == 17
    assert "The command '/bin/sh -c exit 7' returned a non-zero code: 7" in result.stderr
    assert project.leftovers() == []


def test_what_others_own_must_be_there(project: Composed) -> None:
    project.write(
        """
        services: {web: {image: busybox, command: STAYS, networks: [shared]}}
        networks: {shared: {external: true}}
        """
    )
    result = project("up", "-d", check=False)
    assert result.stderr.splitlines()[-1] == "network shared declared as external, but could not be found"
    assert project.leftovers() == []
    project.daemon.docker("network", "create", "shared")
    try:
        project("up", "-d")
        project("down")
        assert project.daemon.out("network", "ls", "-q", "--filter", "name=shared") != ""
    finally:
        project.daemon.docker("network", "rm", "shared")


def test_words_that_do_not_go_together(project: Composed) -> None:
    project.write("services: {web: {image: busybox}}")
    for words, text in (
        (("up", "-d", "--abort-on-container-exit"), "--detach cannot be combined with --abort-on-container-exit"),
        (("up", "--build", "--no-build"), "--build and --no-build are incompatible"),
        (("up", "--force-recreate", "--no-recreate"), "--force-recreate and --no-recreate are incompatible"),
        (("up", "--scale", "web"), "invalid scale specifier: web"),
        (("up", "--scale", "web=x"), 'parsing "x": invalid syntax'),
        (("up", "nope"), "no such service: nope"),
        (("exec", "web", "true"), 'service "web" is not running'),
        (("--progress", "odd", "up", "-d"), 'unsupported --progress value "odd"'),
    ):
        result = project(*words, check=False)
        assert result.returncode == 1, words
        assert text in result.stderr
    assert project.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", ["Creating", "Created", "Starting", "Waiting"])
def test_an_up_that_is_ended_in_the_middle(project: Composed, number: int, after: str) -> None:
    """It can be said again, and `down` takes whatever is there."""
    slow = "sh -c 'sleep 0.3; touch /ok; trap \"exit 0\" TERM; while :; do sleep 0.05; done'"
    project.write(
        f"""
        services:
          db:
            image: busybox
            command: {slow}
            healthcheck: {{test: test -e /ok, interval: 100ms, retries: 100}}
            volumes: [data:/data]
          web: {{image: busybox, command: STAYS, depends_on: {{db: {{condition: service_healthy}}}}}}
        volumes: {{data: {{}}}}
        """
    )
    process = project.start("up", "-d")
    assert process.stdout is not None
    seen = b""
    while after.encode() not in seen:
        seen += os.read(process.stdout.fileno(), 65536)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    project("up", "-d")
    assert project.states() == {"bad-db-1": "running", "bad-web-1": "running"}
    project("down", "-v")
    assert project.leftovers() == []


def test_a_recreation_that_was_killed_in_the_middle(project: Composed) -> None:
    """The new container stands beside the old one, under a name for the time being."""
    deaf = "sh -c 'trap : TERM; while :; do sleep 0.05; done'"
    project.write(f'services: {{web: {{image: busybox, command: "{deaf}", stop_grace_period: 1s}}}}')
    project("up", "-d")
    process = project.start("up", "-d", "--force-recreate")
    deadline = time.monotonic() + 10
    while len(project.states()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=30)
    assert len(project.states()) == 2
    project("up", "-d")
    assert project.states() == {"bad-web-1": "running"}


def test_down_beside_up(project: Composed) -> None:
    """Two commands on one project at the same time: each ends, and the next one sets it right."""
    project.write("services: {a: {image: busybox, command: STAYS}, b: {image: busybox, command: STAYS}}")
    both = [project.start("up", "-d"), project.start("up", "-d")]
    for process in both:
        process.communicate(timeout=30)
    project("up", "-d")
    assert project.states() == {"bad-a-1": "running", "bad-b-1": "running"}
    both = [project.start("down"), project.start("down")]
    for process in both:
        process.communicate(timeout=30)
    project("down")
    assert project.leftovers() == []
