"""A disk that a container has filled: who waits hears of its end, and removing it makes room again."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.daemon import running_daemon

pytestmark = [needs_root, pytest.mark.full]


def test_a_container_that_has_taken_all_of_it(busybox_mirror: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as directory:
        place = Path(directory)
        (place / "root").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(place / "root")], check=True)
        try:
            with running_daemon(place, (busybox_mirror,)) as engine:
                engine.docker("pull", "-q", "busybox")
                fill = "dd if=/dev/zero of=/large bs=1M; dd if=/dev/zero of=/small bs=4k; echo $?"
                assert engine.docker("run", "--name", "filler", "busybox", "sh", "-c", fill).stdout == "1\n"
                status = ("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "filler")
                assert engine.docker(*status).stdout == "exited 0\n"
                engine.docker("rm", "filler")
                assert engine.docker("ps", "-aq").stdout == ""
                assert engine.docker("run", "--rm", "busybox", "echo", "room").stdout == "room\n"
        finally:
            subprocess.run(["umount", "-l", str(place / "root")], check=True)
