"""A disk that a container has filled, its bytes or its inodes.

Who waits hears of its end, others go on, what cannot be done is said in one sentence, and removing it makes room again.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.daemon import SLOWNESS, Daemon, running_daemon
from tests.faults.disks import ext4, needs_loop_devices

pytestmark = needs_root
FULL = "no space left on device"


@contextmanager
def _tmpfs(place: Path, options: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.full
def test_a_container_that_has_taken_all_of_it(busybox_mirror: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        _tmpfs(Path(directory, "root"), "size=24m"),
        running_daemon(Path(directory), (busybox_mirror,)) as engine,
    ):
        engine.docker("pull", "-q", "busybox")
        fill = "dd if=/dev/zero of=/large bs=1M; dd if=/dev/zero of=/small bs=4k; echo $?"
        assert engine.docker("run", "--name", "filler", "busybox", "sh", "-c", fill).stdout == "1\n"
        status = ("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "filler")
        assert engine.docker(*status).stdout == "exited 0\n"
        engine.docker("rm", "filler")
        assert engine.docker("ps", "-aq").stdout == ""
        assert engine.docker("run", "--rm", "busybox", "echo", "room").stdout == "room\n"


def test_a_container_that_has_taken_all_inodes(busybox_mirror: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        _tmpfs(Path(directory, "root"), "size=64m,nr_inodes=700") as disk,
    ):
        _take_all_inodes(Path(directory), disk, busybox_mirror)


@pytest.mark.full
@needs_loop_devices
def test_a_container_that_has_taken_all_inodes_of_a_disk(busybox_mirror: str) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        ext4(Path(directory, "image"), Path(directory, "root"), 64, inodes=700) as disk,
    ):
        _take_all_inodes(Path(directory), disk, busybox_mirror)


def _take_all_inodes(place: Path, disk: Path, mirror: str) -> None:
    with running_daemon(place, (mirror,)) as engine:
        engine.docker("pull", "-q", "busybox")
        engine.docker("run", "-d", "--name", "beside", "busybox", "sleep", "1000")
        fill = "i=0; while touch /$i 2>/dev/null; do i=$((i+1)); done; echo full; sleep 1000"
        engine.docker("run", "-d", "--name", "filler", "busybox", "sh", "-c", fill)
        _eventually(lambda: engine.out("logs", "filler") == "full")
        assert os.statvfs(disk).f_ffree == 0
        assert engine.out("exec", "beside", "echo", "goes on") == "goes on"
        for refused in (
            ("run", "--rm", "busybox", "true"),
            ("commit", "beside", "kept"),
            ("cp", "/etc/passwd", "beside:/"),
        ):
            assert FULL in engine.docker(*refused, check=False).stderr
        assert _names(engine) == {"beside", "filler"}
        engine.kill()
        engine.start()
        assert engine.out("exec", "beside", "echo", "goes on") == "goes on"
        engine.docker("stop", "-t", "0", "beside")
        assert FULL in engine.docker("start", "beside", check=False).stderr
        engine.docker("rm", "-f", "filler")
        _eventually(lambda: os.statvfs(disk).f_ffree > 300)
        engine.docker("start", "beside")
        assert engine.out("run", "--rm", "busybox", "echo", "room") == "room"


def _names(engine: Daemon) -> set[str]:
    return set(engine.out("ps", "-a", "--format", "{{.Names}}").split())


def _eventually(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60 * SLOWNESS
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
