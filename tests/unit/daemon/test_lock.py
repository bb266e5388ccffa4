from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernel_engine.daemon.lock import daemon_lock, holder
from kernel_engine.errors import Conflict
from kernel_engine.paths import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    found = Instance.at(tmp_path / "root", tmp_path / "run")
    found.run.mkdir()
    return found


def test_only_one_holds_it(instance: Instance) -> None:
    assert holder(instance) == 0
    with daemon_lock(instance):
        assert holder(instance) == os.getpid()
        text = f"another daemon serves this instance .process {os.getpid()}"
        with pytest.raises(Conflict, match=text), daemon_lock(instance):
            pass
    assert holder(instance) == 0
    with daemon_lock(instance):
        pass


def test_a_holder_that_is_killed_holds_it_no_more(instance: Instance) -> None:
    code = (
        "import time\n"
        "from kernel_engine.daemon.lock import daemon_lock\n"
        "from kernel_engine.paths import Instance\n"
        f"with daemon_lock(Instance.at({str(instance.root)!r}, {str(instance.run)!r})):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert holder(instance) == process.pid
        process.kill()
        process.wait()
    assert holder(instance) == 0


def test_a_link_in_its_place_is_refused(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    instance.daemon_lock.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"), daemon_lock(instance):
        pass
    assert (tmp_path / "victim").read_text() == "precious"
