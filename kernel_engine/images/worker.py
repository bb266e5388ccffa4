"""What worker processes do with layers: unpack, pack, copy, or make a directory a layer as it is.

Each function is a job of `kernel_engine.workers`: (order, descriptors, say) → result. Alone, so that the daemon's loop
is never held up and a hostile archive meets a process that sees one directory only.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kernel_engine.errors import CorruptData
from kernel_engine.images.archive import normal
from kernel_engine.images.compression import Deflater, Hasher, Inflater, plain_chunks, raw_chunks
from kernel_engine.images.pack import END, header, members, normalise, pack, padding
from kernel_engine.images.tar_reader import HARD_LINK, REGULAR, SYMLINK, Stream, TarReader
from kernel_engine.images.unpack import Unpacker, enter
from kernel_engine.workers.pool import Say

#: seconds between two lines of progress
_EVERY = 0.1
#: more than any archive of images has
_MEMBERS = 100_000


class Progress:
    """Says how far it is, not too often."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._next = 0.0

    def __call__(self, count: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            self._say({"progress": count})


def unpack_layer(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """Descriptors: the blob, an empty directory, and of a blob that grows the pipe that tells of it.

    order: {"limit": bytes, "digest": of the blob, or null}.
    """
    blob, root, *more = descriptors
    enter(root)
    inflater = Inflater(
        blob,
        limit=order["limit"],
        on_progress=Progress(say),
        digest=order["digest"],
        more=more[0] if more else None,
    )
    unpacked = Unpacker().unpack(TarReader(Stream(inflater)))
    return {
        "digest": inflater.digest,
        "compressed": inflater.size,
        "diff_id": inflater.diff_id,
        "size": unpacked.size,
        "implied": [os.fsdecode(path) for path in unpacked.implied],
    }


def pack_layer(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """Descriptors: an empty file, the directory."""
    blob, root = descriptors
    deflater = Deflater(blob)
    pack(root, deflater)
    digest, diff_id, size = deflater.finish()
    os.fsync(blob)
    return {"digest": digest, "compressed": size, "diff_id": diff_id}


def settle_layer(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """Makes the directory a layer as it lies there. order: {"latest": seconds or null}."""
    (root,) = descriptors
    normalise(root, order["latest"])
    hasher = Hasher()
    size = pack(root, hasher)
    return {"diff_id": hasher.finish(), "size": size}


def copy_layer(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """Descriptors: the directory, an empty one that becomes the layer: what the first one's archive unpacks to."""
    source, target = descriptors
    os.fchdir(target)  # no chroot: packing reads attributes through /proc, and these entries are our own
    os.umask(0)
    hasher, unpacker = Hasher(), Unpacker()
    for entry, content in members(source):
        hasher.write(header(entry))
        unpacker.place(entry, functools.partial(_heard, content, hasher))
        hasher.write(padding(entry.size))
    hasher.write(END)
    return {"diff_id": hasher.finish(), "size": unpacker.finish().size}


def _heard(content: Iterable[bytes], hasher: Hasher) -> Iterator[bytes]:
    for piece in content:
        hasher.write(piece)
        yield piece


def spool_archive(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """Descriptors: where the archive comes from, a folder. order: {"limit": bytes}.

    Every regular file becomes a file named by a number; of two of the same name the later one counts, as with tar(1).
    """
    source, folder = descriptors
    reader = TarReader(Stream(plain_chunks(source, order["limit"])))
    files: dict[str, tuple[int, int, str]] = {}
    links: dict[str, str] = {}
    for number, entry in enumerate(reader):
        if number >= _MEMBERS:
            raise CorruptData(f"an archive of images with more than {_MEMBERS} members")
        name = normal(os.fsdecode(entry.name))
        if entry.kind == REGULAR:
            size, digest = _write(folder, str(number), reader.content())
            files[name] = (number, size, digest)
        elif entry.kind in (SYMLINK, HARD_LINK):
            target = os.fsdecode(entry.target)
            links[name] = f"/{target}" if entry.kind == HARD_LINK else target
    return {"files": files, "links": links}


def receive_file(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """Descriptors: where the bytes come from, a folder: they become its file 0."""
    source, folder = descriptors
    size, digest = _write(folder, "0", raw_chunks(source, order["limit"]))
    return {"size": size, "digest": digest}


def inflate_file(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """Descriptors: a compressed file, an empty one."""
    source, target = descriptors
    size, digest = _write_to(target, plain_chunks(source, order["limit"]))
    return {"size": size, "digest": digest}


def _write(folder: int, name: str, pieces: Iterable[bytes | memoryview]) -> tuple[int, str]:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        return _write_to(descriptor, pieces)
    finally:
        os.close(descriptor)


def _write_to(descriptor: int, pieces: Iterable[bytes | memoryview]) -> tuple[int, str]:
    """Bytes and digest of what was written."""
    hashed, size = hashlib.sha256(), 0
    for piece in pieces:
        hashed.update(piece)
        size += len(piece)
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]
    return size, f"sha256:{hashed.hexdigest()}"
