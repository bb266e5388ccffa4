"""docker logs: the json-file log read back, from its end or its beginning, and on while the container runs.

The files are written, and rotated at any moment, by the log writer. A reader keeps open what it reads and tells files
apart by inode, so that rotation neither repeats lines nor leaves any out.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from kernel_engine.containers.options import LogOptions

_BLOCK = 64 * 1024
_PAUSE = 0.05
#: lines handed over before the loop gets a turn: a log of a million lines must not hold up other requests
_TURN = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    stream: str  #: "stdout" | "stderr"
    time: str  #: RFC 3339 with nine digits of a second, UTC
    data: bytes  #: with its newline, where it had one


async def read_logs(
    path: Path, options: LogOptions, *, ended: Callable[[], bool], end: tuple[int, int] | None = None
) -> AsyncIterator[LogLine]:
    """The lines that `options` ask for. With `follow` it goes on until `ended()` is true and everything is read.

    `tail` counts lines of both streams and all times, as Docker's does; `since` and `until` are inclusive. A file
    that does not exist is an empty log. A line that is still being written is left for later. end: the inode of the
    file, and the bytes of it, where reading ends (one that has been rotated out of sight was the last of what is left).
    """
    with ExitStack() as stack:
        files = _until([stack.enter_context(file) for file in _open_all(path)], end)
        if options.tail is not None:
            await asyncio.to_thread(_seek_tail, files, options.tail)
        turn = 0
        while True:
            last = not options.follow or ended() or _past(options)  # asked before reading: what came before is read
            while files:
                for raw in _whole_lines(files[0], end):
                    turn += 1
                    if turn % _TURN == 0:
                        await asyncio.sleep(0)
                    line = _parsed(raw)
                    if line is None:
                        continue
                    if options.until and _seconds(line.time) > options.until:
                        return
                    if _wanted(line, options):
                        yield line
                if len(files) == 1:
                    break
                files.pop(0).close()
            if options.follow:
                newer = [stack.enter_context(file) for file in _newer(path, files)]
                if newer:
                    files += newer  # the current one once more: it may have grown up to its rotation
                    continue
            if last:
                return
            await asyncio.sleep(_PAUSE)


def _past(options: LogOptions) -> bool:
    return bool(options.until) and time.time() > options.until


def _until(files: list[BinaryIO], end: tuple[int, int] | None) -> list[BinaryIO]:
    """Those up to the file in which reading ends."""
    if end is None:
        return files
    inodes = [os.fstat(file.fileno()).st_ino for file in files]
    return files[: inodes.index(end[0]) + 1] if end[0] in inodes else []


def _whole_lines(file: BinaryIO, end: tuple[int, int] | None) -> Iterator[bytes]:
    """From where the file stands to its last newline (in the file of `end` to the last before), and leaves it there."""
    position, status = file.tell(), os.fstat(file.fileno())
    last = end[1] if end is not None and end[0] == status.st_ino else None
    if status.st_size < position:  # emptied: a log of one file "rotates" in place
        position = file.seek(0)
    for raw in file:
        if not raw.endswith(b"\n") or (last is not None and position + len(raw) > last):
            break
        position += len(raw)
        yield raw
    file.seek(position)


def _open_all(path: Path) -> list[BinaryIO]:
    """Oldest first: name.2, name.1, name. Opened newest first: a rotation meanwhile shows one twice, which the inode
    tells, and never hides one."""
    files: list[BinaryIO] = []
    inodes: set[int] = set()
    missing = number = 0
    while missing < 2:  # during a rotation one name of the row is free
        try:
            file = (path.with_name(f"{path.name}.{number}") if number else path).open("rb")
        except FileNotFoundError:
            missing += 1
        else:
            missing = 0
            if (inode := os.fstat(file.fileno()).st_ino) in inodes:
                file.close()
            else:
                inodes.add(inode)
                files.insert(0, file)
        number += 1
    return files


def _newer(path: Path, files: Sequence[BinaryIO]) -> list[BinaryIO]:
    """The files after the one being read, oldest first. All, where that one has been rotated out of sight."""
    current = os.fstat(files[-1].fileno()).st_ino if files else -1
    try:
        if os.stat(path).st_ino == current:
            return []
    except FileNotFoundError:
        return []
    opened = _open_all(path)
    inodes = [os.fstat(file.fileno()).st_ino for file in opened]
    known = inodes.index(current) + 1 if current in inodes else 0
    for file in opened[:known]:
        file.close()
    return opened[known:]


def _seek_tail(files: Sequence[BinaryIO], tail: int) -> None:
    """Leaves each file where the last `tail` lines of them all begin."""
    for file in reversed(files):
        tail -= _seek_last_lines(file, tail)


def _seek_last_lines(file: BinaryIO, wanted: int) -> int:
    """To the beginning of the last `wanted` whole lines, found from the end in blocks. How many there were."""
    position = file.seek(0, os.SEEK_END)
    found = 0
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if found == wanted:
                file.seek(position + at + 1)
                return wanted
            found += 1
    file.seek(0)
    return found


def _parsed(raw: bytes) -> LogLine | None:
    """None for a damaged line: it must not hide those after it."""
    try:
        fields = json.loads(raw)
        return LogLine(stream=fields["stream"], time=_nine_digits(fields["time"]), data=fields["log"].encode())
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def _wanted(line: LogLine, options: LogOptions) -> bool:
    if not (options.stdout if line.stream == "stdout" else options.stderr):
        return False
    return not options.since or _seconds(line.time) >= options.since


def _nine_digits(moment: str) -> str:
    """Docker writes as many digits as it takes, and shows nine. ValueError for what is no time in UTC."""
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    datetime.fromisoformat(whole)
    return f"{whole}.{fraction:0<9}Z"


def _seconds(moment: str) -> float:
    """Since the epoch; rounded as the API rounds the same digits, so that a line's own time finds it."""
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    return float(f"{datetime.fromisoformat(f'{whole}+00:00').timestamp():.0f}.{fraction}")
