"""A build's context: the tar that the client sends, read once, while it comes.

Names and digests go into a `Tree` in memory, contents into one spool file without a name; nothing is unpacked to a
directory, so that a build whose steps are all cached costs no more than reading. The work is done in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import queue
from collections.abc import AsyncIterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernel_engine.build.spool import open_spool
from kernel_engine.build.tree import Node, Tree, readable, walk
from kernel_engine.containers.extraction import KINDS
from kernel_engine.errors import CorruptData, EngineError, InvalidRequest, NoSpace
from kernel_engine.formats import ignore
from kernel_engine.formats.room import room
from kernel_engine.images import tar_reader
from kernel_engine.images.compression import CHUNK, inflated, translated
from kernel_engine.images.tar_reader import Entry, Stream, TarReader

#: chunks of the body that may wait for the reading thread
_AHEAD = 16
#: files of a context; each costs about half a kilobyte of the daemon's memory
_FILES = 1_000_000
_DOCKERFILE_LIMIT = 16 << 20


class Context:
    """`await Context.receive(body, staging)`, then `close`."""

    def __init__(self, spool: int, tree: Tree) -> None:
        self.spool = spool  #: open for reading
        self.tree = tree

    @classmethod
    async def receive(cls, body: AsyncIterable[bytes], staging: Path) -> Context:
        """The whole archive, plain or compressed. CorruptData for a damaged or hostile one, NoSpace for a full disk."""
        spool = open_spool(staging)
        pipe = _Pipe()
        reading = asyncio.ensure_future(asyncio.to_thread(_Reader(spool).read, pipe))
        reading.add_done_callback(lambda _: pipe.abandon())  # nobody waits for a thread that reads no more
        try:
            async for chunk in body:
                if reading.done():
                    break
                await pipe.put(chunk)
            await pipe.put(b"")
            return cls(spool, await reading)
        except BaseException:
            pipe.abandon()
            await asyncio.wait((reading,))
            os.close(spool)
            raise

    def close(self) -> None:
        os.close(self.spool)

    def read(self, node: Node, limit: int = _DOCKERFILE_LIMIT) -> bytes:
        """A small file's content. InvalidRequest for a large one."""
        if node.size > limit:
            raise InvalidRequest(f"a file of {node.size} bytes is too large to be read whole")
        return os.pread(self.spool, node.size, node.offset)

    def keep(self, data: bytes, *, mode: int = 0o644, mtime: int = 0) -> Node:
        """A file that did not come with the archive: a heredoc, a Dockerfile from a URL."""
        offset = os.fstat(self.spool).st_size
        os.pwrite(self.spool, data, offset)
        return Node(
            kind="file", mode=mode, mtime=mtime, size=len(data), offset=offset, spool=self.spool,
            digest=hashlib.sha256(data).hexdigest(),
        )  # fmt: skip

    def dockerfile(self, name: str) -> bytes:
        """InvalidRequest with Docker's texts where it is missing or no file."""
        node = self.tree.look_up(name) if name else None
        if node is None or node.kind != "file":
            raise InvalidRequest(f"Cannot locate specified Dockerfile: {name}")
        return self.read(node)

    def prepare(self, dockerfile: str) -> bytes:
        """The Dockerfile's bytes; what .dockerignore leaves out is gone afterwards. Takes as long as there are files:
        to be called in a thread.
        """
        data = self.dockerfile(dockerfile)
        try:
            self._leave_out(dockerfile)
            self.tree.root.whole_digest()
        except RecursionError:
            raise CorruptData("the build context is nested too deeply") from None
        return data

    def _leave_out(self, dockerfile: str) -> None:
        """A client that sends a ready archive has not looked at .dockerignore."""
        own = self.tree.look_up(f"{dockerfile}{ignore.FILE}") or self.tree.look_up(ignore.FILE)
        if own is None or own.kind != "file":
            return
        try:
            rules = ignore.Rules(ignore.read(self.read(own)))
        except ignore.BadPattern as error:
            raise InvalidRequest(f"failed to read {ignore.FILE}: {error}") from None
        if rules:
            for path, node in list(walk(self.tree.root)):
                if rules.closes(path) if node.is_directory else rules.excludes(path):
                    self.tree.remove(path)


