"""Layer archives to directories, by the real worker process."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel_engine.errors import CorruptData, EngineError, NoSpace
from kernel_engine.images import layers
from kernel_engine.images.layers import Unpacked, unpack
from kernel_engine.images.tar_reader import Stream, TarReader
from kernel_engine.images.unpack import Unpacker
from tests.kernel.images.making import device, digest, directory, file, link, tar, working

#: cap_net_raw+ep, as the kernel keeps it (linux/capability.h, version 2)
NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


async def unpacked(target: Path, data: bytes) -> Unpacked:
    target.mkdir(exist_ok=True)
    blob = target.parent / "blob"
    blob.write_bytes(data)
    async with working() as workers:
        return await unpack(workers, blob, target)


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


async def test_everything_that_an_entry_says(tmp_path: Path) -> None:
    at = 1_600_000_000
    root = tmp_path / "root"
    data = tar(
        directory("home", mode=0o1777, uid=7, gid=8, mtime=at),
        file("home/plain", b"text", mode=0o640, uid=1000, gid=1001, mtime=at + 0.5),
        file("home/setuid", b"#!", mode=0o4755, mtime=at),
        file("home/theirs", b"#!", mode=0o6711, uid=5, mtime=at),
        link("home/soft", "plain", uid=9, mtime=at),
        link("home/hard", "home/plain", hard=True, mode=0o640, uid=1000, gid=1001, mtime=at + 0.5),
        device("null", tarfile.CHRTYPE, 1, 3, mode=0o666),
        device("loop", tarfile.BLKTYPE, 7, 0, mode=0o660, gid=6),
        device("pipe", tarfile.FIFOTYPE, mode=0o600),
        file("cap", b"x", pax_headers={"SCHILY.xattr.security.capability": NET_RAW.decode("latin-1")}),
        file("attr", b"x", pax_headers={"SCHILY.xattr.user.note": "값"}),
    )
    found = await unpacked(root, data)
    plain = (root / "home/plain").stat()
    assert (plain.st_mode, plain.st_uid, plain.st_gid) == (stat.S_IFREG | 0o640, 1000, 1001)
    assert (plain.st_mtime, plain.st_nlink) == (at + 0.5, 2)
    home = (root / "home").stat()
    assert (home.st_mode & 0o7777, home.st_uid, home.st_gid, home.st_mtime) == (0o1777, 7, 8, at)
    assert (root / "home/setuid").stat().st_mode & 0o7777 == 0o4755
    assert (root / "home/theirs").stat().st_mode & 0o7777 == 0o6711
    soft = (root / "home/soft").lstat()
    assert (os.readlink(root / "home/soft"), soft.st_uid, soft.st_mtime) == ("plain", 9, at)
    null, loop, pipe = ((root / name).lstat() for name in ("null", "loop", "pipe"))
    assert (null.st_mode, null.st_rdev) == (stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert (loop.st_mode, loop.st_rdev, loop.st_gid) == (stat.S_IFBLK | 0o660, os.makedev(7, 0), 6)
    assert pipe.st_mode == stat.S_IFIFO | 0o600
    assert os.getxattr(root / "attr", "user.note") == "값".encode()
    assert (found.size, found.implied) == (4 + 2 + 2 + 5 + 1 + 1, ())


async def test_what_a_hard_link_says_counts_too(tmp_path: Path) -> None:
    """As Docker has it: the last header of a file decides."""
    root = tmp_path / "root"
    await unpacked(
        root,
        tar(
            file("first", b"text", mode=0o644, uid=3, mtime=5),
            link("soft", "first", uid=3),
            link("second", "first", hard=True, mode=0o4711, uid=4, gid=5, mtime=9),
            link("soft2", "soft", hard=True, mode=0o600, uid=8),
        ),
    )
    first, soft = (root / "first").lstat(), (root / "soft").lstat()
    assert (first.st_mode, first.st_uid, first.st_gid, first.st_mtime) == (stat.S_IFREG | 0o4711, 4, 5, 9)
    assert (first.st_nlink, first.st_ino) == (2, (root / "second").lstat().st_ino)
    assert (os.readlink(root / "soft2"), soft.st_uid, stat.S_ISLNK(soft.st_mode)) == ("first", 8, True)


async def test_capabilities_survive(tmp_path: Path) -> None:
    # tarfile cannot write binary PAX values: GNU tar's own file
    source = tmp_path / "source"
    source.mkdir()
    (source / "ping").write_bytes(b"#!")
    os.setxattr(source / "ping", "security.capability", NET_RAW)
    os.chown(source / "ping", 3, 4)
    os.setxattr(source / "ping", "security.capability", NET_RAW)
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "-cf", tmp_path / "t", "-C", source, "."], check=True)
    await unpacked(tmp_path / "root", (tmp_path / "t").read_bytes())
    assert os.getxattr(tmp_path / "root/ping", "security.capability") == NET_RAW


async def test_digests_of_both_sides(tmp_path: Path) -> None:
    data = tar(file("a", b"x" * 5000))
    packed = gzip.compress(data) + b""
    found = await unpacked(tmp_path / "root", packed)
    assert (found.digest, found.diff_id) == (digest(packed), digest(data))


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, bytes], ids=["gzip", "bzip2", "xz", "plain"]
)
async def test_compressions(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    found = await unpacked(tmp_path / "root", pack(tar(file("a", b"x" * 5000))))
    assert (tmp_path / "root/a").read_bytes() == b"x" * 5000
    assert found.diff_id == digest(tar(file("a", b"x" * 5000)))


async def test_gzip_in_several_members(tmp_path: Path) -> None:
    data = tar(file("a", os.urandom(9000)))
    packed = gzip.compress(data[:4000]) + gzip.compress(data[4000:])
    assert (await unpacked(tmp_path / "root", packed)).diff_id == digest(data)


async def test_whiteouts_and_opaque_directories(tmp_path: Path) -> None:
    root = tmp_path / "root"
    await unpacked(
        root,
        tar(
            file(".wh.gone"),
            file("etc/.wh.passwd"),
            directory("var"),
            file("var/.wh..wh..opq"),
            file("var/new", b"n"),
            file("kept", b"k"),
            file(".wh.kept"),  # hides what is beneath, not its own layer's
            directory("same"),
            file("same/inside"),
            file(".wh.same"),
            file(".wh.later"),
            directory("later"),
            file(".wh.deep"),
            file("deep/inside"),
            file(".wh.again"),
            file("again", b"a"),
            file(".wh..wh.aufs"),
            file(".wh..wh.plnk/1.2"),
        ),
    )
    assert is_whiteout(root / "gone") and is_whiteout(root / "etc/passwd")
    assert is_opaque(root / "var") and (root / "var/new").read_text() == "n"
    assert (root / "kept").read_text() == "k" and (root / "again").read_text() == "a"
    assert all(is_opaque(root / name) for name in ("same", "later", "deep"))
    assert not is_opaque(root / "etc")
    assert sorted(os.listdir(root)) == ["again", "deep", "etc", "gone", "kept", "later", "same", "var"]


async def test_implied_directories_are_told(tmp_path: Path) -> None:
    found = await unpacked(tmp_path / "root", tar(file("a/b/c"), file("x/y"), directory("x", mode=0o711)))
    assert found.implied == ("a", "a/b")
    assert (tmp_path / "root/x").stat().st_mode & 0o7777 == 0o711


async def test_later_entries_replace_earlier_ones(tmp_path: Path) -> None:
    root = tmp_path / "root"
    found = await unpacked(
        root,
        tar(
            file("twice", b"first"),
            file("twice", b"2"),
            directory("dir"),
            file("dir/in", b"1234"),
            link("dir/li", "in"),
            file("dir", b"now a file"),
            link("l", "twice"),
            directory("l"),
            file("l/in", b"z"),
            file("file"),
            link("file", "target"),
            directory("merge", mode=0o700),
            file("merge/in"),
            directory("merge", mode=0o750),
            link("twice2", "twice", hard=True),
            file("twice2", b"own"),
        ),
    )
    assert (root / "twice").read_text() == "2"
    assert (root / "dir").read_text() == "now a file"
    assert (root / "l/in").read_text() == "z" and not (root / "l").is_symlink()
    assert os.readlink(root / "file") == "target"
    assert (root / "merge/in").exists() and (root / "merge").stat().st_mode & 0o7777 == 0o750
    assert found.size == 1 + 10 + 1 + 6 + 3


async def test_names_beneath_links_that_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    data = tar(
        directory("usr/lib"),
        link("lib", "usr/lib"),
        file("lib/a", b"a"),
        link("usr/abs", "/usr/lib"),
        file("usr/abs/b", b"b"),
        link("usr/rel", "../usr/./lib"),
        file("usr/rel/c", b"c"),
        link("d", "lib/a", hard=True),
        file("/absolute", b"x"),
        file("./dot/./and//slashes", b"y"),
        file("dot/../up", b"z"),
    )
    await unpacked(root, data)
    assert sorted(os.listdir(root / "usr/lib")) == ["a", "b", "c"]
    assert (root / "d").stat().st_ino == (root / "usr/lib/a").stat().st_ino
    assert (root / "absolute").exists() and (root / "dot/and/slashes").exists() and (root / "up").exists()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
async def test_long_names(tmp_path: Path, form: int) -> None:
    name = "/".join(["한" * 30] * 4) + "/" + "x" * 200
    await unpacked(tmp_path / "root", tar(file(name, b"x"), link("l", "y" * 500), format=form))
    assert (tmp_path / "root" / name).read_bytes() == b"x"
    assert os.readlink(tmp_path / "root/l") == "y" * 500


@pytest.mark.parametrize(
    "words",
    [
        ("--format=gnu",),
        ("--format=pax", "--sparse-version=1.0"),
        ("--format=pax", "--sparse-version=0.1"),
        ("--format=pax", "--sparse-version=0.0"),
    ],
)
async def test_sparse_files(tmp_path: Path, words: tuple[str, ...]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "holes").open("wb") as out:
        for number in range(30):  # more extents than one header holds
            out.seek(number * 200_000)
            out.write(b"%d" % number * 5000)
        out.truncate(9_000_000)
    (source / "after").write_bytes(b"after")
    subprocess.run(["tar", "--sparse", *words, "-cf", tmp_path / "t", "-C", source, "holes", "after"], check=True)
    found = await unpacked(tmp_path / "root", (tmp_path / "t").read_bytes())
    assert (tmp_path / "root/holes").read_bytes() == (source / "holes").read_bytes()
    assert (tmp_path / "root/after").read_bytes() == b"after"
    assert (tmp_path / "root/holes").stat().st_blocks * 512 < 5_000_000
    assert found.size == 9_000_005


async def test_overlayfs_own_attributes_are_not_taken_from_archives(tmp_path: Path) -> None:
    hostile = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.opaque": "y"}
    await unpacked(tmp_path / "root", tar(directory("d", pax_headers=hostile), file("f", pax_headers=hostile)))
    assert os.listxattr(tmp_path / "root/d") == [] and os.listxattr(tmp_path / "root/f") == []


@pytest.mark.parametrize(
    "data",
    [
        tar(file("a", b"x" * 2000))[:1700],
        tar(file("a"))[:300],
        b"\1" * 2048,
        tar(file("a", uid=-5)),
        tar(device("x", b"Z")),
        tar(file("a", pax_headers={"SCHILY.xattr.user.big": "x" * (2 << 20)})),
        tar(file("a"))[:512] + bytes(512) + b"\2" * 512,
    ],
    ids=["cut in data", "cut in header", "nonsense", "negative owner", "unknown type", "huge header", "after the end"],
)
async def test_archives_that_are_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CorruptData):
        await unpacked(tmp_path / "root", data)


async def test_a_bomb_stops_where_the_disk_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_room", lambda root: 1 << 20)
    with pytest.raises(NoSpace, match="unpacks to more than the 1048576 bytes that are free on the disk"):
        await unpacked(tmp_path / "root", gzip.compress(tar(file("zeros", bytes(8 << 20)))))
    assert (tmp_path / "root/zeros").stat().st_size <= 1 << 20
    tail = gzip.compress(tar(file("a")) + bytes(8 << 20))  # after the archive's end
    with pytest.raises(NoSpace):
        await unpacked(tmp_path / "other", tail)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, lambda data: data], ids=["gzip", "zstd", "plain"])
async def test_bombs_of_every_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(layers, "_room", lambda root: 1 << 20)
    with pytest.raises(NoSpace, match="more than the 1048576 bytes that are free on the disk"):
        await unpacked(tmp_path / "root", pack(tar(file("zeros", bytes(8 << 20)))))


async def test_a_sparse_file_larger_than_the_disk_takes_no_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "huge").open("wb") as out:
        out.truncate(1 << 40)
    subprocess.run(["tar", "--sparse", "-cf", tmp_path / "t", "-C", source, "huge"], check=True)
    await unpacked(tmp_path / "root", (tmp_path / "t").read_bytes())
    status = (tmp_path / "root/huge").stat()
    assert (status.st_size, status.st_blocks) == (1 << 40, 0)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Whatever becomes of deep trees in it: pytest itself could not remove them."""
    yield tmp_path
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


