"""`.dockerignore`: what Docker's own client left out of the same paths (28.2.2, recorded in ignore_cases.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.formats.ignore import BadPattern, Rules, read, with_build_files

RECORDED = json.loads(Path(__file__).with_name("ignore_cases.json").read_text())


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: " ".join(case["patterns"]))
def test_as_dockers_client(case: dict[str, Any]) -> None:
    patterns = read("\n".join(case["patterns"]).encode())
    if "error" in case:
        with pytest.raises(BadPattern) as refused:
            Rules(patterns)
        assert str(refused.value) == case["error"]
        return
    rules = Rules(with_build_files(patterns, "Dockerfile"))
    assert [path for path in RECORDED["paths"] if rules.excludes(path)] == case["excluded"]


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        (b"", ()),
        (b"\xef\xbb\xbf# comment\nfoo\n", ("foo",)),
        (b"\xef\xbb\xbffoo\n", ("foo",)),
        (b"foo\r\nbar\r\n", ("foo", "bar")),
        (b"  foo/  \n\n\t\n/bar\n./baz\n", ("foo", "bar", "baz")),
        (b" # no comment\n", ("# no comment",)),
        (b"!/foo\n!  bar/ \n!\n", ("!foo", "!bar", "!")),
        (b"/\n//a//b\na/../b\n", ("/", "a/b", "b")),
        (b"\xff\n", ("\udcff",)),
    ],
)
def test_reading(text: bytes, patterns: tuple[str, ...]) -> None:
    assert read(text) == patterns


def test_the_build_files_are_sent_although_they_are_left_out() -> None:
    assert with_build_files(("*",), "Dockerfile") == ("*", "!.dockerignore", "!Dockerfile")
    assert with_build_files(("docs",), "Dockerfile") == ("docs",)
    assert with_build_files(("docs",), "docs/Dockerfile") == ("docs", "!docs/Dockerfile")
    assert with_build_files(("*",), "") == ("*", "!.dockerignore")


def test_a_directory_without_exceptions_is_not_entered() -> None:
    rules = Rules(("deep", "!deep/down/file"))
    assert rules.excludes("deep")
    assert not rules.closes("deep")
    assert not rules.closes("deep/down")
    assert rules.closes("deep/other")
    assert not rules.excludes("deep/down/file")
    assert not Rules(()).closes("deep")
    assert not Rules(())


def test_a_deep_path_is_no_trouble() -> None:
    deep = "/".join("d" for _ in range(3000))
    assert Rules(("d/d/d", "!d/x")).excludes(deep)
    assert not Rules(("**/e",)).excludes(deep)


words = st.text(alphabet="ab*?[]^-!\\/.", max_size=8)


@given(patterns=st.lists(words, max_size=4), path=st.text(alphabet="ab/.", min_size=1, max_size=8))
def test_nothing_but_its_own_error(patterns: list[str], path: str) -> None:
    try:
        rules = Rules(read("\n".join(patterns).encode()))
    except BadPattern:
        return
    first = rules.excludes(path)
    assert rules.excludes(path) == first
    if rules.closes(path):
        assert rules.excludes(f"{path}/beneath")
