"""Other composes on our socket: they make of a file what we make of it, and each works on the other's projects."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.engine.composing import Composed, composed

FILE = """
    version: "3.8"
    services:
      web:
        image: busybox
        command: STAYS
        environment: {WORD: "one"}
        ports: ["127.0.0.1::80"]
        networks: {front: {}, back: {aliases: [site]}}
        volumes: ["data:/data", "./here:/here:ro"]
        depends_on: [db]
        restart: unless-stopped
        labels: {mine: "yes"}
        mem_limit: 64m
        stop_grace_period: 3s
      db:
        image: busybox
        command: STAYS
        networks: [back]
        healthcheck: {test: ["CMD", "true"], interval: 200ms}
    networks: {front: {}, back: {}}
    volumes: {data: {}}
    """
#: Debian's package of the last release in Python
OLD = "/usr/bin/docker-compose"
#: the one in Go, where it is installed
NEW = os.environ.get("DOCKER_COMPOSE_2") or "/usr/libexec/docker/cli-plugins/docker-compose"


def _is_old() -> bool:
    if not os.access(OLD, os.X_OK):
        return False
    printed = subprocess.run([OLD, "version", "--short"], capture_output=True, text=True, check=False).stdout
    return printed.startswith("1.29")


needs_old = pytest.mark.skipif(not _is_old(), reason="needs docker-compose 1.29 (Debian bookworm's package)")
needs_new = pytest.mark.skipif(
    not os.access(NEW, os.X_OK),
    reason="needs Docker Compose 2 (Debian trixie's package docker-compose)",
)
BOTH = [pytest.param((OLD,), id="1.29", marks=needs_old),
        pytest.param((NEW,), id="2", marks=needs_new)]  # fmt: skip


@pytest.fixture
def project(daemon: Daemon, tmp_path: Path) -> Iterator[Composed]:
    with composed(daemon, tmp_path, "mixed") as made:
        made.write(FILE)
        (tmp_path / "here").mkdir()
        yield made


def facts(project: Composed) -> dict[str, Any]:
    """What a project's containers are, apart from what differs between any two runs and the names."""
    found = {}
    for name in project.containers():
        item = project.daemon.inspect(name)
        marks, host = item["Config"]["Labels"], item["HostConfig"]
        found[f"{marks['com.docker.compose.service']} {marks['com.docker.compose.container-number']}"] = {
            "state": item["State"]["Status"],
            "command": item["Config"]["Cmd"],
            "environment": sorted(item["Config"]["Env"]),
            "own label": marks.get("mine"),
            "project": marks["com.docker.compose.project"],
            "oneoff": marks["com.docker.compose.oneoff"],
            "directory": marks["com.docker.compose.project.working_dir"],
            "memory": host["Memory"],
            "restart": host["RestartPolicy"]["Name"] or "no",
            "grace": item["Config"].get("StopTimeout"),
            "check": (item["Config"].get("Healthcheck") or {}).get("Test"),
            "ports": {port: [at["HostIp"] for at in places or ()]
                      for port, places in item["NetworkSettings"]["Ports"].items()},
            "mounts": sorted((mount["Type"], mount.get("Name") or mount["Source"], mount["Destination"], mount["RW"])
                             for mount in item["Mounts"]),
            "networks": {
                network: sorted({alias for alias in endpoint["Aliases"] or () if alias in ("web", "db", "site")})
                for network, endpoint in item["NetworkSettings"]["Networks"].items()
            },
        }  # fmt: skip
    return found


@pytest.mark.parametrize("other", BOTH)
def test_the_same_file_makes_the_same(project: Composed, other: tuple[str, ...]) -> None:
    project("up", "-d")
    ours = facts(project)
    project("down", "-v")
    project("up", "-d", program=other)
    assert facts(project) == ours
    project("down", "-v", program=other)
    assert project.leftovers() == []


@pytest.mark.parametrize("other", BOTH)
def test_the_other_one_works_on_our_project(project: Composed, other: tuple[str, ...]) -> None:
    project("up", "-d")
    listed = project("ps", program=other).stdout
    assert "mixed-web-1" in listed
    assert "mixed-db-1" in listed
    assert project("exec", "-T", "web", "sh", "-c", "echo $WORD", program=other).stdout == "one\n"
    assert project("logs", program=other).returncode == 0
    project("stop", program=other)
    assert set(project.states().values()) == {"exited"}
    project("start", program=other)
    project("up", "-d", program=other)
    assert set(project.states().values()) == {"running"}
    project("down", "-v", program=other)
    assert project.leftovers() == []


@pytest.mark.parametrize("other", BOTH)
def test_we_work_on_the_other_ones_project(project: Composed, other: tuple[str, ...]) -> None:
    project("up", "-d", program=other)
    project.daemon.docker("exec", next(name for name in project.states() if "web" in name), "touch", "/data/kept")
    assert [line.split()[0] for line in project("ps").stdout.splitlines()[1:]] == list(project.states())
    assert project("exec", "web", "sh", "-c", "echo $WORD").stdout == "one\n"
    project("up", "-d")
    # made anew under our names, on the same volume and in the same networks
    assert project.states() == {"mixed-db-1": "running", "mixed-web-1": "running"}
    assert project("exec", "web", "ls", "/data").stdout == "kept\n"
    project("down", "-v")
    assert project.leftovers() == []


def test_what_1_29_left_is_ours(project: Composed) -> None:
    """Its names and labels, without it: `project_service_1` is found by its labels, made anew and taken down."""
    marks = {
        "com.docker.compose.config-hash": "a" * 64,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.project": "mixed",
        "com.docker.compose.project.config_files": "compose.yaml",
        "com.docker.compose.project.working_dir": str(project.directory),
        "com.docker.compose.service": "db",
        "com.docker.compose.version": "1.29.2",
    }
    words = [word for key, value in marks.items() for word in ("--label", f"{key}={value}")]
    project.daemon.docker("run", "-d", "--name", "mixed_db_1", *words, "busybox", "sleep", "1000")
    assert "mixed_db_1" in project("ps").stdout
    assert project("exec", "db", "echo", "x").stdout == "x\n"
    project("up", "-d", "-t", "0", "db")
    assert project.states() == {"mixed-db-1": "running"}
    project("down", "-v")
    assert project.leftovers() == []


def test_docker_compose_is_the_same_command(project: Composed) -> None:
    """The learner's `docker-compose`, as set-up installs it."""
    script = Path(shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or "")
    if not script.is_file():
        pytest.skip("needs docker-compose of this environment: pip install -e .")
    project("up", "-d", program=(str(script),))
    assert project.states() == {"mixed-db-1": "running", "mixed-web-1": "running"}
    assert project("version", program=(str(script),)).stdout.startswith("Docker Compose version v")
    project("down", "-v", program=(str(script),))
    assert project.leftovers() == []
