from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.daemon import cleanup
from kernel_engine.daemon.cleanup import helper_processes, mounts_beneath
from kernel_engine.paths import Instance

MOUNTS = r"""
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /var/lib/kernel-engine rw - tmpfs none rw
31 30 0:41 / /var/lib/kernel-engine/a\040b rw - tmpfs none rw
32 22 0:42 / /var/lib/kernel-engine-2 rw - tmpfs none rw
33 22 0:43 / /run/kernel-engine/x\134y rw shared:1 - tmpfs none rw
""".strip()


def test_mounts_innermost_first_and_no_neighbours() -> None:
    places = (Path("/var/lib/kernel-engine"), Path("/run/kernel-engine"))
    assert mounts_beneath(MOUNTS, places) == (
        "/run/kernel-engine/x\\y",
        "/var/lib/kernel-engine/a b",
    )


def test_helpers_are_told_apart_by_their_run_directory(tmp_path: Path) -> None:
    mine, other = Instance.at(tmp_path / "a", tmp_path / "run"), Instance.at(tmp_path / "a", tmp_path / "run2")
    words = [
        "-c",
        "import time; print(flush=True); time.sleep(60)",
        "kernel_engine.runtime.launcher",
        "--run",
        str(mine.run),
    ]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert helper_processes(mine) == ((process.pid, "kernel_engine.runtime.launcher"),)
            assert helper_processes(other) == ()
        finally:
            process.kill()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Whatever becomes of deep trees in it: pytest itself could not remove them."""
    yield tmp_path
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def test_a_directory_of_any_depth(place: Path) -> None:
    """A container may have nested directories deeper than any path, or than Python's stack."""
    root = place / "root"
    root.mkdir()
    directory = os.open(root, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("deep", dir_fd=directory)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = deeper
    os.close(directory)
    cleanup._remove_directory(root)
    assert not root.exists()
