"""The USER word against hostile and ordinary passwd and group files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime.accounts import Account, find

PASSWD = """root:x:0:0:root:/root:/bin/sh
# comment:x:5:5::/:
bob:x:1000:1000:Bob:/home/bob:/bin/sh
broken
4000:x:77:78::/weird:
nohome:x:3:3
negative:x:-1:-1::/:
"""
GROUP = "root:x:0:\nwheel:x:10:root,bob\nbob:x:1000:\n12:x:500:\nbad:x:no:\n"


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("", Account(uid=0, gid=0, groups=(0, 10), home="/root")),
        ("root", Account(uid=0, gid=0, groups=(0, 10), home="/root")),
        ("bob", Account(uid=1000, gid=1000, groups=(1000, 10), home="/home/bob")),
        ("1000", Account(uid=1000, gid=1000, groups=(1000, 10), home="/home/bob")),
        ("bob:wheel", Account(uid=1000, gid=10, groups=(10,), home="/home/bob")),
        ("bob:10", Account(uid=1000, gid=10, groups=(10,), home="/home/bob")),
        (
            "bob:12",
            Account(uid=1000, gid=12, groups=(12,), home="/home/bob"),
        ),  # a number is a gid, no group's name
        ("4242", Account(uid=4242, groups=(0,))),
        ("4242:4343", Account(uid=4242, gid=4343, groups=(4343,))),
        ("4000", Account(uid=77, gid=78, groups=(78,), home="/weird")),  # a name wins over a number
        ("nohome", Account(uid=3, gid=3, groups=(3,), home="/")),
    ],
)
def test_words(user: str, wanted: Account) -> None:
    assert find(user, (), PASSWD, GROUP) == wanted


@pytest.mark.parametrize(
    ("user", "groups", "message"),
    [
        ("nosuch", (), "unable to find user nosuch: no matching entries in passwd file"),
        ("bob:nosuch", (), "unable to find group nosuch: no matching entries in group file"),
        ("", ("nosuch",), "Unable to find group nosuch: no matching entries in group file"),
        ("99999999999", (), "uids and gids must be in range 0-2147483647"),
        ("-5", (), "uids and gids must be in range 0-2147483647"),
    ],
)
def test_refusals(user: str, groups: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        find(user, groups, PASSWD, GROUP)
    assert caught.value.message == message


def test_files_need_not_be_there() -> None:
    assert find("", ("29",), "", "") == Account(uid=0, gid=0, groups=(0, 29), home="/")


@given(st.text(), st.text(), st.text())
def test_any_text_gives_an_account_or_a_refusal(user: str, passwd: str, group: str) -> None:
    try:
        account = find(user, (), passwd, group)
    except InvalidRequest:
        return
    assert isinstance(account.uid, int)
