from __future__ import annotations

import pytest

from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.filters import Prune, all_labels, flag, moment, parse_filters, read_prune, refuse_unknown


def test_both_shapes() -> None:
    assert parse_filters('{"name":{"c1":true,"c2":true}}') == {"name": ("c1", "c2")}
    assert parse_filters('{"label":["a","b=c"]}') == {"label": ("a", "b=c")}
    assert parse_filters("") == {}
    assert parse_filters("{}") == {}


@pytest.mark.parametrize("text", ["{", "[]", "1", '{"name":"c1"}', '{"name":true}', '{"name":[1]}', "[" * 100_000])
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid filter"):
        parse_filters(text)


@pytest.mark.parametrize(
    ("values", "expected"), [((), None), (("1",), True), (("True",), True), (("false",), False), (("0",), False)]
)
def test_flags(values: tuple[str, ...], expected: bool | None) -> None:
    assert flag({"dangling": values}, "dangling") is expected


def test_a_flag_that_is_neither() -> None:
    with pytest.raises(InvalidRequest, match="invalid filter 'dangling=\\[perhaps\\]'"):
        flag({"dangling": ("perhaps",)}, "dangling")


def test_unknown_keys() -> None:
    refuse_unknown({"id": ("a",)}, frozenset({"id"}))
    with pytest.raises(InvalidRequest, match="invalid filter 'colour'"):
        refuse_unknown({"colour": ("red",)}, frozenset({"id"}))


def test_labels() -> None:
    labels = {"a": "1", "b": ""}
    assert all_labels(labels, ("a", "a=1", "b="))
    assert not all_labels(labels, ("a=2",))
    assert not all_labels(labels, ("c",))


def test_moments() -> None:
    assert moment("1700000000", 0) == 1_700_000_000
    assert moment("1h30m", 10_000) == 4600
    assert moment("2024-01-01T00:00:00.123456789+09:00", 0) == pytest.approx(1704034800.123456)
    with pytest.raises(InvalidRequest, match='failed to parse value as time or duration: "yesterday"'):
        moment("yesterday", 0)


def test_a_prune_takes_what_is_old_and_labelled_and_not_spared() -> None:
    prune = Prune(until=100.0, labels=("a",), spared=("keep",))
    assert prune.takes(created=99, labels={"a": ""})
    assert not prune.takes(created=101, labels={"a": ""})
    assert not prune.takes(created=99, labels={})
    assert not prune.takes(created=99, labels={"a": "", "keep": "1"})
    assert Prune().takes(created=1e12, labels={})
    with pytest.raises(InvalidRequest, match="more than one until filter specified"):
        read_prune({"until": ("1h", "2h")})
