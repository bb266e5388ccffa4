"""Small disks for an engine: an ext4 file system in a file, to be filled, and to be copied while it is in use."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

_STEP = 4096


def _refusal() -> str:
    """Why no disk can be made here; "" where it can."""
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        return "needs root and mkfs.ext4"
    found = subprocess.run(("losetup", "-f"), capture_output=True, text=True, check=False)
    return "" if not found.returncode else f"needs loop devices: {found.stderr.strip()}"


needs_loop_devices = pytest.mark.skipif(bool(_refusal()), reason=_refusal() or "loop devices are there")


@contextmanager
def ext4(image: Path, place: Path, megabytes: int, *, inodes: int = 0) -> Iterator[Path]:
    """A new file system in the file `image`, mounted at `place`. inodes: how many files it can hold; 0 = as usual."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    few = ("-N", str(inodes)) if inodes else ()
    _run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^resize_inode", *few, str(image))
    with mounted(image, place):
        yield place


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        _run("umount", "-l", str(place))


def cut_off(image: Path, copy: Path) -> None:
    """What a power cut at this moment leaves of a disk: what the kernel has written to it so far, and no more. The copy
    is read beneath the file system that is mounted, so nothing is flushed for it."""
    _run("cp", "--sparse=always", "--reflink=never", str(image), str(copy))
    found = subprocess.run(("e2fsck", "-p", "-f", str(copy)), capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stdout  # 1: the journal was replayed


@contextmanager
def filled(disk: Path, left: int = 0) -> Iterator[None]:
    """All but `left` bytes of the disk are somebody else's."""
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    try:
        room = os.statvfs(disk)
        for size in (room.f_bavail * room.f_bsize, 1 << 20, 1 << 16, _STEP):
            _grow(descriptor, size)
        if left:
            os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size - left))
        os.fsync(descriptor)
        yield
    finally:
        os.close(descriptor)
        ballast.unlink()


@contextmanager
def crammed(database: Path) -> Iterator[None]:
    """The records' disk is full, and their journal has lost the place that it had: nothing can be written."""
    with closing(sqlite3.connect(database, timeout=60)) as records:
        busy, *_ = records.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
    with filled(database.resolve().parent):
        yield


def _grow(descriptor: int, step: int) -> None:
    while True:
        size = os.fstat(descriptor).st_size
        try:
            os.posix_fallocate(descriptor, size, step)
        except OSError:
            os.ftruncate(descriptor, size)
            return


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=120)