class _Pipe(io.RawIOBase):
    """Chunks from the loop to the reading thread, as a file."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._chunk = memoryview(b"")
        self._abandoned = False

    async def put(self, chunk: bytes) -> None:
        """b"" is the end."""
        try:
            self._queue.put_nowait(chunk)
        except queue.Full:
            await asyncio.to_thread(self._put_slowly, chunk)

    def abandon(self) -> None:
        """The reading thread finds the archive cut off."""
        self._abandoned = True
        try:
            self._queue.put_nowait(b"")
        except queue.Full:
            pass  # it will look again after the next chunk

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._chunk and not self._abandoned:
            self._chunk = memoryview(self._queue.get())
            self._abandoned = not self._chunk  # the end is read again and again
        count = min(len(buffer), len(self._chunk))
        buffer[:count] = self._chunk[:count]
        self._chunk = self._chunk[count:]
        return count

    def _put_slowly(self, chunk: bytes) -> None:
        while not self._abandoned:
            try:
                return self._queue.put(chunk, timeout=0.1)
            except queue.Full:
                continue
        return None


class _Reader:
    """Runs in a thread."""

    def __init__(self, spool: int) -> None:
        self._spool = spool
        self._tree = Tree()
        self._pending = bytearray()
        self._written = 0
        self._count = 0  #: entries so far
        self._limit = room(os.fstatvfs(spool))

    def read(self, pipe: _Pipe) -> Tree:
        stream = inflated(pipe)
        reader = TarReader(Stream(_chunks(stream)))
        try:
            for entry in reader:
                self._count += 1
                if self._count > _FILES:
                    raise CorruptData(f"the build context holds more than {_FILES} files")
                self._take(entry, reader)
            self._flush()
        except EngineError:
            raise
        except Exception as error:
            raise translated(error) from None
        return self._tree

    def _take(self, entry: Entry, reader: TarReader) -> None:
        name = os.fsdecode(entry.name)
        if entry.kind == tar_reader.HARD_LINK:
            first = self._tree.at(os.fsdecode(entry.target))
            if first is None or first.is_directory:
                target = readable(os.fsdecode(entry.target))
                raise CorruptData(f'invalid hardlink "{readable(name)}" -> "{target}" in the build context')
            first.inode = first.inode or self._count
            self._tree.put(name, replace(first))
            return
        kind = KINDS.get(entry.kind)
        if kind is None:
            raise CorruptData(f'"{readable(name)}": unhandled tar header type {entry.kind!r} in the build context')
        node = Node(
            kind=kind, mode=entry.mode, uid=entry.uid, gid=entry.gid, mtime=entry.mtime,
            device=(entry.major, entry.minor), target=os.fsdecode(entry.target) if kind == "link" else "",
            xattrs={key: value for key, value in entry.xattrs.items() if key == "security.capability"},
        )  # fmt: skip
        if kind == "file":
            self._content(node, entry, reader)
        self._tree.put(name, node)

    def _content(self, node: Node, entry: Entry, reader: TarReader) -> None:
        node.size = entry.size
        node.spool = self._spool
        node.offset = self._written + len(self._pending)
        if node.offset + node.size > self._limit:
            raise NoSpace("no space left on device for the build context")
        digest = hashlib.sha256()
        for piece in reader.content() if entry.extents is None else _expanded(entry, reader):
            digest.update(piece)
            self._pending += piece
            if len(self._pending) >= CHUNK:
                self._flush()
        node.digest = digest.hexdigest()

    def _flush(self) -> None:
        view = memoryview(bytes(self._pending))
        self._pending.clear()
        while view:
            count = os.write(self._spool, view)
            self._written += count
            view = view[count:]


def _chunks(stream: Any) -> Iterator[bytes]:
    while data := stream.read(CHUNK):
        yield data


def _expanded(entry: Entry, reader: TarReader) -> Iterator[bytes]:
    """A sparse file's content with its holes filled."""
    at = 0
    data = b"".join(bytes(piece) for piece in reader.content())
    for offset, length in entry.extents or ():
        yield from _zeros(offset - at)
        yield data[:length]
        data = data[length:]
        at = offset + length
    yield from _zeros(entry.size - at)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, CHUNK))
        count -= CHUNK
