"""Variables in words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.compose.interpolation import (
    Invalid,
    Missing,
    Reference,
    interpolate,
    references,
    substitute,
    truth,
)
from kernel_engine.compose.refusals import Refused

VARIABLES = {"A": "a", "E": "", "NUMBER": "3", "_x1": "u"}


def _silent(_: str) -> None:
    pass


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("$A ${A} $A$A", "a a aa"),
        ("${_x1}$_x1-", "uu-"),
        ("$$A $${A} $$$A", "$A ${A} $a"),
        ("$ $1 $- a$", "$ $1 $- a$"),
        ("${A:-d} ${E:-d} ${U:-d}", "a d d"),
        ("${A-d} ${E-d} ${U-d}", "a  d"),
        ("${A:+r}|${E:+r}|${U:+r}", "r||"),
        ("${A+r}|${E+r}|${U+r}", "r|r|"),
        ("${A:?x}${A?x}${E?x}", "aa"),
        ("${U:-${E:-${A}}}", "a"),
        ("${U:-a:-b}", "a:-b"),
        ("${U:-{x}}", "{x}"),
        ("${U:-a}b}", "ab}"),
        ("${U:-$A$$}", "a$"),
        ("${U-}x", "x"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert substitute(text, VARIABLES, _silent) == value


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${1}", "${A!b}", "${A b}", "${-x}", "x${U:-${}}"])
def test_what_means_nothing(text: str) -> None:
    with pytest.raises(Invalid):
        substitute(text, VARIABLES, _silent)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${U:?}", "required variable U is missing a value"),
        ("${E:?say $A}", "required variable E is missing a value: say a"),
        ("${U?say}", "required variable U is missing a value: say"),
        ("${U:-${E:?deep}}", "required variable E is missing a value: deep"),
    ],
)
def test_required(text: str, sentence: str) -> None:
    with pytest.raises(Missing, match=f"^{re.escape(sentence)}$"):
        substitute(text, VARIABLES, _silent)


def test_warnings_are_for_variables_without_a_default() -> None:
    said: list[str] = []
    substitute("${U:-x} ${V} $W ${X+y}", VARIABLES, said.append)
    assert said == [f'The "{name}" variable is not set. Defaulting to a blank string.' for name in "VW"]


def test_words_become_numbers_and_truths_where_they_are_meant() -> None:
    given_values = {
        "services": {
            "a": {
                "scale": "$NUMBER",
                "tty": "yes",
                "cpus": "1.5",
                "hostname": "$NUMBER",
                "ports": [{"target": "80", "published": "80"}],
                "ulimits": {"nofile": {"soft": "1"}},
            }
        },
        "x-scale": "$NUMBER",
    }
    assert interpolate(given_values, VARIABLES, _silent) == {
        "services": {
            "a": {
                "scale": 3,
                "tty": True,
                "cpus": 1.5,
                "hostname": "3",
                "ports": [{"target": 80, "published": "80"}],
                "ulimits": {"nofile": {"soft": 1}},
            }
        },
        "x-scale": "3",
    }


def test_keys_are_left_as_they_are() -> None:
    assert interpolate({"$A": "$A"}, VARIABLES, _silent) == {"$A": "a"}


def test_a_wrong_word_names_its_place() -> None:
    with pytest.raises(Refused, match=r"^error while interpolating services\.a\.ports\.\[\]\.target: ") as refused:
        interpolate({"services": {"a": {"ports": [{"target": "x"}]}}}, {}, _silent)
    assert refused.value.path == ("services", "a", "ports", 0, "target")


def test_old_truths_are_warned_of() -> None:
    said: list[str] = []
    assert [truth(word, said.append) for word in ("true", "NO", "on")] == [True, False, True]
    assert said == [
        '"NO" for boolean is not supported by YAML 1.2, please use `false`',
        '"on" for boolean is not supported by YAML 1.2, please use `true`',
    ]


def test_references() -> None:
    values = {"a": "${A:-${B:?x}} $C $$D ${bad", "b": ["${E+e}", 3], "c": "${F-$G}"}
    assert list(references(values)) == [
        Reference("E", "+", "e"),
        Reference("F", "-", "$G"),
        Reference("G"),
    ]
    assert [reference.name for reference in references("${A:-${B:?x}} $C $$D")] == ["A", "B", "C"]


@given(st.text(alphabet="$AUE{}:-+?x ", max_size=20))
def test_doubling_escapes_everything(text: str) -> None:
    assert substitute(text.replace("$", "$$"), VARIABLES, _silent) == text


@given(st.text(alphabet="$AUE{}:-+?x ", max_size=30))
def test_any_text_has_a_value_or_is_refused(text: str) -> None:
    try:
        value = substitute(text, VARIABLES, _silent)
    except (Invalid, Missing):
        return
    assert isinstance(value, str)
    if "$" not in text:
        assert value == text


def test_depth_is_bounded() -> None:
    with pytest.raises(Invalid):
        substitute("${U:-" * 2000 + "}" * 2000, {}, _silent)