async def test_directories_in_each_other(place: Path) -> None:
    """As deep as a path can say, no deeper, and nothing of it is in the way of what comes later."""
    deep = "a/" * 1050
    await unpacked(place / "root", tar(directory(deep), file(f"{deep}leaf", b"x")))
    assert (place / "root" / deep / "leaf").read_bytes() == b"x"
    with pytest.raises(CorruptData, match="file name too long"):
        await unpacked(place / "longer", tar(directory("a/" * 3000)))
    try:
        await unpacked(place / "replaced", tar(directory(deep), file("a", b"x")))
        assert (place / "replaced/a").read_bytes() == b"x"
    except CorruptData as error:  # older Pythons remove one in the other
        assert "nested too deeply" in error.message


# any archive ------------------------------------------------------------------------------------------------------
words = st.sampled_from(["..", ".", "a", "b", "lnk", ".wh.a", ".wh..wh..opq", ".wh...", "", "é"])
names = st.lists(words, min_size=1, max_size=4).map("/".join)
paths = st.one_of(names, names.map(lambda name: f"/{name}"), names.map(lambda name: f"../../{name}"))
entries = st.one_of(
    paths.map(lambda name: file(name, b"data")),
    paths.map(directory),
    st.tuples(paths, paths).map(lambda pair: link(*pair)),
    st.tuples(paths, paths).map(lambda pair: link(*pair, hard=True)),
    paths.map(lambda name: device(name, tarfile.FIFOTYPE)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries, max_size=8))
