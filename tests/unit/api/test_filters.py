from __future__ import annotations

import pytest

from kernel_engine.api.filters import flag, parse_filters, refuse_unknown
from kernel_engine.errors import InvalidRequest


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
    with pytest.raises(InvalidRequest, match="invalid filter 'dangling=perhaps'"):
        flag({"dangling": ("perhaps",)}, "dangling")


def test_unknown_keys() -> None:
    refuse_unknown({"id": ("a",)}, frozenset({"id"}))
    with pytest.raises(InvalidRequest, match="invalid filter 'colour'"):
        refuse_unknown({"colour": ("red",)}, frozenset({"id"}))
