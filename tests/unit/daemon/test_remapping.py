"""`--userns-remap VALUE` against /etc/subuid and /etc/subgid of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel_engine.daemon import remapping
from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime.spec import IdRange


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(remapping, "SUBUID", tmp_path / "subuid")
    monkeypatch.setattr(remapping, "SUBGID", tmp_path / "subgid")
    (tmp_path / "subuid").write_text("# a comment\nnobody:100000:65536\nother:165536:10\n65534:200000:5\n")
    (tmp_path / "subgid").write_text("nogroup:300000:65536\nbroken:x:y\n")
    return tmp_path


def test_all_ranges_of_a_user_joined(files: Path) -> None:
    found = remapping.find_ids("nobody:nogroup")
    assert found is not None
    assert found.users == (
        IdRange(inside=0, outside=100_000, count=65_536),
        IdRange(inside=65_536, outside=200_000, count=5),
    )
    assert found == remapping.find_ids("65534:65534")


def test_root_is_not_remapped(files: Path) -> None:
    assert remapping.find_ids("root") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nobody:", 'invalid userns-remap value "nobody:": it is default, USER or USER:GROUP'),
        (":nogroup", 'invalid userns-remap value ":nogroup": it is default, USER or USER:GROUP'),
        ("a:b:c", 'invalid userns-remap value "a:b:c": it is default, USER or USER:GROUP'),
        ("no-such-user", 'there is no user "no-such-user" for --userns-remap'),
        ("nobody:no-such-group", 'there is no group "no-such-group" for --userns-remap'),
    ],
)
def test_what_is_no_value(files: Path, value: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        remapping.find_ids(value)
    assert refused.value.message == text


def test_nobody_has_set_ids_aside(files: Path) -> None:
    (files / "subuid").write_text("other:100000:65536\n")
    with pytest.raises(InvalidRequest) as refused:
        remapping.find_ids("nobody:nogroup")
    assert refused.value.message == f'no subuid ranges found for "nobody" in {files}/subuid'
    assert refused.value.hint == f"give it some: echo nobody:165536:65536 >> {files}/subuid"
