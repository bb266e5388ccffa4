"""Entries of a tar as others read them: the standard library, and the engine's own reader."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.client import tar
from kernel_engine.images.tar_reader import Stream, TarReader

parts = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120)
names = st.lists(parts, min_size=1, max_size=4).map("/".join)
moments = st.integers(-(2**40), 2**40)
values = st.binary(min_size=1, max_size=60)


@given(name=names, mode=st.integers(0, 0o7777), mtime=moments, data=st.binary(max_size=1500), xattr=values)
def test_a_file_is_what_it_was(name: str, mode: int, mtime: int, data: bytes, xattr: bytes) -> None:
    records = {b"SCHILY.xattr.user.x": xattr}
    head = tar.entry(name.encode(), kind=tar.REGULAR, mode=mode, size=len(data), mtime=mtime, records=records)
    archive = head + data + tar.padding(len(data)) + tar.END
    assert len(archive) % tar.BLOCK == 0
    assert tar.is_header(archive)
    reader = TarReader(Stream([archive]))
    (entry, content), *rest = [(entry, b"".join(reader.content())) for entry in reader]
    assert rest == []
    assert (entry.name, entry.mode, entry.mtime, content) == (name.encode(), mode, mtime * 10**9, data)
    assert (entry.uid, entry.gid, entry.kind, entry.xattrs["user.x"]) == (0, 0, tar.REGULAR, xattr)
    if b"\n" not in xattr and xattr.isascii():
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            item = opened.next()
            assert item is not None
            assert (item.name, item.mode, int(item.mtime), item.size) == (name.rstrip("/"), mode, mtime, len(data))


@given(name=names, target=names)
def test_a_link_leads_where_it_led(name: str, target: str) -> None:
    archive = tar.entry(name.encode(), kind=tar.SYMLINK, mode=0o777, link=target.encode()) + tar.END
    (entry,) = TarReader(Stream([archive]))
    assert (entry.name, entry.target, entry.kind) == (name.encode(), target.encode(), tar.SYMLINK)
