"""Docker's json-file log: one JSON object a line, {"log","stream","time"}, with rotation.

A line of output becomes one object; one longer than 16 KiB is cut, and its parts have no newline at their end; what
comes before the stream's end without a newline is written when the stream ends.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

CUT = 16 * 1024


class JsonFile:
    def __init__(self, path: Path, max_size: int, max_files: int) -> None:
        self._path = path
        self._max_size = max_size
        self._max_files = max(max_files, 1)
        self._partial: dict[str, bytes] = {}
        self._fd = self._open(0)

    def write(self, stream: str, data: bytes) -> None:
        """Whole lines go to the file now, the rest waits for its end."""
        data = self._partial.pop(stream, b"") + data
        lines = data.splitlines(keepends=True) if b"\r" not in data else _split(data)
        if lines and not lines[-1].endswith(b"\n"):
            rest = lines.pop()
            while len(rest) >= CUT:
                lines.append(rest[:CUT])
                rest = rest[CUT:]
            if rest:
                self._partial[stream] = rest
        self._put(stream, lines)

    def flush(self) -> None:
        """The streams have ended: their last words, with or without newline."""
        for stream, rest in self._partial.items():
            self._put(stream, [rest])
        self._partial.clear()

    def close(self) -> None:
        self.flush()
        os.close(self._fd)

    def _put(self, stream: str, lines: list[bytes]) -> None:
        if not lines:
            return
        end = f',"stream":"{stream}","time":"{now()}"}}\n'
        pieces = [
            f'{{"log":{json.dumps(part.decode("utf-8", "replace"), ensure_ascii=False)}{end}'
            for line in lines
            for part in ([line] if len(line) <= CUT else [line[at : at + CUT] for at in range(0, len(line), CUT)])
        ]
        text = "".join(pieces).encode()
        if self._max_size and os.fstat(self._fd).st_size + len(text) > self._max_size:
            self._rotate()
        try:
            _write_all(self._fd, text)
        except OSError:
            pass  # a full disk loses log lines; it must not stop the container

    def _rotate(self) -> None:
        os.close(self._fd)
        for number in range(self._max_files - 1, 0, -1):
            older = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number}"))
        self._fd = self._open(os.O_TRUNC if self._max_files == 1 else 0)

    def _open(self, flags: int) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | flags, 0o640)


def now() -> str:
    """RFC 3339 with nanoseconds, UTC."""
    nanoseconds = time.time_ns()
    seconds = time.gmtime(nanoseconds // 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', seconds)}.{nanoseconds % 1_000_000_000:09d}Z"


def _split(data: bytes) -> list[bytes]:
    """At newlines only: bytes.splitlines would also cut at a lone carriage return."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
