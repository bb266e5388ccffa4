"""Removing trees of any shape."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_engine.storage.trash import Trash, remove_tree


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Whatever becomes of deep trees in it: pytest itself could not remove them."""
    yield tmp_path
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def _deep(tree: Path, levels: int = 2000) -> None:
    tree.mkdir()
    directory = os.open(tree, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 50, dir_fd=directory)
        deeper = os.open("d" * 50, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = deeper
    os.close(os.open("file", os.O_CREAT, dir_fd=directory))
    os.close(directory)


def test_a_tree_deeper_than_any_path_may_be_long(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    _deep(tree)
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


async def test_what_is_left_at_the_end_is_the_next_ones_to_sweep(place: Path) -> None:
    staging = place / "staging"
    staging.mkdir()
    first = Trash(staging)
    _deep(place / "tree", 100)
    first.discard(place / "tree")
    first.close()
    _deep(place / "late", 100)
    first.discard(place / "late")
    assert [path.name for path in place.iterdir()] == ["staging"], "taken from their places all the same"
    await first.emptied()
    assert list(staging.iterdir())
    second = Trash(staging)
    second.sweep()
    await second.emptied()
    assert not list(staging.iterdir())
    second.close()
