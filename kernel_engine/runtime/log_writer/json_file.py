"""Docker's json-file log: one JSON object a line, {"log","stream","time"}, with rotation. Writing only.

A line of output becomes one object; one longer than 16 KiB is cut, and its parts have no newline at their end; what
comes before the stream's end without a newline is written when the stream ends. The bytes are those that dockerd
writes, escapes included (measured beside 20.10.24).
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

CUT = 16 * 1024
_BLOCK = 64 * 1024

#: what Go's encoder escapes; U+DC80 to U+DCFF stand for bytes that are not UTF-8
_SPECIAL = re.compile('[\x00-\x09\x0b-\x1f"\\\\<>&\u2028\u2029\udc80-\udcff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\r": "\\r"}


class JsonFile:
    """`max_size` (bytes, 0 = none): a file that has reached it is rotated before the next line; `max_files` in all."""

    def __init__(self, path: Path, max_size: int, max_files: int) -> None:
        self._path = path
        self._max_size = max_size
        self._max_files = max(max_files, 1)
        self._partial: dict[str, bytes] = {}
        self._fd = _open(path)
        _drop_torn_line(self._fd)

    @property
    def end(self) -> tuple[int, int]:
        """The file that is written to now, and how far it has been: inode, bytes."""
        status = os.fstat(self._fd)
        return status.st_ino, status.st_size

    @property
    def waiting(self) -> dict[str, bytes]:
        """By stream: what came without the end of its line."""
        return dict(self._partial)

    def write(self, stream: str, data: bytes) -> int:
        """Whole lines go to the file now, the rest waits for its end (or for 16 KiB). By how much the file grew."""
        data = self._partial.pop(stream, b"") + data
        whole = data.rfind(b"\n") + 1
        rest = data[whole:]
        parts = _cut(data[:whole])
        while len(rest) >= CUT:
            parts.append(rest[:CUT])
            rest = rest[CUT:]
        if rest:
            self._partial[stream] = rest
        return self._put(stream, parts)

    def flush(self) -> None:
        """The streams have ended: their last words, with or without newline."""
        for stream, rest in self._partial.items():
            self._put(stream, [rest])
        self._partial.clear()

    def close(self) -> None:
        self.flush()
        os.close(self._fd)

    def _put(self, stream: str, parts: list[bytes]) -> int:
        moment = now()
        entries = b"".join(encode(part, stream, moment) for part in parts)
        size = os.fstat(self._fd).st_size if entries else 0
        if not self._max_size or size + len(entries) < self._max_size:
            self._append(entries, size)
            return len(entries)
        for entry in entries.splitlines(keepends=True):
            if size >= self._max_size:
                self._rotate()
                size = os.fstat(self._fd).st_size
            self._append(entry, size)
            size += len(entry)
        return len(entries)

    def _append(self, entries: bytes, size: int) -> None:
        """A full disk loses lines, but neither stops the container nor leaves half a line."""
        view = memoryview(entries)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, size)

    def _rotate(self) -> None:
        """Where that fails (the container is being removed, the disk is full) the old file grows on."""
        try:
            for number in range(self._max_files - 1, 0, -1):
                older = self._path if number == 1 else _numbered(self._path, number - 1)
                with suppress(FileNotFoundError):
                    older.replace(_numbered(self._path, number))
            new = _open(self._path)
        except OSError:
            return
        if self._max_files == 1:
            os.ftruncate(new, 0)
        os.close(self._fd)
        self._fd = new


def end_of(path: Path) -> tuple[int, int] | None:
    """Inode and bytes of a log that nobody writes to now; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size


def encode(part: bytes, stream: str, moment: str) -> bytes:
    """Log entries of whole lines, or of one part of a line. All carry the same `moment`."""
    text = part.decode("utf-8", "surrogateescape")
    if _SPECIAL.search(text):
        text = _SPECIAL.sub(_escaped, text)
    end = f'","stream":"{stream}","time":"{moment}"}}\n'
    lines = text.removesuffix("\n").replace("\n", f'\\n{end}{{"log":"')
    last = "\\n" if text.endswith("\n") else ""
    return f'{{"log":"{lines}{last}{end}'.encode()


def now() -> str:
    """RFC 3339 with as many digits of a second as it takes (Go's RFC3339Nano), UTC."""
    nanoseconds = time.time_ns()
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 1_000_000_000))
    return f"{second}.{nanoseconds % 1_000_000_000:09d}".rstrip("0").rstrip(".") + "Z"


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character >= "\udc80":  # Go puts one for each wrong byte
        return "\\ufffd"
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _cut(lines: bytes) -> list[bytes]:
    """Whole lines in one piece; where one of them is too long each for itself, cut from its beginning."""
    if not lines:
        return []
    if len(lines) <= CUT:
        return [lines]
    single = [line + b"\n" for line in lines.split(b"\n")[:-1]]
    if max(map(len, single)) <= CUT:
        return [lines]
    return [line[at : at + CUT] for line in single for at in range(0, len(line), CUT)]


def _drop_torn_line(fd: int) -> None:
    """A log writer that was killed while it wrote may have left half an entry."""
    position = end = os.fstat(fd).st_size
    while position > 0:
        start = max(position - _BLOCK, 0)
        newline = os.pread(fd, position - start, start).rfind(b"\n")
        if newline >= 0:
            position = start + newline + 1
            break
        position = start
    if position != end:
        os.ftruncate(fd, position)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
