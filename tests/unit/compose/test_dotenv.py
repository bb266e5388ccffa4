"""Files of variables."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.compose.dotenv import Broken, read

AROUND = {"SHELL_SAYS": "shell", "B": "shell b"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# only\n\n  # comments\n", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("A = 1 \n B\t=\t2", {"A": "1", "B": "2"}),
        ("A: yaml\n", {"A": "yaml"}),
        ("export A=1\nexport\tB=2", {"A": "1", "B": "2"}),
        ("A=\nB= # c\nC=#no", {"A": "", "B": "# c", "C": "#no"}),
        ("A=x # c\nB=x#y\nC='x' # c\n", {"A": "x", "B": "x#y", "C": "x"}),
        ("A='$B \\n'\nB=\"$SHELL_SAYS\\n\"", {"A": "$B \\n", "B": "shell\n"}),
        ('A=\'it\\\'s\'\nB="say \\"hi\\""', {"A": "it's", "B": 'say "hi"'}),
        ('A="\\$B $$B \\\\ \\t|"', {"A": "$B $B \\ \t|"}),
        ('A="\\0101"', {"A": "A"}),
        ("A='one\ntwo'\nB=3", {"A": "one\ntwo", "B": "3"}),
        ("SHELL_SAYS\nNOBODY_SAYS\nC=1", {"SHELL_SAYS": "shell", "C": "1"}),
        ("A=1\nC=$A${A}\nD=$B\nE=$F\nG=${F:-g}", {"A": "1", "C": "11", "D": "shell b", "E": "", "G": "g"}),
        ("B=mine\nC=$B", {"B": "mine", "C": "shell b"}),
        ("\ufeffA=1", {"A": "1"}),
        ("a.b-c_1=x", {"a.b-c_1": "x"}),
        ("A=1\r\nB='2'\r\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_values(text: str, values: dict[str, str]) -> None:
    assert read(text, AROUND.get) == values


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A=1\nB C=2", "line 2: key cannot contain a space"),
        ("A=1\n\nB='x", "line 3: unterminated quoted value 'x"),
        ("A?=1", 'line 1: unexpected character "?" in variable name "A?=1"'),
        ("A=${", 'line 1: Invalid template: "${"'),
        ("A=${U:?say U}", "required variable U is missing a value: say U"),
    ],
)
def test_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(Broken, match=f"^{re.escape(sentence)}$"):
        read(text, AROUND.get)


def test_earlier_files_are_seen() -> None:
    assert read("C=$A", AROUND.get, {"A": "before"}) == {"C": "before"}


@given(st.text(alphabet="AB=: \n\t'\"\\$#{}e", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read(text, AROUND.get)
    except Broken:
        return
    assert all(isinstance(value, str) for value in found.values())


@given(st.dictionaries(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.text(alphabet="ab '#=$\n", max_size=8)))
def test_single_quotes_keep_everything(values: dict[str, str]) -> None:
    text = "".join(f"{name}='" + value.replace("'", "\\'") + "'\n" for name, value in values.items())
    assert read(text, AROUND.get) == values
