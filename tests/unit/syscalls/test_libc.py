"""The choke point records, raises, and names the line that asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernel_engine.syscalls import cgroupfs, mounts, process
from kernel_engine.syscalls.mounts import ResolveFlag
from kernel_engine.syscalls.trace import Trace, recording


def test_a_failure_is_an_oserror_and_a_step() -> None:
    with recording(Trace("test")) as trace, pytest.raises(OSError, match="No such file") as caught:
        mounts.mount("none", "/no/such/place", "tmpfs")
    assert caught.value.filename == "/no/such/place"
    (step,) = trace.steps
    assert (step.name, step.result, step.ok, step.pid) == ("mount", "ENOENT", False, os.getpid())
    assert step.arguments == "none → /no/such/place type tmpfs"
    assert step.source.startswith("test_libc.py:")


def test_without_a_trace_nothing_is_recorded() -> None:
    trace = Trace("test")
    with recording(trace):
        pass
    fd = process.pidfd_open(os.getpid())
    os.close(fd)
    assert trace.steps == ()


def test_results_are_shown() -> None:
    with recording(Trace("test")) as trace:
        fd = process.pidfd_open(os.getpid())
        os.close(fd)
    assert trace.steps[0].result == str(fd)


def test_writes_are_recorded_with_their_value(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with recording(Trace("test")) as trace:
        cgroupfs.write(f"{tmp_path}/file", "42")
        with pytest.raises(FileNotFoundError):
            cgroupfs.write(f"{tmp_path}/nosuch", "1")
    assert cgroupfs.read(f"{tmp_path}/file") == "42"
    assert [(step.name, step.result) for step in trace.steps] == [("write", "0"), ("write", "ENOENT")]
    assert trace.steps[0].arguments == f"{tmp_path}/file 42"


def test_openat2_stays_in_its_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("inside")
    (tmp_path / "link").symlink_to("/etc/passwd")
    root = os.open(tmp_path, os.O_PATH)
    fd = mounts.openat2(root, "/link", os.O_RDONLY, ResolveFlag.RESOLVE_IN_ROOT)
    assert os.read(fd, 100) == b"inside"
    os.close(fd)
    os.close(root)
