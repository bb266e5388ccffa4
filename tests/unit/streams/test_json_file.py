"""The json-file log, byte for byte as dockerd 20.10.24 writes it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from kernel_engine.runtime.log_writer import json_file
from kernel_engine.runtime.log_writer.allowance import Allowance
from kernel_engine.runtime.log_writer.json_file import CUT, JsonFile

#: what a process printed, and the `log` strings that dockerd's file then held (escapes as they stand there)
RECORDED: list[tuple[bytes, list[str]]] = [
    (
        b'plain\ttab <b>&amp; "q" \\ back\n',
        [r"plain\u0009tab \u003cb\u003e\u0026amp; \"q\" \\ back\n"],
    ),
    (b"\x01\x1b[0m\x7f del\r\n", ["\\u0001\\u001b[0m\x7f del\\r\\n"]),
    (
        b"inv \xff \xe2\x82 x \xed\xa0\x80 \xf0\x9f\x98\x80 \xf0\x9f\n",
        ["inv \\ufffd \\ufffd\\ufffd x \\ufffd\\ufffd\\ufffd \U0001f600 \\ufffd\\ufffd\\n"],
    ),
    (b"\xe2\x80\xa8 ls \xef\xbf\xbd\n", ["\\u2028 ls \ufffd\\n"]),
    (b"\n", [r"\n"]),
    (b"a" * 16384 + b"\n", ["a" * 16384, r"\n"]),
    (b"b" * 16383 + b"\n", ["b" * 16383 + r"\n"]),
    (b"c" + b"\xc3" * 16383 + b"\xc3\n", ["c" + r"\ufffd" * 16383, r"\ufffd\n"]),
    (b"d" * 40000 + b"\n", ["d" * 16384, "d" * 16384, "d" * 7232 + r"\n"]),
    (b"nul\0x \b\f\n", [r"nul\u0000x \u0008\u000c\n"]),
    (b"tail no newline \xe2", ["tail no newline \\ufffd"]),
]
PRINTED = b"".join(data for data, _ in RECORDED)
LOGGED = [text for _, texts in RECORDED for text in texts]


def texts(path: Path) -> list[str]:
    """The `log` strings as they stand in the file."""
    found = [re.fullmatch(r'{"log":"(.*)","stream":"\w+","time":"[^"]+"}', line) for line in entries(path)]
    return [match[1] for match in found if match]


def entries(path: Path) -> list[str]:
    data = path.read_text()
    assert not data or data.endswith("\n")
    return data.split("\n")[:-1]


@pytest.mark.parametrize("piece", [1, 7, 4096, 16384, 100_000])
def test_the_same_bytes_as_docker_however_they_arrive(tmp_path: Path, piece: int) -> None:
    log = JsonFile(tmp_path / "log", 0, 1)
    for at in range(0, len(PRINTED), piece):
        log.write("stdout", PRINTED[at : at + piece])
    log.close()
    assert texts(tmp_path / "log") == LOGGED
    assert all(json.loads(line)["stream"] == "stdout" for line in entries(tmp_path / "log"))


def test_half_lines_of_two_streams_stay_apart(tmp_path: Path) -> None:
    log = JsonFile(tmp_path / "log", 0, 1)
    log.write("stdout", b"out ")
    log.write("stderr", b"err ")
    log.write("stdout", b"more\n")
    log.write("stderr", b"more\n")
    log.close()
    assert [(e["stream"], e["log"]) for e in map(json.loads, entries(tmp_path / "log"))] == [
        ("stdout", "out more\n"),
        ("stderr", "err more\n"),
    ]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (1_700_000_000_000_000_001, "2023-11-14T22:13:20.000000001Z"),
        (1_700_000_000_120_000_000, "2023-11-14T22:13:20.12Z"),
        (1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
    ],
)
def test_times_have_as_many_digits_as_they_take(monkeypatch: pytest.MonkeyPatch, nanoseconds: int, text: str) -> None:
    monkeypatch.setattr("kernel_engine.runtime.log_writer.json_file.time.time_ns", lambda: nanoseconds)
    assert json_file.now() == text


def test_a_file_that_has_reached_its_size_is_rotated_before_the_next_line(tmp_path: Path) -> None:
    log = JsonFile(tmp_path / "log", 200, 3)
    log.write("stdout", b"".join(b"%d\n" % number for number in range(20)))
    log.close()
    kept = [(tmp_path / name).read_text().count("\n") for name in ("log.2", "log.1", "log")]
    assert not (tmp_path / "log.3").exists()
    assert kept[:2] == [3, 3]  # 3 entries of about 75 bytes reach 200
    read = [json.loads(line)["log"] for name in ("log.2", "log.1", "log") for line in entries(tmp_path / name)]
    assert read == [f"{number}\n" for number in range(20)][-len(read) :]


def test_one_file_only_is_emptied(tmp_path: Path) -> None:
    log = JsonFile(tmp_path / "log", 200, 1)
    for number in range(50):
        log.write("stdout", b"%d\n" % number)
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").stat().st_size < 400
    assert texts(tmp_path / "log")[-1] == r"49\n"


def test_a_new_writer_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = JsonFile(path, 0, 1)
    log.write("stdout", b"one\ntwo\n")
    log.close()
    whole = path.read_bytes()
    with path.open("ab") as torn:
        torn.write(b'{"log":"' + b"x" * 200_000)
    log = JsonFile(path, 0, 1)
    assert path.read_bytes() == whole
    log.write("stdout", b"three\n")
    log.close()
    assert texts(path) == [r"one\n", r"two\n", r"three\n"]


def test_a_log_directory_that_was_removed_stops_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    log = JsonFile(directory / "log", 100, 3)
    log.write("stdout", b"x\n")
    (directory / "log").unlink()
    directory.rmdir()
    for _ in range(10):
        log.write("stdout", b"x\n")
    log.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_stops_nothing() -> None:
    log = JsonFile(Path("/dev/full"), 0, 1)
    log.write("stdout", b"x\n" * CUT)
    log.close()


def test_an_allowance_is_spent_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("kernel_engine.runtime.log_writer.allowance.time.monotonic", lambda: clock[0])
    allowance = Allowance(rate=1000, burst=5000)
    assert allowance.spend(5000) == 0
    assert allowance.spend(500) == 0.5
    clock[0] += 0.5
    assert allowance.spend(0) == 0
    clock[0] += 1000
    assert allowance.spend(5000) == 0  # never more than the burst is saved up
    assert allowance.spend(1) > 0
