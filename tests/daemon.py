"""An engine instance of a test's own: a real daemon on its own root and run directories, and ways to speak to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernel_engine.client import Client
from kernel_engine.client.client import API_VERSION
from kernel_engine.client.failures import APIError
from kernel_engine.client.response import Response
from kernel_engine.paths import Instance
from tests import docker_schema

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = (sys.executable, "-m", "kernel_engine.daemon")
#: by how much longer everything may take: a machine in software emulation says so of itself
SLOWNESS = float(os.environ.get("DOCKER_LABS_SLOWNESS") or 1)


class JudgingClient(Client):
    """The light client, for which an answer that Docker's definition does not allow is a failed test."""

    def request(self, method: str, path: str, **more: Any) -> Response:
        try:
            response = super().request(method, path, **more)
        except APIError as error:
            self._judge_status(method, path, error.status)
            raise
        operation = self._judge_status(method, path, response.status)
        if operation is not None and "content-length" in response.headers and method != "HEAD":
            data = response.read()
            if response.headers.get("content-type") == "application/json" and self.version == API_VERSION:
                faults = operation.faults(response.status, json.loads(data))
                assert not faults, "\n".join(faults)
            response._pieces = iter((data,))
        return response

    def _judge_status(self, method: str, path: str, status: int) -> docker_schema.Operation | None:
        operation = docker_schema.find(method, path)
        assert operation is None or operation.lists(status) or status == 501, f"{method} {path}: {status}"
        return operation


@dataclass(slots=True)
class Daemon:
    """`docker(...)` runs our command as a learner would; `api` is the light client; `program` is `kernel-engine`."""

    instance: Instance
    mirrors: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    extra: tuple[str, ...] = ()
    program: tuple[str, ...] = PROGRAM
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"unix://{self.instance.socket}"

    @property
    def api(self) -> Client:
        """Its answers are held against Docker's definition of the API, whatever a test looks at."""
        return JudgingClient(self.host)

    @property
    def log(self) -> Path:
        return self.instance.run.with_suffix(".log")

    def start(self) -> None:
        words = [*self.program, "serve", *self.places(), *self.extra]
        for mirror in self.mirrors:
            words += ["--registry-mirror", mirror]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=REPOSITORY)
        self.wait_until_serving()

    def wait_until_serving(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds * SLOWNESS
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                break
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.instance.socket))
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the daemon does not serve:\n{self.log.read_text()}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30 * SLOWNESS)
            self.process = None

    def kill(self) -> None:
        """kill -9, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10 * SLOWNESS)
        self.process = None

    def cleanup(self) -> None:
        words = [*self.program, "cleanup", *self.places(), "--all"]
        subprocess.run(words, check=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL, timeout=120 * SLOWNESS)

    def places(self) -> tuple[str, ...]:
        return ("--root", str(self.instance.root), "--run", str(self.instance.run))

    def docker(
        self, *words: str, input: str | None = None, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Our `docker`, without a terminal. With `check` a failure shows what it printed."""
        result = subprocess.run(
            [sys.executable, "-m", "kernel_engine.cli.main", *words],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout * SLOWNESS,
            cwd=REPOSITORY,
            env={**os.environ, "DOCKER_HOST": self.host, **self.environment},
            check=False,
        )
        if check:
            assert result.returncode == 0, (
                f"docker {' '.join(words)}: {result.returncode}\n{result.stdout}{result.stderr}"
            )
        return result

    def out(self, *words: str, input: str | None = None) -> str:
        """What it printed, without the last newline."""
        return self.docker(*words, input=input).stdout.rstrip("\n")

    def inspect(self, name: str) -> Any:
        return json.loads(self.out("inspect", name))[0]


@contextmanager
def running_daemon(
    directory: Path, mirrors: tuple[str, ...], *extra: str, program: tuple[str, ...] = PROGRAM
) -> Iterator[Daemon]:
    """Serves on `directory`; everything of the instance is removed at the end, whatever happened."""
    daemon = Daemon(Instance.at(directory / "root", directory / "run"), mirrors, extra=extra, program=program)
    try:
        daemon.start()
        yield daemon
    finally:
        try:
            if daemon.process is not None:
                daemon.stop()
        finally:
            daemon.cleanup()
