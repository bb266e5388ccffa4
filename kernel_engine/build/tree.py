"""The files that a COPY may take, in memory: names, attributes, and where each content lies.

A path is looked up here and nowhere else, so that neither `..` nor a symbolic link of the context can lead out of it.
Pure, but for `LayerNode`, which reads an image's layers as it is asked.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kernel_engine.errors import CorruptData
from kernel_engine.storage import overlay
from kernel_engine.storage.overlay import Found

Kind = Literal["file", "directory", "link", "fifo", "character", "block"]
_CAPABILITY = "security.capability"
_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
}
#: path_resolution(7)
_LINKS_FOLLOWED = 40


@dataclass(slots=True, eq=False)
class Node:
    """One file. `digest` is that of a file's content (hex); it lies in `spool` (a descriptor) from `offset` on, or
    in the layers' file `place`.
    """

    kind: Kind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0  #: nanoseconds
    size: int = 0
    offset: int = 0
    spool: int = -1
    place: str = ""
    digest: str = ""
    target: str = ""  #: of a link
    device: tuple[int, int] = (0, 0)
    inode: int = 0  #: the same for all names of one file; 0 for a file with one name
    xattrs: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    _whole: str = ""

    @property
    def is_directory(self) -> bool:
        return self.kind == "directory"

    def entries(self) -> dict[str, Node]:
        """What a directory holds; {} for anything else."""
        return self.children

    def content_digest(self) -> str:
        """Of a file's bytes."""
        return self.digest

    def own_digest(self) -> str:
        """Of what the file itself is, without its name, owner and times, and without what lies beneath."""
        words = (self.kind, self.mode, self.content_digest(), self.target, self.device, sorted(self.xattrs.items()))
        return hashlib.sha256(repr(words).encode("utf-8", "surrogateescape")).hexdigest()

    def whole_digest(self) -> str:
        """Of the file with everything beneath it."""
        if not self._whole:
            entries = self.entries()
            beneath = hashlib.sha256(self.own_digest().encode())
            for name in sorted(entries):
                beneath.update(f"{name}\0{entries[name].whole_digest()}\0".encode("utf-8", "surrogateescape"))
            self._whole = beneath.hexdigest() if entries else self.own_digest()
        return self._whole


@dataclass(slots=True, eq=False)
class LayerNode(Node):
    """One file of an image, whose layers do not change: read when it is asked for. `root`: where layers lie."""

    root: str = ""
    directories: tuple[str, ...] = ()
    _read: bool = False

    @classmethod
    def of(cls, found: Found, root: str) -> LayerNode:
        status, path = found.status, found.path
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "fifo")
        capability = overlay.attribute(path, _CAPABILITY) if kind == "file" else None
        return cls(
            kind=kind, mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid,
            mtime=status.st_mtime_ns, size=status.st_size if kind == "file" else 0, place=path[len(root) + 1 :],
            target=os.readlink(path) if kind == "link" else "",
            device=(os.major(status.st_rdev), os.minor(status.st_rdev)),
            inode=status.st_ino if status.st_nlink > 1 else 0,
            xattrs={_CAPABILITY: capability} if capability else {}, root=root, directories=found.directories,
        )  # fmt: skip

    def entries(self) -> dict[str, Node]:
        if not self._read:
            beneath = {
                name: overlay.look_up(self.directories, name)
                for name in (overlay.names(self.directories) if self.is_directory else ())
            }
            # whole, or not at all: stages that are built beside each other look at one tree from several threads
            self.children = {name: LayerNode.of(found, self.root) for name, found in beneath.items() if found}
            self._read = True
        return self.children

    def content_digest(self) -> str:
        if not self.digest and self.kind == "file":
            with open(f"{self.root}/{self.place}", "rb") as file:
                self.digest = hashlib.file_digest(file, "sha256").hexdigest()
        return self.digest


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Everything beneath a node with its relative path, sorted, a directory before what is in it."""
    entries = node.entries()
    for name in sorted(entries):
        child = entries[name]
        below = f"{path}/{name}" if path else name
        yield below, child
        yield from walk(child, below)


def readable(name: str) -> str:
    """File names are bytes; what is not UTF-8 is shown as Go's JSON shows it."""
    return os.fsencode(name).decode("utf-8", "replace")


def split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


class Tree:
    """A context that is being read, then looked up; or the files of an image."""

    def __init__(self, root: Node | None = None) -> None:
        self.root = root or Node(kind="directory")

    @classmethod
    def of_layers(cls, root: Path, layers: Sequence[str]) -> Tree:
        """An image's files. root: the directory that holds `layers` (paths, topmost first)."""
        return cls(LayerNode(kind="directory", root=str(root), directories=tuple(layers)))

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
                text = f'"{readable(name)}" lies beneath "{readable(part)}", which is no directory'
                raise CorruptData(f"invalid context: {text}")
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
            child = here[-1].entries().get(part)
            if child is None:
                return None
            if child.kind != "link":
                here.append(child)
                continue
            followed += 1
            if followed > _LINKS_FOLLOWED:
                raise CorruptData(f"{readable(path)}: too many levels of symbolic links")
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
                raise CorruptData(f'invalid context: "{readable(name)}" is outside of the build context')
            parts.pop()
        else:
            parts.append(part)
    return parts
