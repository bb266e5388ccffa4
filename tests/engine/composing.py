"""A compose project of a test's own: its files in a directory, and `docker compose` on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.daemon import REPOSITORY, Daemon

#: a service's command that runs until it is told to stop, and then stops at once
STAYS = "sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.05; done'"
#: the beginning of our command line, before a command's name
COMPOSE = (sys.executable, "-m", "kernel_engine.compose.main")


@dataclass(frozen=True, slots=True)
class Composed:
    """`project(...)` runs our command in the project's directory."""

    daemon: Daemon
    directory: Path
    name: str

    def write(self, text: str, file: str = "compose.yaml") -> None:
        (self.directory / file).write_text(textwrap.dedent(text).replace("STAYS", STAYS))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DOCKER_HOST": self.daemon.host,
            "COMPOSE_PROJECT_NAME": self.name,
            "PYTHONPATH": str(REPOSITORY),
        }

    def __call__(
        self, *words: str, check: bool = True, program: tuple[str, ...] = COMPOSE, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Without a terminal. With `check` a failure shows what it printed."""
        result = subprocess.run(
            [*program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.directory,
            env={**self.environment, **more},
            check=False,
        )
        if check:
            printed = f"{result.returncode}\n{result.stdout}{result.stderr}"
            assert result.returncode == 0, f"compose {' '.join(words)}: {printed}"
        return result

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """The same in the background, its output in one pipe."""
        return subprocess.Popen(
            [*COMPOSE, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.directory,
            env={**self.environment, **more},
        )

    def containers(self) -> dict[str, dict[str, Any]]:
        """Name → the entry of GET /containers/json, of all of the project."""
        filters = json.dumps({"label": [f"com.docker.compose.project={self.name}"]})
        found = self.daemon.api.get("/containers/json", query={"all": "1", "filters": filters}).json()
        return {item["Names"][0][1:]: item for item in found}

    def states(self) -> dict[str, str]:
        return {name: item["State"] for name, item in sorted(self.containers().items())}

    def ids(self) -> dict[str, str]:
        return {name: item["Id"] for name, item in self.containers().items()}

    def run(self, service: str, *command: str) -> str:
        """What a command in the service's container prints."""
        return self("exec", service, *command).stdout.rstrip("\n")

    def leftovers(self) -> list[str]:
        """What the engine still has of the project."""
        filters = json.dumps({"label": [f"com.docker.compose.project={self.name}"]})
        api = self.daemon.api
        networks = [item["Name"] for item in api.get("/networks", query={"filters": filters}).json()]
        volumes = [item["Name"] for item in api.get("/volumes", query={"filters": filters}).json()["Volumes"] or ()]
        return [*self.containers(), *networks, *volumes]


@contextmanager
def composed(daemon: Daemon, directory: Path, name: str) -> Iterator[Composed]:
    """Whatever the test leaves of the project is removed."""
    project = Composed(daemon, directory, name)
    try:
        yield project
    finally:
        for container in project.containers().values():
            daemon.api.delete(f"/containers/{container['Id']}", query={"force": "1", "v": "1"})
        project("-p", name, "down", "-v", "--remove-orphans", check=False)
        assert project.leftovers() == []
