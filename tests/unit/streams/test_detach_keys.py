"""Docker's syntax for detach keys, and finding them in what a person types."""

from __future__ import annotations

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime.log_writer.detach_keys import DEFAULT, Matcher, parse


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("", b"\x10\x11"),
        ("ctrl-a,x", b"\x01x"),
        ("ctrl-@", b"\x00"),
        ("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x1b\x1c\x1d\x1e\x1f"),
        ("a,b,c", b"abc"),
        ("DEL", b"\x7f"),
    ],
)
def test_syntax(words: str, keys: bytes) -> None:
    assert parse(words) == keys


@pytest.mark.parametrize("words", ["ctrl-&", "ctrl-A", "xy", "a,", ",", "é", "ctrl-", "ctrl-ab"])
def test_what_is_no_key_is_refused_in_dockers_words(words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(words)
    assert caught.value.message == f"Invalid detach keys ({words}) provided"


def feed(keys: bytes, *packets: bytes) -> tuple[bytes, bool]:
    matcher, passed = Matcher(keys), b""
    for packet in packets:
        data, found = matcher.feed(packet)
        passed += data
        if found:
            return passed, True
    return passed, False


@pytest.mark.parametrize(
    ("packets", "passed", "found"),
    [
        ([b"plain text\n"], b"plain text\n", False),
        ([b"ab\x10\x11lost"], b"ab", True),
        ([b"ab\x10", b"\x11"], b"ab", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10", b"\x10", b"\x11"], b"\x10", True),
        ([b"\x11\x10"], b"\x11", False),  # the last one is held: it may be the beginning
        ([b"\x11\x10", b"q"], b"\x11\x10q", False),
    ],
)
def test_the_sequence_in_pieces(packets: list[bytes], passed: bytes, found: bool) -> None:
    assert feed(DEFAULT, *packets) == (passed, found)


def test_a_sequence_that_begins_within_itself() -> None:
    assert feed(b"aab", b"aaab") == (b"a", True)
    assert feed(b"abab!", b"ababab!") == (b"ab", True)
    assert feed(b"aab", b"aac") == (b"aac", False)
