"""Debian's `docker-registry` beside every engine: on the machine's loopback, and on one in an engine's own network."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labs.hub.registry import DEFAULT_ADDRESS, PROGRAM, configuration
from tests.dockerd import Unavailable

#: one port in every network, so that an image has the same name everywhere
_PORT = 19970
_READY = f"import socket; socket.create_connection(('{DEFAULT_ADDRESS}', {_PORT}), 1).close()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What is pushed to `address` lies in `data`, whichever network it came through."""

    data: Path
    address: str = field(default=f"{DEFAULT_ADDRESS}:{_PORT}")

    def forget(self) -> None:
        shutil.rmtree(self.data / "registry", ignore_errors=True)


@contextlib.contextmanager
def serving(data: Path, networks: list[tuple[str, ...]]) -> Iterator[Registry]:
    """networks: for each, what a command begins with that runs in it."""
    if shutil.which(PROGRAM) is None:
        raise Unavailable(f"{PROGRAM} (package docker-registry)")
    registry = Registry(data=data)
    data.mkdir()
    config = data / "config.yml"
    config.write_text(configuration(data, listen=registry.address, read_only=False))
    processes = []
    try:
        for enter in networks:
            words = [*enter, PROGRAM, "serve", str(config)]
            processes.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            _await(enter)
        yield registry
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def _await(enter: tuple[str, ...]) -> None:
    deadline = time.monotonic() + 20
    while subprocess.run([*enter, "python3", "-Ic", _READY], stderr=subprocess.DEVNULL, check=False).returncode:
        if time.monotonic() > deadline:
            raise Unavailable(f"{PROGRAM} does not answer on port {_PORT}")
        time.sleep(0.1)
