"""The files of a build's context, in memory: names, attributes, and where each content lies. Pure.

A path is looked up here and nowhere else, so that neither `..` nor a symbolic link of the context can lead out of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from kernel_engine.errors import CorruptData

Kind = Literal["file", "directory", "link", "fifo", "character", "block"]
#: path_resolution(7)
_LINKS_FOLLOWED = 40


@dataclass(slots=True, eq=False)
class Node:
    """One file. `digest` is that of a file's content (hex), `offset` where it lies in the spool."""

    kind: Kind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0  #: nanoseconds
    size: int = 0
    offset: int = 0
    digest: str = ""
    target: str = ""  #: of a link
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    _whole: str = ""

    @property
    def is_directory(self) -> bool:
        return self.kind == "directory"

    def own_digest(self) -> str:
        """Of what the file itself is, without its name, owner and times, and without what lies beneath."""
        words = (self.kind, self.mode, self.digest, self.target, self.device, sorted(self.xattrs.items()))
        return hashlib.sha256(repr(words).encode("utf-8", "surrogateescape")).hexdigest()

    def whole_digest(self) -> str:
        """Of the file with everything beneath it."""
        if not self._whole:
            if not self.children:
                self._whole = self.own_digest()
            else:
                beneath = hashlib.sha256(self.own_digest().encode())
                for name in sorted(self.children):
                    beneath.update(f"{name}\0{self.children[name].whole_digest()}\0".encode("utf-8", "surrogateescape"))
                self._whole = beneath.hexdigest()
        return self._whole


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Everything beneath a node with its relative path, sorted, a directory before what is in it."""
    for name in sorted(node.children):
        child = node.children[name]
        below = f"{path}/{name}" if path else name
        yield below, child
        yield from walk(child, below)


def split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


class Tree:
    """A context that is being read, then looked up."""

    def __init__(self) -> None:
        self.root = Node(kind="directory")

    def put(self, name: str, node: Node) -> None:
        """A later file replaces an earlier one; directories merge. CorruptData for a name that cannot be."""
        parts = _inside(name)
        if not parts:
            return
        parent = self.root
        for part in parts[:-1]:
            child = parent.children.get(part)
            if child is None:
                child = parent.children[part] = Node(kind="directory")
            elif not child.is_directory:
                raise CorruptData(f'invalid context: "{name}" lies beneath "{part}", which is no directory')
            parent = child
        old = parent.children.get(parts[-1])
        if old is not None and old.is_directory and node.is_directory:
            node.children = old.children
        parent.children[parts[-1]] = node

    def at(self, name: str) -> Node | None:
        """A name as the archive gave it; no link is followed."""
        node: Node | None = self.root
        for part in _inside(name):
            node = node.children.get(part) if node is not None else None
        return node

    def look_up(self, path: str) -> Node | None:
        """A path with its links followed, also the last one; `..` and absolute links stay inside. None: nothing there.

        CorruptData for links that go in a circle.
        """
        here: list[Node] = [self.root]
        left = split(path)[::-1]
        followed = 0
        while left:
            part = left.pop()
            if part == "..":
                here = here[:-1] or [self.root]
                continue
            child = here[-1].children.get(part)
            if child is None:
                return None
            if child.kind != "link":
                here.append(child)
                continue
            followed += 1
            if followed > _LINKS_FOLLOWED:
                raise CorruptData(f"{path}: too many levels of symbolic links")
            if child.target.startswith("/"):
                here = [self.root]
            left += split(child.target)[::-1]
        return here[-1]

    def remove(self, path: str) -> None:
        """One file or directory, with all beneath it. Nothing happens where it is not there."""
        parts = split(path)
        node = self.root
        for part in parts[:-1]:
            found = node.children.get(part)
            if found is None:
                return
            node = found
        node.children.pop(parts[-1], None)


def _inside(name: str) -> list[str]:
    parts: list[str] = []
    for part in split(name):
        if part == "..":
            if not parts:
                raise CorruptData(f'invalid context: "{name}" is outside of the build context')
            parts.pop()
        else:
            parts.append(part)
    return parts
