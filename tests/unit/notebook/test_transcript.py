"""What a terminal showed, as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.notebook.transcript import Transcript


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\r\n", "plain\n"),
        (b"\x1b[?2004hroot@c:/# ls\r\n\x1b[?2004l\r", "root@c:/# ls\n"),
        (b"\x1b[01;34mbin\x1b[0m  etc\r\n", "bin  etc\n"),
        (b"Reading... 0%\rReading... 100%\rReading... Done\r\n", "Reading... Done\n"),
        (b"12345\r\x1b[Kab\r\n", "ab\n"),
        (b"abc\b\bX\r\n", "aXc\n"),
        (b"\x1b]0;root@c: /\x07$ \r\n", "$\n"),
        ("안녕\b\b하\r\n".encode(), "안하\n"),
        (b"a\tb\r\n", "a       b\n"),
    ],
)
def test_resolved(data: bytes, text: str) -> None:
    assert Transcript().feed(data) == text


def test_the_prompt_stays_unfinished() -> None:
    transcript = Transcript()
    assert transcript.feed(b"x\r\nroot# ") == "x\n"
    assert transcript.unfinished == "root# "


@given(st.lists(st.sampled_from(["ab", "\r\n", "\r", "\x1b[K", "\x1b[?2004h", "\x1b]0;t\x07", "한", "\b"])), st.data())
def test_pieces_make_no_difference(parts: list[str], data: st.DataObject) -> None:
    whole = "".join(parts).encode()
    cut = data.draw(st.integers(0, len(whole)))
    at_once, pieces = Transcript(), Transcript()
    expected = at_once.feed(whole)
    assert pieces.feed(whole[:cut]) + pieces.feed(whole[cut:]) == expected
    assert pieces.unfinished == at_once.unfinished
