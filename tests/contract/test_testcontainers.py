"""Testcontainers for Python, the library that people's own tests start containers with, does its ordinary work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.daemon import Daemon

pytestmark = [needs_root, pytest.mark.full]
PROGRAM = Path(__file__).with_name("testcontainers_program.py")


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python with the library, in an environment of its own: nothing else here needs it."""
    place = tmp_path_factory.mktemp("testcontainers")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    command = [place / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "-q", "testcontainers>=4.9"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs testcontainers of PyPI: {done.stderr.strip().splitlines()[-1:]}")
    return str(place / "bin/python")


def test_its_ordinary_work(daemon: Daemon, interpreter: str, tmp_path: Path) -> None:
    environment = {**os.environ, "DOCKER_HOST": daemon.host, "HOME": str(tmp_path)}
    done = subprocess.run(
        [interpreter, PROGRAM], capture_output=True, text=True, timeout=240, env=environment, check=False
    )
    assert done.stdout.split() == ["logs", "port", "exec", "network", "stopped"], done.stderr
    assert daemon.docker("ps", "-aq").stdout == ""
    assert "testcontainers" not in daemon.docker("network", "ls").stdout
