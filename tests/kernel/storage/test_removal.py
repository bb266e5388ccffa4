"""Attributes that only root can give, and removing in spite of them."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest

from kernel_engine.storage.trash import remove_tree
from kernel_engine.syscalls.files import FS_IMMUTABLE_FL, FS_IOC_SETFLAGS, clear_inode_flags

from .conftest import Storage


def make_immutable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("=I", FS_IMMUTABLE_FL))
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP):
            pytest.skip("this file system has no inode flags")
        raise
    finally:
        os.close(descriptor)


def test_immutable_files_and_directories(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub/deeper").mkdir(parents=True)
    (tree / "sub/file").touch()
    (tree / "sub/deeper/file").touch()
    for path in ("sub/file", "sub/deeper", "sub", "."):
        make_immutable(tree / path)
    remove_tree(str(tree), str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_clearing_flags_tells_whether_there_were_any(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    make_immutable(file)
    assert clear_inode_flags(str(file))
    assert not clear_inode_flags(str(file))


async def test_a_snapshot_whose_files_a_privileged_container_made_immutable(storage: Storage) -> None:
    await storage.snapshots.create("c", None)
    upper = storage.snapshots.upper("c")
    (upper / "sub").mkdir(mode=0)
    (upper / "sub/file").touch(mode=0)
    for path in ("sub/file", "sub", "."):
        make_immutable(upper / path)
    await storage.snapshots.remove("c")
    await storage.layers.trash.emptied()
    assert storage.on_disk() == {"layers/0.init"}


async def test_a_snapshot_that_is_still_mounted_in_a_container_can_be_removed(storage: Storage) -> None:
    """The mount of a container that is just ending goes with its namespace, perhaps a little later."""
    await storage.layer("a", hello="world")
    await storage.snapshots.create("c", "a")
    plan = storage.snapshots.rootfs("c")
    script = 'mount -t overlay overlay -o "$1" "$2" && cd "$2" && echo mine > mine && echo ready && read line'
    with subprocess.Popen(
        ("unshare", "--mount", "sh", "-c", script, "sh", plan.data(), str(plan.target)),
        cwd=plan.base,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as container:
        assert container.stdout is not None
        assert container.stdout.readline() == b"ready\n"
        assert storage.snapshots.size("c") == 5
        await storage.snapshots.remove("c")
        await storage.layers.remove("a")
        await storage.layers.trash.emptied()
        assert storage.on_disk() == set()
        container.communicate(b"\n")


async def test_implied_directories_look_as_those_beneath(storage: Storage) -> None:
    staged = storage.layers.stage()
    (staged / "var/lib").mkdir(parents=True)
    os.chmod(staged / "var/lib", 0o2770)
    os.chown(staged / "var", 7, 8)
    os.setxattr(staged / "var", "user.note", b"kept")
    os.setxattr(staged / "var", "trusted.overlay.opaque", b"y")
    for path in ("var/lib", "var"):
        os.utime(staged / path, ns=(5_000_000_000, 6_000_000_000))
    await storage.layers.commit(staged, chain_id="a", parent=None, diff_id="d", size=0)
    staged = storage.layers.stage()
    (staged / "var/lib/new").mkdir(parents=True)
    (staged / "opt").mkdir()
    implied = ("var", "var/lib", "opt")
    await storage.layers.commit(staged, chain_id="b", parent="a", diff_id="d", size=0, implied=implied)
    var, lib = ((storage.layers.path("b") / path).stat() for path in ("var", "var/lib"))
    assert (var.st_uid, var.st_gid, lib.st_mode & 0o7777) == (7, 8, 0o2770)
    assert (var.st_mtime_ns, lib.st_mtime_ns) == (6_000_000_000, 6_000_000_000)
    assert os.getxattr(storage.layers.path("b") / "var", "user.note") == b"kept"
    assert "trusted.overlay.opaque" not in os.listxattr(storage.layers.path("b") / "var")


async def test_an_implied_path_through_a_link_of_the_parent_is_not_followed(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "outside/lib").mkdir(parents=True)
    (tmp_path / "outside/lib").chmod(0o700)
    staged = storage.layers.stage()
    (staged / "usr").symlink_to(tmp_path / "outside")
    await storage.layers.commit(staged, chain_id="a", parent=None, diff_id="d", size=0)
    staged = storage.layers.stage()
    (staged / "usr/lib").mkdir(parents=True)
    await storage.layers.commit(staged, chain_id="b", parent="a", diff_id="d", size=0, implied=("usr", "usr/lib"))
    assert (storage.layers.path("b") / "usr/lib").stat().st_mode & 0o777 == 0o755
