"""Our archive reader beside the standard library's."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.errors import CorruptData
from kernel_engine.images.pack import header
from kernel_engine.images.tar_reader import BLOCK, Entry, Stream, TarReader

names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=130).filter(
    lambda name: not name.startswith("/") and not name.endswith("/")
)
members = st.fixed_dictionaries(
    {
        "name": names,
        "mode": st.integers(0, 0o7777),
        "uid": st.integers(0, 2**32 - 2),
        "gid": st.integers(0, 2**32 - 2),
        "mtime": st.integers(0, 2**33),
        "data": st.binary(max_size=1200),
    }
)


def read(data: bytes, step: int = 700) -> list[tuple[Entry, bytes]]:
    reader = TarReader(Stream([data[at : at + step] for at in range(0, len(data), step)]))
    return [(entry, b"".join(reader.content())) for entry in reader]


@given(st.lists(members, max_size=5), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.integers(1, 5000))
def test_what_tarfile_writes(found: list[dict[str, object]], form: int, step: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8") as archive:
        for words in found:
            entry = tarfile.TarInfo(str(words["name"]))
            data = words["data"]
            assert isinstance(data, bytes)
            for key in ("mode", "uid", "gid", "mtime"):
                setattr(entry, key, words[key])
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    seen = [
        {"name": e.name.decode(), "mode": e.mode, "uid": e.uid, "gid": e.gid, "mtime": e.mtime // 10**9, "data": data}
        for e, data in read(buffer.getvalue(), step)
    ]
    assert seen == found


@given(
    names,
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=200),
    st.integers(0, 2**32 - 2),
    st.integers(0, 2**35),
    st.dictionaries(st.sampled_from(["user.a", "security.capability"]), st.binary(max_size=200)),
)
def test_our_headers_are_read_by_tarfile_and_by_us(
    name: str, target: str, uid: int, mtime: int, xattrs: dict[str, bytes]
) -> None:
    entry = Entry(
        name=name.encode(),
        kind=b"2",
        mode=0o777,
        uid=uid,
        gid=0,
        size=0,
        mtime=mtime * 1_000_000_000,
        target=target.encode(),
        xattrs=xattrs,
    )
    data = header(entry) + bytes(2 * BLOCK)
    (ours, _), *_ = read(data)
    assert ours == entry
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8") as archive:
        theirs = archive.getmembers()[0]
    assert (theirs.name, theirs.linkname, theirs.uid, theirs.mtime) == (name, target, uid, mtime)


def test_a_declared_size_is_not_believed() -> None:
    """A long name of eight exabytes is refused before anything is read."""
    entry = Entry(name=b"x", kind=b"L", mode=0, uid=0, gid=0, size=0, mtime=0, target=b"")
    block = bytearray(header(entry))
    block[124:136] = b"\x80\0\0\0\x7f" + bytes(7)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(CorruptData, match="header field too long"):
        read(bytes(block))


@pytest.mark.parametrize("kept", [43, 44, 300, 512])
def test_an_archive_may_end_where_its_last_file_ends(kept: int) -> None:
    """So Docker's client leaves a context to which it has added a Dockerfile."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("last")
        entry.size = 43
        archive.addfile(entry, io.BytesIO(b"x" * 43))
    assert [(e.name, data) for e, data in read(buffer.getvalue()[: BLOCK + kept])] == [(b"last", b"x" * 43)]
    with pytest.raises(CorruptData, match="unexpected EOF"):
        read(buffer.getvalue()[: BLOCK + 42])
