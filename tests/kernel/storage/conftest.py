"""Real overlay mounts over real layers, and moby's own way of comparing two trees as an oracle."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernel_engine.storage.snapshots import OverlayPlan
from kernel_engine.syscalls.mounts import MountFlag, UmountFlag, mount, umount2
from tests.unit.storage.conftest import Storage, storage

__all__ = ["Storage", "mounted", "naive_changes", "storage"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if os.geteuid() != 0 and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="mounting needs root"))


@contextmanager
def mounted(plan: OverlayPlan) -> Iterator[Path]:
    """The container's file system, as its process sees it."""
    home = Path.cwd()
    os.chdir(plan.base)
    try:
        mount("overlay", str(plan.target), "overlay", MountFlag(0), plan.data())
    finally:
        os.chdir(home)
    try:
        yield plan.target
    finally:
        umount2(str(plan.target), UmountFlag.MNT_DETACH)


def naive_changes(new: Path, old: Path) -> list[str]:
    """moby, pkg/archive/changes.go, FileInfo.addChanges: two whole trees, compared from the outside."""
    found: dict[str, str] = {}

    def compare(path: str, is_new: bool) -> None:
        here = set(os.listdir(f"{new}{path}"))
        there = set() if is_new or not _is_directory(f"{old}{path}") else set(os.listdir(f"{old}{path}"))
        before = len(found)
        for name in here:
            child = f"{path}/{name}"
            if name not in there:
                found[child] = "A"
            elif _looks(f"{new}{child}") != _looks(f"{old}{child}"):
                found[child] = "C"
            if _is_directory(f"{new}{child}"):
                compare(child, name not in there)
        for name in there - here:
            found[f"{path}/{name}"] = "D"
        if len(found) > before and path and path not in found:
            found[path] = "C"

    compare("", False)
    return [f"{found[path]} {path}" for path in sorted(found)]


def _is_directory(path: str) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _looks(path: str) -> tuple[object, ...]:
    status = os.lstat(path)
    try:
        capability = os.getxattr(path, "security.capability", follow_symlinks=False)
    except OSError:
        capability = b""
    content = () if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
    return (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, capability, *content)
