"""Times and durations in Docker's words."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.formats.times import (
    go_duration,
    human_duration,
    local_stamp,
    parse_duration,
    parse_nanoseconds,
    parse_time,
    rfc3339,
    timestamp,
)

DAY = 86400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "Less than a second"), (0.9, "Less than a second"), (1, "1 second"), (59, "59 seconds"),
        (60, "About a minute"), (119, "About a minute"), (120, "2 minutes"), (3599, "59 minutes"),
        (3600, "About an hour"), (5399, "About an hour"), (5400, "2 hours"), (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"), (13 * DAY, "13 days"), (14 * DAY, "2 weeks"), (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"), (729 * DAY, "24 months"), (731 * DAY, "2 years"), (3 * 365 * DAY, "3 years"),
    ],
)  # fmt: skip
def test_human_duration(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words


def test_times_are_exact_to_the_nanosecond() -> None:
    text = "2026-11-24T02:34:37.443726342Z"
    assert rfc3339(parse_nanoseconds(text)) == text
    assert parse_nanoseconds("2026-11-24T02:34:37Z") % 10**9 == 0
    assert parse_time("1970-01-01T09:00:00.5+09:00") == 0.5
    assert parse_nanoseconds("0001-01-01T00:00:00Z") < 0


@given(st.integers(0, 4 * 10**18))
def test_every_time_comes_back(nanoseconds: int) -> None:
    assert parse_nanoseconds(rfc3339(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("10m", 600), ("1h30m", 5400), ("1.5s", 1.5), ("-5s", -5), ("100ms", 0.1), ("0", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "x", "5x", "h", "1h x"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_duration(text)


def test_timestamps_for_the_api() -> None:
    assert timestamp("10m", 1000.5) == "400.500000000"
    assert timestamp("1700000000.25", 0) == "1700000000.25"
    assert timestamp("2023-11-14T22:13:20Z", 0) == "1700000000.000000000"
    assert timestamp("2023-11-14T22:13:20.5+00:00", 0) == "1700000000.500000000"


def test_a_time_without_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "KST-9")
    time.tzset()
    try:
        assert timestamp("2023-11-15T07:13:20", 0) == "1700000000.000000000"
        assert timestamp("2023-11-15", 0) == "1699974000.000000000"
        assert local_stamp(1_700_000_000) == "2023-11-15 07:13:20 +0900 KST"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["x", "2023-99-99", "yesterday", "10"[:0] + "1d"])
def test_timestamps_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        timestamp(text, 0)


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [
        (0, "0s"),
        (999, "999ns"),
        (1_500, "1.5µs"),
        (300_000_000, "300ms"),
        (1_000_000_000, "1s"),
        (1_050_000_000, "1.05s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-2_000_000_000, "-2s"),
    ],
)
def test_durations_as_go_prints_them(nanoseconds: int, words: str) -> None:
    assert go_duration(nanoseconds) == words
    assert round(parse_duration(words) * 1e9) == nanoseconds


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("5", 'time: missing unit in duration "5"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        ("", 'time: invalid duration ""'),
        ("s", 'time: invalid duration "s"'),
        ("1.2.3s", 'time: invalid duration "1.2.3s"'),
        ("٥s", 'time: invalid duration "٥s"'),
        ("9999999999h", 'time: invalid duration "9999999999h"'),
    ],
)
def test_what_is_wrong_with_a_duration(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(error)}$"):
        parse_duration(text)
