"""Secrets of builds: in memory, once, for a short time."""

from __future__ import annotations

import pytest

from kernel_engine.build.secrets import VALUE_LIMIT, Secrets
from kernel_engine.errors import InvalidRequest


def test_a_token_is_good_once() -> None:
    kept = Secrets()
    token = kept.keep({"key": b"value"})
    assert kept.take(token) == {"key": b"value"}
    with pytest.raises(InvalidRequest, match="hand them over again"):
        kept.take(token)
    assert kept.take("") == {}


def test_values_are_forgotten() -> None:
    now = 0.0
    kept = Secrets(clock=lambda: now)
    token = kept.keep({"key": b"value"})
    now = 301.0
    with pytest.raises(InvalidRequest, match="are gone"):
        kept.take(token)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"key": b"x" * (VALUE_LIMIT + 1)}, "secret key too big. max size 500KB"),
        ({"": b"x"}, "invalid secret id"),
        ({"a/b": b"x"}, "invalid secret id"),
        ({str(number): b"" for number in range(101)}, "more than 100 secrets"),
    ],
)
def test_what_is_refused(values: dict[str, bytes], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Secrets().keep(values)


def test_nobody_fills_the_memory() -> None:
    kept = Secrets()
    for _ in range(100):
        kept.keep({"key": b""})
    with pytest.raises(InvalidRequest, match="more than 100"):
        kept.keep({"key": b""})
