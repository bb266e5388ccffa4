"""Sizes in go-units' words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.formats.sizes import binary_size, human_size, parse_size


@pytest.mark.parametrize(
    ("size", "four", "three"),
    [
        (0, "0B", "0B"),
        (999, "999B", "999B"),
        (1000, "1kB", "1kB"),
        (1984162, "1.984MB", "1.98MB"),
        (173_000_000, "173MB", "173MB"),
        (1_234_567_890, "1.235GB", "1.23GB"),
        (10**15, "1PB", "1PB"),
    ],
)
def test_decimal(size: int, four: str, three: str) -> None:
    assert (human_size(size), human_size(size, 3)) == (four, three)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1024, "1KiB"), (512 << 20, "512MiB"), (25276514304, "23.54GiB")]
)
def test_binary(size: int, text: str) -> None:
    assert binary_size(size) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("100", 100), ("32b", 32), ("64m", 64 << 20), ("64M", 64 << 20), ("64mb", 64 << 20), ("64MiB", 64 << 20),
     ("1.5g", 3 << 29), ("2 kb", 2048), ("1t", 1 << 40), (".5k", 512)],
)  # fmt: skip
def test_parse(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [("x", "invalid size: 'x'"), ("-1", "invalid size: '-1'"), ("", "invalid size: ''"), ("5x", "invalid suffix: 'x'"),
     ("5mib3", "invalid syntax"), ("5bb", "invalid suffix: 'bb'"), ("5mbb", "invalid suffix: 'mbb'"),
     ("1.2.3m", "invalid syntax")],
)  # fmt: skip
def test_parse_refuses(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_size(text)


@given(st.text(max_size=8))
def test_parse_reads_or_refuses_anything(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except ValueError:
        pass
