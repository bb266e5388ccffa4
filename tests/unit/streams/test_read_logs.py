"""Reading json-file logs back: tail, times, following, rotation, damage."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from kernel_engine.containers.logs import LogLine, read_logs
from kernel_engine.containers.options import LogOptions
from kernel_engine.runtime.log_writer.json_file import JsonFile


def entry(text: str, stream: str = "stdout", moment: str = "2024-05-01T10:00:00.5Z") -> str:
    return f'{{"log":"{text}\\n","stream":"{stream}","time":"{moment}"}}\n'


async def collect(path: Path, options: LogOptions, end: tuple[int, int] | None = None) -> list[LogLine]:
    return [line async for line in read_logs(path, options, ended=lambda: True, end=end)]


async def texts(path: Path, options: LogOptions | None = None, end: tuple[int, int] | None = None) -> list[str]:
    return [line.data.decode().rstrip("\n") for line in await collect(path, options or LogOptions(), end)]


async def test_stream_time_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(entry("한\\u001b[0m", "stderr", "2024-05-01T10:00:00Z"))
    assert await collect(tmp_path / "log", LogOptions()) == [
        LogLine(stream="stderr", time="2024-05-01T10:00:00.000000000Z", data="한\x1b[0m\n".encode())
    ]


async def test_one_stream_only(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(entry("out") + entry("err", "stderr"))
    assert await texts(tmp_path / "log", LogOptions(stderr=False)) == ["out"]
    assert await texts(tmp_path / "log", LogOptions(stdout=False)) == ["err"]


async def test_no_file_is_an_empty_log(tmp_path: Path) -> None:
    assert await texts(tmp_path / "log") == []
    assert await texts(tmp_path / "log", LogOptions(follow=True, tail=5)) == []


@pytest.mark.parametrize("tail", [0, 1, 2, 9, 10, 11, 25, 30, 31])
async def test_tail_over_rotated_files(tmp_path: Path, tail: int) -> None:
    lines = [f"line {number}" for number in range(30)]
    for name, part in (("log.2", lines[:10]), ("log.1", lines[10:20]), ("log", lines[20:])):
        (tmp_path / name).write_text("".join(map(entry, part)))
    assert await texts(tmp_path / "log", LogOptions(tail=tail)) == lines[max(30 - tail, 0) :]


async def test_up_to_where_the_log_was_at_a_moment(tmp_path: Path) -> None:
    """It has grown since, and been rotated."""
    (tmp_path / "log.1").write_text(entry("one"))
    (tmp_path / "log").write_text(entry("two"))
    status = (tmp_path / "log").stat()
    end = (status.st_ino, status.st_size)
    with (tmp_path / "log").open("a") as file:
        file.write(entry("three"))
    assert await texts(tmp_path / "log", end=end) == ["one", "two"]
    (tmp_path / "log.1").replace(tmp_path / "log.2")
    (tmp_path / "log").replace(tmp_path / "log.1")
    (tmp_path / "log").write_text(entry("four"))
    assert await texts(tmp_path / "log", end=end) == ["one", "two"]
    (tmp_path / "log.1").unlink()
    assert await texts(tmp_path / "log", end=end) == []


async def test_tail_leaves_out_a_line_still_being_written(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(entry("one") + entry("two") + entry("three")[:-5])
    assert await texts(tmp_path / "log", LogOptions(tail=1)) == ["two"]
    assert await texts(tmp_path / "log") == ["one", "two"]


async def test_the_tail_of_a_large_file_is_found_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.truncate(2 << 30)  # two sparse GiB that no reader should walk through
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + "".join(entry(f"{number} " + "x" * 300) for number in range(1000)).encode())
    started = time.monotonic()
    found = await texts(path, LogOptions(tail=500))
    assert time.monotonic() - started < 1
    assert [text.split()[0] for text in found] == [str(number) for number in range(500, 1000)]


async def test_a_damaged_line_hides_no_other(tmp_path: Path) -> None:
    damaged = ["{}", "nonsense", '{"log":5,"stream":"stdout","time":"2024-05-01T10:00:00Z"}', "\x00\x01", "[]"]
    damaged += ['{"log":"x","stream":"stdout","time":"yesterday"}', '{"log":"\\ud800","stream":"stdout","time":"2024"}']
    (tmp_path / "log").write_text(entry("before") + "\n".join(damaged) + "\n" + entry("after"))
    assert await texts(tmp_path / "log") == ["before", "after"]


async def test_since_and_until_include_the_moment_itself(tmp_path: Path) -> None:
    digits = ["100000001", "123456789", "987654321"]
    path = tmp_path / "log"
    path.write_text("".join(entry(text, moment=f"2024-05-01T10:00:00.{text}Z") for text in digits))
    moments = [float(f"1714557600.{text}") for text in digits]
    assert await texts(path, LogOptions(since=moments[1])) == digits[1:]
    assert await texts(path, LogOptions(until=moments[1])) == digits[:2]
    assert await texts(path, LogOptions(since=moments[1], until=moments[1])) == digits[1:2]
    assert await texts(path, LogOptions(since=moments[2] + 1)) == []


class Follower:
    def __init__(self, path: Path, options: LogOptions) -> None:
        self.lines: list[str] = []
        self.over = False
        self.task = asyncio.create_task(self._run(path, options))

    async def _run(self, path: Path, options: LogOptions) -> None:
        async for line in read_logs(path, options, ended=lambda: self.over):
            self.lines.append(line.data.decode().rstrip("\n"))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.lines) < count:
                await asyncio.sleep(0.01)

    async def end(self) -> list[str]:
        self.over = True
        await asyncio.wait_for(self.task, 5)
        return self.lines


async def test_following_begins_before_the_file_and_ends_after_its_last_line(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "log", LogOptions(follow=True))
    await asyncio.sleep(0.06)
    log = JsonFile(tmp_path / "log", 0, 1)
    log.write("stdout", b"first\n")
    await follower.until(1)
    log.write("stdout", b"half")
    log.write("stdout", b" and half\nlast")
    log.close()
    assert await follower.end() == ["first", "half and half", "last"]


@pytest.mark.parametrize(("tail", "expected"), [(0, ["new"]), (1, ["old 2", "new"]), (None, ["old 1", "old 2", "new"])])
async def test_following_after_a_tail(tmp_path: Path, tail: int | None, expected: list[str]) -> None:
    (tmp_path / "log").write_text(entry("old 1") + entry("old 2"))
    follower = Follower(tmp_path / "log", LogOptions(follow=True, tail=tail))
    await asyncio.sleep(0.06)
    with (tmp_path / "log").open("a") as log:
        log.write(entry("new")[:10])
        log.flush()
        await asyncio.sleep(0.06)
        log.write(entry("new")[10:])
    await follower.until(len(expected))
    assert await follower.end() == expected


async def test_following_through_rotations_leaves_nothing_out(tmp_path: Path) -> None:
    log = JsonFile(tmp_path / "log", 2000, 50)
    follower = Follower(tmp_path / "log", LogOptions(follow=True))
    for number in range(400):  # several rotations between two looks of the reader
        log.write("stdout", b"%d\n" % number)
        if number % 40 == 0:
            await asyncio.sleep(0.02)
    log.close()
    assert len(list(tmp_path.iterdir())) > 10
    assert await follower.end() == [str(number) for number in range(400)]


async def test_following_a_log_that_is_emptied_in_place(tmp_path: Path) -> None:
    log = JsonFile(tmp_path / "log", 1000, 1)
    follower = Follower(tmp_path / "log", LogOptions(follow=True))
    for number in range(30):
        log.write("stdout", b"%d\n" % number)
        await follower.until(number + 1)
    log.close()
    assert await follower.end() == [str(number) for number in range(30)]


async def test_following_ends_when_until_has_passed(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(entry("old"))
    follower = Follower(tmp_path / "log", LogOptions(follow=True, until=time.time() + 0.15))
    await asyncio.wait_for(follower.task, 2)
    assert follower.lines == ["old"]


async def test_a_long_log_leaves_the_loop_its_turns(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(entry("x") * 20000)
    longest = 0.0

    async def heart() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - before)

    beating = asyncio.create_task(heart())
    assert len(await texts(tmp_path / "log", LogOptions(stdout=False))) == 0
    beating.cancel()
    assert longest < 0.2
