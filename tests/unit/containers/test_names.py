"""Container names and references."""

from __future__ import annotations

import pytest

from kernel_engine.containers.names import check_name, find, invent_name
from kernel_engine.errors import InvalidRequest, NotFound

IDS = {"abc1" + "0" * 60: None, "abd2" + "0" * 60: None}


@pytest.mark.parametrize("name", ["u", "-x", "a b", "한글", "a/b", "", "../x"])
def test_bad_names_are_refused_in_dockers_words(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed"):
        check_name(name)


def test_a_leading_slash_is_part_of_dockers_names() -> None:
    assert check_name("/web-1") == "web-1"


def test_invented_names_are_allowed_and_free() -> None:
    taken: set[str] = set()
    for _ in range(500):
        name = invent_name(taken)
        assert check_name(name) == name
        assert name not in taken
        taken.add(name)


def test_a_name_wins_over_the_beginning_of_an_id() -> None:
    first, second = IDS
    assert find("abc", IDS, {"abc": second}) == second
    assert find("abc1", IDS, {}) == first


def test_an_ambiguous_beginning_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Multiple IDs found with provided prefix: ab"):
        find("ab", IDS, {})


def test_an_unknown_container() -> None:
    with pytest.raises(NotFound, match="No such container: nix"):
        find("nix", IDS, {})
