"""YAML as go-yaml reads it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.documents import Document, plain, replaced, resolved
from kernel_engine.compose.writing import written


def _read(text: str) -> Any:
    (root,) = Document("f", text.encode()).roots
    return plain(root)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", "yes"), ("on", "on"), ("true", True), ("False", False), ("22:22", "22:22"),
        ("2024-01-01", "2024-01-01"),
        ("0644", 420), ("0o17", 15), ("0x1F", 31), ("0b11", 3), ("1_000", 1000), ("08", 8.0), ("1.5", 1.5), (".5", 0.5),
        ("1e3", 1000.0), ("1.2.3", "1.2.3"), ("~", None), ("null", None), ("", None), ("'1'", "1"), ('"null"', "null"),
        ("!!str 5", "5"), ("!own x", "x"), ("-5", -5), ("+3", 3), ("-", None), ("1-2", "1-2"),
    ],
)  # fmt: skip
def test_words(word: str, value: Any) -> None:
    if word == "-":
        assert resolved("-") == "-"
    else:
        assert _read(f"a: {word}") == {"a": value}


def test_a_colon_before_a_brace() -> None:
    assert _read("a: {b:}") == {"a": {"b": None}}


def test_merge_keys() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y {c: 3}\nz: {<<: [*x, *y], b: 4}\nw: {'<<': 1}\n"
    values = _read(text)
    assert values["z"] == {"b": 4, "a": 1, "c": 3}
    assert values["w"] == {"<<": 1}


def test_reset_and_override() -> None:
    (root,) = Document("f", b"a: !reset\nb: !override [1]\nc: {d: !reset null, e: 2}\n").roots
    assert plain(root) == {"b": [1], "c": {"e": 2}}
    assert list(replaced(root)) == [("a",), ("b",), ("c", "d")]


def test_lines() -> None:
    document = Document("f", b"a:\n  b:\n    - 1\n    - c: 2\n")
    assert [document.line_of(path) for path in [("a",), ("a", "b"), ("a", "b", 1, "c"), ("a", "x"), ("x",)]] == [
        1, 2, 4, 1, 0,
    ]  # fmt: skip


def test_no_tag_makes_an_object() -> None:
    assert _read("a: !!python/object/apply:os.system [id]") == {"a": ["id"]}


PLAIN = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(st.text(max_size=5), inner, min_size=1, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(alphabet="aä:# -?y~1", max_size=4), PLAIN, min_size=1, max_size=3))
def test_what_is_written_is_read_again(values: Any) -> None:
    try:
        text = written(values).encode()
    except UnicodeEncodeError:  # half of a pair: no text
        return
    (root,) = Document("f", text).roots
    assert plain(root) == values


@pytest.mark.parametrize("data", [b"\xff", b"a: \x00", b"%YAML 9.9\n---\na: 1", b"a: &a\n  b: *a", b"&" * 50])
def test_broken_bytes(data: bytes) -> None:
    with pytest.raises(Failed, match="failed to parse f: yaml: "):
        Document("f", data)
