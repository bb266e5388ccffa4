"""Overlay upper directories to layer archives and back."""

from __future__ import annotations

import os
import socket
import stat
import tarfile
from pathlib import Path

import pytest

from kernel_engine.errors import NotSupported
from kernel_engine.images.digest import EMPTY_LAYER
from kernel_engine.images.layers import Packed, copy, settle, unpack
from kernel_engine.images.layers import pack as pack_with
from tests.kernel.images.making import working
from tests.kernel.images.test_unpack import NET_RAW

AT = 1_600_000_000


async def pack(source: Path, blob: Path) -> Packed:
    async with working() as workers:
        return await pack_with(workers, source, blob)


def make_upper(root: Path) -> None:
    (root / "etc/sub").mkdir(parents=True)
    (root / "etc/file").write_bytes(b"content" * 999)
    os.chmod(root / "etc/file", 0o4640)
    os.link(root / "etc/file", root / "etc/same")
    os.symlink("../nowhere", root / "etc/soft")
    os.lchown(root / "etc/soft", 5, 6)
    os.mknod(root / "etc/gone", stat.S_IFCHR, 0)
    os.setxattr(root / "etc/sub", "trusted.overlay.opaque", b"y")
    os.setxattr(root / "etc/sub", "trusted.overlay.origin", b"whatever")
    (root / "etc/sub" / ("n" * 200)).write_text("long")
    (root / "한글").write_text("x")
    os.chown(root / "한글", 3_000_000, 4_000_000)
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(root / "pipe", 0o600)
    os.setxattr(root / "한글", "security.capability", NET_RAW)
    os.setxattr(root / "etc/file", "user.note", b"\0\n=")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "sock"))
    for folder, names, files in os.walk(root, topdown=False):
        for name in (*files, *names):
            os.utime(Path(folder) / name, (AT, AT), follow_symlinks=False)


def look(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that a layer keeps, by path."""
    found: dict[str, tuple[object, ...]] = {}
    inodes: dict[int, str] = {}
    for folder, names, files in os.walk(root):
        for name in sorted((*files, *names)):
            path = Path(folder) / name
            key = str(path.relative_to(root))
            status = path.lstat()
            first = inodes.setdefault(status.st_ino, key)
            xattrs = {k: os.getxattr(path, k, follow_symlinks=False) for k in os.listxattr(path, follow_symlinks=False)}
            xattrs.pop("trusted.overlay.origin", None)
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            target = os.readlink(path) if path.is_symlink() else ""
            more = (first, content, target, sorted(xattrs.items()), int(status.st_mtime))
            found[key] = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, *more)
    return found


async def test_there_and_back(tmp_path: Path) -> None:
    upper, root, blob = tmp_path / "upper", tmp_path / "root", tmp_path / "blob"
    upper.mkdir()
    root.mkdir()
    make_upper(upper)
    packed = await pack(upper, blob)
    async with working() as workers:
        unpacked = await unpack(workers, blob, root)
    assert (unpacked.digest, unpacked.diff_id) == (packed.digest, packed.diff_id)
    assert packed.compressed == blob.stat().st_size
    expected = look(upper)
    del expected["sock"]
    found = look(root)
    whiteout = found.pop("etc/gone")
    assert stat.S_ISCHR(int(str(whiteout[0]))) and whiteout[3] == 0
    del expected["etc/gone"]
    assert found == expected


async def test_pythons_tarfile_reads_it(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    make_upper(upper)
    await pack(upper, tmp_path / "blob")
    with tarfile.open(tmp_path / "blob", "r:gz") as archive:
        names = archive.getnames()
        members = {member.name: member for member in archive}
    assert names == sorted(names, key=lambda name: name.replace("/", "\0").replace(".wh.", ""))
    assert "etc/.wh.gone" in names and "etc/gone" not in names
    assert "etc/sub/.wh..wh..opq" in names
    assert "sock" not in names
    assert members["etc/same"].islnk() and members["etc/same"].linkname == "etc/file"
    assert members["한글"].uid == 3_000_000
    assert {member.uname for member in members.values()} == {""}


async def test_the_same_directory_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_upper(tmp_path / name)
    one = await pack(tmp_path / "one", tmp_path / "a")
    two = await pack(tmp_path / "two", tmp_path / "b")
    assert one == two
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


async def test_an_empty_directory_is_dockers_empty_layer(tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    assert (await pack(tmp_path / "upper", tmp_path / "blob")).diff_id == EMPTY_LAYER


async def test_what_an_archive_cannot_say_is_refused(tmp_path: Path) -> None:
    (tmp_path / "upper/moved").mkdir(parents=True)
    os.setxattr(tmp_path / "upper/moved", "trusted.overlay.redirect", b"/old")
    with pytest.raises(NotSupported, match="cannot commit /moved: overlayfs made it with redirect"):
        await pack(tmp_path / "upper", tmp_path / "blob")


async def test_a_directory_that_becomes_a_layer_looks_as_its_archive_unpacked(tmp_path: Path) -> None:
    """In place and copied: the same diff id and size, the same files, whatever the times and overlayfs left."""
    for name in ("taken", "copied"):
        (tmp_path / name).mkdir()
        make_upper(tmp_path / name)
        os.utime(tmp_path / name / "etc/file", ns=(1, AT * 10**9 + 999))
        os.setxattr(tmp_path / name, "trusted.overlay.impure", b"y")
    (tmp_path / "root").mkdir()
    (tmp_path / "copy").mkdir()
    packed = await pack(tmp_path / "copied", tmp_path / "blob")
    async with working() as workers:
        settled = await settle(workers, tmp_path / "taken", latest=None)
        copied = await copy(workers, tmp_path / "copied", tmp_path / "copy")
        unpacked = await unpack(workers, tmp_path / "blob", tmp_path / "root")
    assert settled == copied
    assert (settled.diff_id, settled.size) == (packed.diff_id, unpacked.size)
    assert look(tmp_path / "taken") == look(tmp_path / "copy") == look(tmp_path / "root")
    assert (tmp_path / "taken/etc/file").stat().st_mtime_ns == AT * 10**9
    assert os.listxattr(tmp_path / "taken") == []
    assert os.listxattr(tmp_path / "taken/etc/sub") == ["trusted.overlay.opaque"]


async def test_no_time_is_later_than_asked(tmp_path: Path) -> None:
    for name, when in (("one", AT + 5), ("two", AT + 77)):
        (tmp_path / name / "d").mkdir(parents=True)
        (tmp_path / name / "d/old").write_text("x")
        (tmp_path / name / "d/new").write_text("y")
        for path, at in (("d/old", AT - 9), ("d/new", when), ("d", when)):
            os.utime(tmp_path / name / path, (at, at))
    async with working() as workers:
        one = await settle(workers, tmp_path / "one", latest=AT)
        assert one == await settle(workers, tmp_path / "two", latest=AT)
    assert [int((tmp_path / "one/d" / name).stat().st_mtime) for name in ("old", "new")] == [AT - 9, AT]