def test_nothing_leaves_the_root(tmp_path: Path, archive: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Without the chroot that the worker adds: the names alone must hold."""
    outer = tmp_path / "outer"
    shutil.rmtree(outer, ignore_errors=True)
    root = outer / "in" / "root"
    root.mkdir(parents=True)
    (outer / "a").write_text("outside")
    before = (sorted(os.listdir(outer)), (outer / "a").stat())
    home = Path.cwd()
    os.chdir(root)
    try:
        Unpacker().unpack(TarReader(Stream([tar(*archive)])))
    except (EngineError, OSError):
        pass
    finally:
        os.chdir(home)
    assert (sorted(os.listdir(outer)), (outer / "a").stat()) == before
    assert os.listdir(outer / "in") == ["root"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 2000), st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(tail: bytes, at: int, patch: bytes) -> None:
    good = tar(file("a", b"x" * 700, pax_headers={"SCHILY.xattr.user.a": "b"}), link("l", "t"), directory("d"))
    data = good[:at] + patch + good[at + len(patch) :] + tail
    for archive in (tail, data):
        reader = TarReader(Stream([archive[start : start + 333] for start in range(0, len(archive), 333)]))
        try:
            for _ in reader:
                assert sum(len(piece) for piece in reader.content()) <= len(archive)
        except CorruptData:
            pass
