"""`docker build` as a learner types it: from the folder to the image, and back to the line that failed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import REPOSITORY, Daemon
from tests.engine.test_life import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(
        'FROM busybox\nARG WHO=world\nRUN echo "hello $WHO" > /said\nCMD ["cat", "/said"]\n'
    )
    return tmp_path


def ids(daemon: Daemon) -> set[str]:
    return set(daemon.out("images", "-aq", "--no-trunc").split())


def test_from_a_folder_to_a_running_container(clean: Daemon, folder: Path) -> None:
    out = clean.out("build", "-t", "said", "-t", "said:2", str(folder))
    assert out.startswith("Sending build context to Docker daemon  2.048kB\nStep 1/4 : FROM busybox\n ---> ")
    assert out.endswith("Successfully tagged said:latest\nSuccessfully tagged said:2")
    assert clean.out("run", "--rm", "said:2") == "hello world"
    out = clean.out("build", "--build-arg", "WHO=you", "--progress", "plain", str(folder))
    assert "다시 했어요: 빌드 인자가 달라졌어요 (WHO)" in out
    again = clean.out("build", "--progress", "plain", "-t", "said", str(folder))
    assert again.count("캐시를 썼어요") == 3
    assert again.count(" ---> Using cache") == 3


def test_quiet_and_the_id_in_a_file(clean: Daemon, folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "iid"
    printed = clean.out("build", "-q", "--iidfile", str(kept), str(folder))
    assert printed == kept.read_text() == json.loads(clean.out("image", "inspect", printed))[0]["Id"]


def test_dockerfiles_from_elsewhere(clean: Daemon, folder: Path, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN echo x\n"
    (tmp_path / "elsewhere").write_text(text)
    context = tmp_path / "context"
    context.mkdir()
    first = clean.out("build", "-q", "-f", str(tmp_path / "elsewhere"), str(context))
    assert clean.out("build", "-q", "-", input=text) == first
    assert clean.out("build", "-q", "-f", "-", str(context), input=text) == first


def test_the_line_that_failed(clean: Daemon, folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM busybox\n\nRUN echo a \\\n  && exit 7\nCMD x\n")
    before = ids(clean)
    done = clean.docker("build", "-t", "never", str(folder), check=False)
    assert done.returncode == 7
    assert done.stderr == (
        "The command '/bin/sh -c echo a   && exit 7' returned a non-zero code: 7\n"
        "Dockerfile:3\n--------------------\n   2 |     \n   3 | >>> RUN echo a \\\n   4 | >>>   && exit 7\n"
        "   5 |     CMD x\n--------------------\n"
    )
    assert ids(clean) == before
    assert clean.out("ps", "-aq") == ""
    (folder / "Dockerfile").write_text("FROM busybox\nRUNN x\n")
    done = clean.docker("build", str(folder), check=False)
    assert done.returncode == 1
    assert "unknown instruction: RUNN" in done.stderr
    assert "\n   2 | >>> RUNN x\n" in done.stderr
    (folder / "Dockerfile").write_text("FROM nowhere.invalid/nothing:1\n")
    done = clean.docker("build", str(folder), check=False)
    assert done.returncode == 1
    assert "nowhere.invalid" in done.stderr
    assert "   1 | >>> FROM nowhere.invalid/nothing:1\n" in done.stderr


def test_ctrl_c_ends_the_build_and_its_container(clean: Daemon, folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM busybox\nRUN echo begun && sleep 1000\n")
    before = ids(clean)
    child = subprocess.Popen(
        [sys.executable, "-m", "kernel_engine.cli.main", "-H", clean.host, "build", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line == "begun\n":
            break
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    child.stdout.close()
    until(lambda: not sleeping(clean))
    assert ids(clean) == before
    assert clean.out("ps", "-aq") == ""


def sleeping(daemon: Daemon) -> bool:
    """Whether the RUN's program is still there."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words, groups = (path / "cmdline").read_bytes(), (path / "cgroup").read_text()
        except OSError:
            continue
        if words == b"sleep\0001000\0" and daemon.instance.cgroup in groups:
            return True
    return False


def test_a_folder_that_is_long_to_send_is_not_held_in_memory(clean: Daemon, folder: Path) -> None:
    with open(folder / "big", "wb") as file:
        file.truncate(200_000_000)
    (folder / "Dockerfile").write_text("FROM busybox\n")
    program = (
        "from kernel_engine.cli.main import main\n"
        f"main(['-H', {clean.host!r}, 'build', '-q', {str(folder)!r}])\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=120
    )
    kilobytes = int(done.stdout.split()[-2])
    assert kilobytes < 40_000
