"""Docker's own `docker` command: each version that is on this machine. (The one in the venv's bin is ours.)"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

#: where distributions, downloads and `./lab test` (which unpacks a package without its daemon) put it
PLACES = (Path("/usr/bin"), Path("/usr/local/bin"), Path(__file__).resolve().parents[1] / ".venv/official/usr/bin")


@functools.cache
def official_clis() -> tuple[str, ...]:
    """One path for each version."""
    found: dict[str, str] = {}
    for place in PLACES:
        path = shutil.which("docker", path=place)
        if path:
            words = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if words.startswith("Docker version"):
                found.setdefault(words, path)
    return tuple(found.values())


def official(cli: str, host: str, *words: str, input: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Runs it against an engine. `more`: variables of its environment."""
    environment = {**os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": "/nonexistent", **more}
    return subprocess.run(
        [cli, *words], input=input, capture_output=True, text=True, timeout=60, env=environment, check=False
    )
