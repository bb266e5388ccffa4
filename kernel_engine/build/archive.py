"""ADD of a local archive: is it one, and its files into a directory of the image. Runs in a worker process."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

from kernel_engine.containers.extraction import extract
from kernel_engine.errors import EngineError, NoSpace
from kernel_engine.formats.room import room
from kernel_engine.images.compression import CHUNK, inflated, translated
from kernel_engine.images.tar_reader import Stream, TarReader
from kernel_engine.storage.copying import File


def is_archive(file: File) -> bool:
    """As Docker tells: its first header can be read, whatever its compression and its name."""
    try:
        return next(iter(TarReader(Stream(_chunks(file)))), None) is not None
    except EngineError:
        return False


def unpack(file: File, directory: str) -> None:
    """CorruptData for a damaged or hostile archive, NoSpace for one that is too large."""
    extract(TarReader(Stream(_chunks(file))), directory)


class _Part(io.RawIOBase):
    """A part of an open file as a file of its own."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._file.size - self._at)
        data = os.pread(self._file.descriptor, count, self._file.offset + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _chunks(file: File) -> Iterator[bytes]:
    left = room(os.fstatvfs(file.descriptor))
    stream = inflated(_Part(file))
    while True:
        try:
            chunk = stream.read(CHUNK)
        except Exception as error:
            raise translated(error) from error
        if not chunk:
            return
        left -= len(chunk)
        if left < 0:
            raise NoSpace("no space left on device for what the archive holds")
        yield chunk
