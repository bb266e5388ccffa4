"""docker logs: the json-file log read back, from its end or its beginning, and on while the container runs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kernel_engine.containers.options import LogOptions

_BLOCK = 64 * 1024
_PAUSE = 0.05
#: lines handed over before the loop gets a turn: a log of a million lines must not hold up other requests
_TURN = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    stream: str  #: "stdout" | "stderr"
    time: str  #: RFC 3339 with nanoseconds, UTC
    data: bytes  #: with its newline, where it had one


async def read_logs(path: Path, options: LogOptions, *, ended: Callable[[], bool]) -> AsyncIterator[LogLine]:
    """The lines that `options` ask for. With `follow` it goes on until `ended()` is true and everything is read."""
    turn = 0
    position, inode = 0, 0
    for file in _files(path):
        start = await asyncio.to_thread(_tail_start, file, path, options.tail)
        if start is None:
            continue
        with open(file, "rb") as log:
            inode = os.fstat(log.fileno()).st_ino
            log.seek(start)
            for raw in log:
                if not raw.endswith(b"\n"):
                    break  # still being written
                position = log.tell()
                if (line := _wanted(raw, options)) is not None:
                    yield line
                turn += 1
                if turn % _TURN == 0:
                    await asyncio.sleep(0)
    if options.follow:
        async for line in _follow(path, inode, position, options, ended):
            yield line


async def _follow(
    path: Path, inode: int, position: int, options: LogOptions, ended: Callable[[], bool]
) -> AsyncIterator[LogLine]:
    while True:
        last = ended()  # asked before reading: what came before the end is read below
        for raw, inode_now, position_now in _grown(path, inode, position):
            inode, position = inode_now, position_now
            if (line := _wanted(raw, options)) is not None:
                yield line
        if last:
            return
        await asyncio.sleep(_PAUSE)


def _grown(path: Path, inode: int, position: int) -> Iterator[tuple[bytes, int, int]]:
    """New whole lines; of the rotated file first, if the log was rotated meanwhile."""
    try:
        now = os.stat(path)
    except FileNotFoundError:
        return
    files = [(path, position if now.st_ino == inode and now.st_size >= position else 0)]
    rotated = path.with_name(f"{path.name}.1")
    if now.st_ino != inode and rotated.exists() and os.stat(rotated).st_ino == inode:
        files.insert(0, (rotated, position))
    for file, start in files:
        with open(file, "rb") as log:
            number = os.fstat(log.fileno()).st_ino
            at = log.seek(start)
            for raw in log:
                if not raw.endswith(b"\n"):
                    break
                at += len(raw)
                yield raw, number, at


def _files(path: Path) -> tuple[Path, ...]:
    """Oldest first: name.2, name.1, name."""
    rotated = []
    number = 1
    while (file := path.with_name(f"{path.name}.{number}")).exists():
        rotated.append(file)
        number += 1
    return (*reversed(rotated), path) if path.exists() else tuple(reversed(rotated))


def _tail_start(file: Path, newest: Path, tail: int | None) -> int | None:
    """Where to begin in `file` so that the last `tail` lines of all files come; None = not in this file."""
    if tail is None:
        return 0
    after = 0
    files = _files(newest)
    for other in files[files.index(file) + 1 :]:
        after += _count_lines(other)
    wanted = tail - after
    if wanted <= 0:
        return None if file != newest else os.stat(file).st_size
    return _last_lines(file, wanted)


def _count_lines(file: Path) -> int:
    with open(file, "rb") as log:
        return sum(block.count(b"\n") for block in iter(lambda: log.read(_BLOCK), b""))


def _last_lines(file: Path, wanted: int) -> int:
    """The offset of the last `wanted` lines, found from the end in blocks."""
    with open(file, "rb") as log:
        end = log.seek(0, os.SEEK_END)
        position, found = end, 0
        while position > 0:
            size = min(_BLOCK, position)
            position -= size
            log.seek(position)
            block = log.read(size)
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                if position + at == end - 1:
                    continue  # the newline of the last line itself
                found += 1
                if found == wanted:
                    return position + at + 1
        return 0


def _wanted(raw: bytes, options: LogOptions) -> LogLine | None:
    """The line, unless it is of another stream or time, or damaged."""
    try:
        fields = json.loads(raw)
        line = LogLine(stream=fields["stream"], time=fields["time"], data=fields["log"].encode())
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    if not (options.stdout if line.stream == "stdout" else options.stderr):
        return None
    if options.since or options.until:
        moment = _seconds(line.time)
        if moment < options.since or (options.until and moment > options.until):
            return None
    return line


def _seconds(time: str) -> float:
    """RFC 3339 with nanoseconds → seconds since the epoch."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
