"""ruff and mypy --strict are tests like any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
CHECKED = ("kernel_engine", "labs", "tests", "benchmarks", "setup.py")


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", *CHECKED),
        ("ruff", "format", "--check", *CHECKED),
        ("mypy", "kernel_engine", "labs"),
    ],
    ids=("ruff-check", "ruff-format", "mypy-strict"),
)
def test_linter_is_silent(command: tuple[str, ...]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
