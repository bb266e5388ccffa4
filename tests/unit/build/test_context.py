"""A context is read as it comes: plain or compressed, whole or cut off, at any piece's size."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel_engine.build.context import Context
from kernel_engine.build.tree import walk
from kernel_engine.errors import EngineError
from tests.engine.building import context, link, member

DATA = context(
    {
        "Dockerfile": "FROM x\n",
        "d/": "",
        "d/f": b"\0\1" * 70_000,
        "l": link("d/f"),
        "h": member(type=tarfile.LNKTYPE, linkname="d/f"),
        "empty": "",
    }
)


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]
        await asyncio.sleep(0)


@pytest.mark.parametrize("size", [1 << 20, 65536, 511])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_every_way_to_send_it(tmp_path: Path, size: int, pack: type[bytes]) -> None:
    read = await Context.receive(pieces(pack(DATA), size), tmp_path)
    try:
        assert read.prepare("Dockerfile") == b"FROM x\n"
        found = {path: node for path, node in walk(read.tree.root)}
        assert {path: node.kind for path, node in found.items()} == {
            "Dockerfile": "file", "d": "directory", "d/f": "file", "empty": "file", "h": "file", "l": "link",
        }  # fmt: skip
        assert read.read(found["d/f"]) == b"\0\1" * 70_000
        assert found["h"].digest == found["d/f"].digest and found["h"].inode == found["d/f"].inode != 0
    finally:
        read.close()
    assert os.listdir(tmp_path) == []


async def test_a_body_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield DATA[:2000]
        raise ConnectionError("the client has left")

    with pytest.raises(ConnectionError):
        await Context.receive(broken(), tmp_path)
    assert os.listdir(tmp_path) == []


async def test_a_bad_archive_is_told_before_all_of_it_has_come(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 100_000
            await asyncio.sleep(0.001)

    with pytest.raises(EngineError):
        await asyncio.wait_for(Context.receive(endless(), tmp_path), 20)
    assert sent < 10_000


async def test_a_sparse_file_is_whole(tmp_path: Path) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    path = tmp_path / "t.tar"
    import subprocess

    subprocess.run(["tar", "-S", "-C", str(tmp_path), "-cf", str(path), "sparse"], check=True)
    (tmp_path / "staging").mkdir()
    read = await Context.receive(pieces(path.read_bytes(), 4096), tmp_path / "staging")
    try:
        node = read.tree.root.children["sparse"]
        assert read.read(node) == bytes(1 << 20) + b"end"
    finally:
        read.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=1500), at=st.integers(0, len(DATA) - 1), cut=st.booleans())
async def test_whatever_comes_there_is_a_context_or_one_error(tmp_path: Path, data: bytes, at: int, cut: bool) -> None:
    mixed = DATA[:at] + data + (b"" if cut else DATA[at + len(data) :])
    try:
        read = await Context.receive(pieces(mixed, 4096), tmp_path)
    except EngineError:
        return
    try:
        read.prepare("Dockerfile")
    except EngineError:
        pass
    finally:
        read.close()


def test_names_come_as_bytes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        entry = tarfile.TarInfo("latin-\udce9")
        archive.addfile(entry)
    read = asyncio.run(Context.receive(pieces(buffer.getvalue(), 512), tmp_path))
    try:
        assert list(read.tree.root.children) == ["latin-\udce9"]
        read.tree.root.whole_digest()
    finally:
        read.close()
