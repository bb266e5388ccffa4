"""Compressed layer bytes to tar bytes and back, hashing both sides in the same pass. Runs in the worker process.

Inflating and hashing release the interpreter lock, so they run in a thread beside the one that makes files.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

import zstandard
from isal import igzip, isal_zlib

from kernel_engine.errors import CorruptData, NoSpace

CHUNK = 1 << 18
#: how many inflated chunks may wait
_AHEAD = 16
_WORDS = 1 << 16
#: a zstd frame may ask for a window of any size; 128 MiB is what `zstd --long` writes
_WINDOW = 1 << 27
_ZSTD_SKIPPABLE = frozenset(bytes((0x50 + number, 0x2A, 0x4D, 0x18)) for number in range(16))


class Compressed(io.RawIOBase):
    """A file's bytes as they are on the disk; their number grows as they are read, and their digest where it is
    asked for.

    more: of a file that grows, a pipe that tells when there is more, and that nothing more comes by its end.
    """

    def __init__(self, descriptor: int, *, hashed: bool = True, more: int | None = None) -> None:
        self._descriptor = descriptor
        self._more = more
        self.hash = hashlib.sha256() if hashed else None
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not (count := os.readv(self._descriptor, [buffer])) and self._more is not None:
            if not os.read(self._more, _WORDS):
                self._more = None
        if self.hash is not None:
            self.hash.update(memoryview(buffer)[:count])
        self.count += count
        return count

    def drain(self) -> None:
        """Bytes after the last frame belong to the digest as well."""
        while self.read(CHUNK):
            pass


def inflated(raw: io.RawIOBase) -> IO[bytes]:
    """The tar bytes of gzip, zstd, bzip2, xz or plain data, told apart by its first bytes as Docker does."""
    source = io.BufferedReader(raw, CHUNK)
    magic = source.peek(6)[:6]
    if magic[:2] == b"\x1f\x8b":
        return cast(IO[bytes], cast(Any, igzip).open(source, "rb"))  # isal has no types for it
    if magic[:4] == b"\x28\xb5\x2f\xfd" or magic[:4] in _ZSTD_SKIPPABLE:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        return cast(IO[bytes], decompressor.stream_reader(source, read_size=CHUNK, read_across_frames=True))
    if magic[:3] == b"BZh":
        return cast(IO[bytes], bz2.open(source, "rb"))
    if magic == b"\xfd7zXZ\x00":
        return cast(IO[bytes], lzma.open(source, "rb"))
    return cast(IO[bytes], source)


def plain_chunks(descriptor: int, limit: int) -> Iterator[bytes]:
    """The bytes of a file or pipe without its compression. CorruptData for damaged data, NoSpace beyond `limit`."""
    return _limited(inflated(io.FileIO(descriptor, closefd=False)), limit)


def raw_chunks(descriptor: int, limit: int) -> Iterator[bytes]:
    """The bytes as they are."""
    return _limited(io.BufferedReader(io.FileIO(descriptor, closefd=False), CHUNK), limit)


def _limited(stream: IO[bytes] | io.BufferedReader, limit: int) -> Iterator[bytes]:
    total = 0
    while True:
        try:
            chunk = stream.read(CHUNK)
        except Exception as error:  # every library has its own
            raise translated(error) from error
        if not chunk:
            return
        total += len(chunk)
        if total > limit:
            raise NoSpace(f"no space left on device: the archive holds more than the {limit} bytes that are free")
        yield chunk


class Inflater:
    """Iterates over the inflated chunks of `descriptor`; afterwards `digest`, `diff_id` and `size` are known.

    digest: of the file, where whoever writes it hashes it; it is not hashed again then. more: see `Compressed`.
    limit: how many inflated bytes are accepted; more is NoSpace (a decompression bomb cannot fill the disk).
    on_progress(compressed bytes read so far) is called in the consumer's thread.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        limit: int,
        on_progress: Callable[[int], None],
        digest: str | None = None,
        more: int | None = None,
    ) -> None:
        self._raw = Compressed(descriptor, hashed=digest is None, more=more)
        self._limit = limit
        self._on_progress = on_progress
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
        self._abandoned = False
        self._thread = threading.Thread(target=self._produce, name="inflate", daemon=True)
        self.digest = digest or ""
        self.diff_id = ""
        self.size = 0  #: compressed bytes

    def __iter__(self) -> Iterator[bytes]:
        self._thread.start()
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                self._on_progress(self._raw.count)
                yield item
            self._thread.join()
        finally:
            self._abandoned = True

    def _produce(self) -> None:
        try:
            self._inflate()
        except Exception as error:  # carried to the consumer
            self._queue.put(translated(error))
        else:
            self._queue.put(None)

    def _inflate(self) -> None:
        total = 0
        stream = inflated(self._raw)
        # what is not compressed has one digest
        diff = None if isinstance(stream, io.BufferedReader) else hashlib.sha256()
        while chunk := stream.read(CHUNK):
            if self._abandoned:
                return
            total += len(chunk)
            if total > self._limit:
                free = f"the layer unpacks to more than the {self._limit} bytes that are free on the disk"
                raise NoSpace(f"no space left on device: {free}")
            if diff is not None:
                diff.update(chunk)
            self._queue.put(chunk)
        self._raw.drain()
        if self._raw.hash is not None:
            self.digest = f"sha256:{self._raw.hash.hexdigest()}"
        self.diff_id = self.digest if diff is None else f"sha256:{diff.hexdigest()}"
        self.size = self._raw.count


def translated(error: Exception) -> Exception:
    """An error of whichever decompressor, as the engine's; anything else as it is."""
    if isinstance(error, EOFError):
        return CorruptData("unexpected EOF")
    if isinstance(error, isal_zlib.error | zstandard.ZstdError | lzma.LZMAError | igzip.BadGzipFile):
        return CorruptData(f"damaged compressed data: {error}")
    if isinstance(error, OSError) and error.errno is None:  # bz2 and gzip raise bare OSErrors
        return CorruptData(f"damaged compressed data: {error}")
    return error


class Deflater:
    """Takes tar bytes, writes gzip to `descriptor`; `finish` gives digest, diff id and size.

    The gzip header holds no time and no name, so that the same tar gives the same blob.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._deflate = isal_zlib.compressobj(level=2, wbits=31)
        self._digest = hashlib.sha256()
        self._diff = hashlib.sha256()
        self._size = 0
        self._pending: list[bytes] = []
        self._pending_size = 0

    def write(self, data: bytes) -> None:
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= CHUNK:
            self._flush()

    def finish(self) -> tuple[str, str, int]:
        self._flush()
        self._emit(self._deflate.flush())
        return f"sha256:{self._digest.hexdigest()}", f"sha256:{self._diff.hexdigest()}", self._size

    def _flush(self) -> None:
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        self._diff.update(data)
        self._emit(self._deflate.compress(data))

    def _emit(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


class Hasher:
    """Takes tar bytes and gives their diff id: a layer that nobody has asked to be compressed yet."""

    def __init__(self) -> None:
        self._diff = hashlib.sha256()
        self._pending: list[bytes] = []
        self._pending_size = 0

    def write(self, data: bytes) -> None:
        self._pending.append(data)  # many headers are small: a call of the hash for each costs more than joining
        self._pending_size += len(data)
        if self._pending_size >= CHUNK:
            self._flush()

    def finish(self) -> str:
        self._flush()
        return f"sha256:{self._diff.hexdigest()}"

    def _flush(self) -> None:
        self._diff.update(b"".join(self._pending))
        self._pending.clear()
        self._pending_size = 0
