"""Removing trees of any shape."""

from __future__ import annotations

import os
from pathlib import Path

from kernel_engine.storage.trash import remove_tree


def test_a_tree_deeper_than_any_path_may_be_long(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    directory = os.open(tree, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d" * 50, dir_fd=directory)
        deeper = os.open("d" * 50, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = deeper
    os.close(os.open("file", os.O_CREAT, dir_fd=directory))
    os.close(directory)
    remove_tree(str(tree), str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_links_are_removed_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/link").symlink_to(outside)
    (tree / "dangling").symlink_to("/nowhere")
    remove_tree(str(tree), str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "kept").exists()
    link = tmp_path / "link"
    link.symlink_to(outside)
    remove_tree(str(link), str(tmp_path))
    assert (outside / "kept").exists()


def test_what_is_gone_is_gone(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nothing"), str(tmp_path))
