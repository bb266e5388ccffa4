"""Names of signals."""

from __future__ import annotations

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.signals import parse_signal


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigint", 2),
        ("9", 9),
        ("SIG9", 9),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("RTMAX", 64),
    ],
)
def test_a_signal(word: str, number: int) -> None:
    assert parse_signal(word) == number


@pytest.mark.parametrize(
    "word",
    ["", "0", "65", "99", "-1", "FOO", "TERM+1", "RTMIN+", "RTMIN+31", "RTMIN+x", "²", "RTMIN+²", "9" * 5000, "SIG"],
)
def test_no_signal(word: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^Invalid signal: {word.replace('+', '[+]')}$"):
        parse_signal(word)
