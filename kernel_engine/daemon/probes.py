"""What both doctors' checks ask of the machine: a command that is tried, a program that is looked for, a sysctl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def tried(*command: str) -> str | None:
    """None when it succeeds, else what it said."""
    environment = {"PATH": _PATH, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def has_program(name: str) -> bool:
    return shutil.which(name, path=_PATH) is not None


def number(path: Path, otherwise: int) -> int:
    """Of a sysctl that a kernel may not have."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return otherwise
