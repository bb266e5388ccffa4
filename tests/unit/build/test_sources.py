"""Which files a COPY's words name, in a tree that is never on the disk."""

from __future__ import annotations

import pytest

from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.sources import Selection, select
from kernel_engine.build.tree import Node, Tree
from kernel_engine.errors import CorruptData


def tree(**files: str) -> Tree:
    """`a__b="content"` is a/b; a value that begins with -> is a link."""
    made = Tree()
    for name, value in files.items():
        path = name.replace("__", "/").replace("_dot_", ".")
        node = Node(kind="link", target=value[2:]) if value.startswith("->") else Node(kind="file", digest=value)
        made.put(path, node)
    return made


SAMPLE = tree(a="1", b="2", d__e__f="3", d__g="4", l="->d", up="->../../a", loop="->loop", abs="->/d/g", d__back="->..")


def names(*words: str) -> list[tuple[str, str]]:
    found = select(SAMPLE, words, keyword="COPY", context=True)
    return [(item.name, item.node.digest) for item in found]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a", [("a", "1")]),
        ("/a", [("a", "1")]),
        ("./d/../a", [("a", "1")]),
        ("[ab]", [("a", "1"), ("b", "2")]),
        ("?", [("a", "1"), ("b", "2"), ("d", ""), ("l", "")]),
        ("d/*/f", [("f", "3")]),
        ("l/g", [("g", "4")]),
        ("up", [("up", "1")]),
        ("abs", [("abs", "4")]),
        ("d/back/a", [("a", "1")]),
        ("\\a", [("a", "1")]),
        (".", [("", "")]),
        ("/", [("", "")]),
    ],
)
def test_words(word: str, expected: list[tuple[str, str]]) -> None:
    assert names(word) == expected


def test_what_is_not_there() -> None:
    with pytest.raises(BuildFailed, match="COPY failed: no source files were specified"):
        names("x*", "y?z")
    assert names("x*", "a") == [("a", "1")]
    with pytest.raises(BuildFailed, match=r"forbidden path outside the build context: a/../../b \(\)"):
        names("a/../../b")
    with pytest.raises(BuildFailed, match=r"stat d/x: file does not exist"):
        names("d/x")
    with pytest.raises(CorruptData, match="too many levels"):
        names("loop")


def test_parents_come_along_from_the_pivot_on() -> None:
    (whole,) = select(SAMPLE, ["d/e/f"], keyword="COPY", context=True, parents=True)
    (part,) = select(SAMPLE, ["d/./e/f"], keyword="COPY", context=True, parents=True)
    (folder,) = select(SAMPLE, ["d/e"], keyword="COPY", context=True, parents=True)
    assert (whole.beneath, part.beneath, folder.beneath) == ("d/e", "e", "d/e")
    assert [len(item.parents) for item in (whole, part, folder)] == [2, 1, 2]


def test_excluded_files_do_not_count() -> None:
    picked = select(SAMPLE, ["d"], keyword="COPY", context=True)
    without = Selection(picked=picked, exclude=("e",))
    assert [path for path, _ in without.files(picked[0])] == ["", "back", "g"]
    assert without.digest() != Selection(picked=picked).digest()
    assert without.described("x") == "dir:x"


def test_the_digest_knows_names_modes_and_contents_and_nothing_else() -> None:
    def digest(**changes: object) -> str:
        made = Tree()
        made.put("f", Node(kind="file", digest="1", mode=0o644))
        made.put("d/x", Node(kind="file", digest="2"))
        for name, value in changes.items():
            setattr(made.root.children["f"], name, value)
        return Selection(picked=select(made, ["."], keyword="COPY", context=True)).digest()

    same = digest()
    assert digest(mtime=5, uid=7, gid=8, offset=99, spool=3) == same
    for change in ({"mode": 0o600}, {"digest": "3"}, {"xattrs": {"security.capability": b"x"}}):
        assert digest(**change) != same


def test_names_that_a_context_may_not_have() -> None:
    made = tree(a="1")
    for bad in ("../x", "a/x", "d/../../x"):
        with pytest.raises(CorruptData):
            made.put(bad, Node(kind="file"))
    made.put("a", Node(kind="file", digest="later"))
    assert made.root.children["a"].digest == "later"
    made.put("x/../b", Node(kind="file"))
    assert set(made.root.children) == {"a", "b"}
