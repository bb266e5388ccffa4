"""What a COPY takes: words of the instruction → files of a tree, with the names that they get. Docker's texts."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.tree import Node, Tree, split, walk
from kernel_engine.formats import ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """One source that was found. `name`: what it is called where it arrives; `path`: for messages and reasons."""

    name: str
    path: str
    node: Node
    beneath: str = ""  #: --parents: directories of the source that come along
    parents: tuple[Node, ...] = ()  #: those directories, topmost first


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All sources of one instruction."""

    picked: tuple[Picked, ...]
    exclude: tuple[str, ...] = ()

    def files(self, picked: Picked) -> Iterator[tuple[str, Node]]:
        """A source with everything beneath it, by relative path ("" = itself), without what is excluded."""
        yield "", picked.node
        if not self.exclude:
            yield from walk(picked.node)
            return
        rules = ignore.Rules(self.exclude)
        gone: set[str] = set()
        for path, node in walk(picked.node):
            if posixpath.dirname(path) in gone or (node.is_directory and rules.closes(path)):
                gone.add(path)
            elif node.is_directory or not rules.excludes(path):
                yield path, node

    def shown(self) -> dict[str, str]:
        """Path → what the file is like, for telling what changed."""
        return {
            posixpath.join(item.path, path) if path else item.path: node.own_digest()[:16]
            for item in self.picked
            for path, node in self.files(item)
        }

    def digest(self) -> str:
        """Of everything that arrives, names included."""
        whole = hashlib.sha256()
        for item in self.picked:
            whole.update(f"{item.beneath}/{item.name}\0".encode("utf-8", "surrogateescape"))
            if self.exclude:
                for path, node in self.files(item):
                    whole.update(f"{path}\0{node.own_digest()}\0".encode("utf-8", "surrogateescape"))
            else:
                whole.update(item.node.whole_digest().encode())
        return whole.hexdigest()

    def described(self, digest: str) -> str:
        """`file:<hash>`, `dir:<hash>` or `multi:<hash>`, as `docker history` has it."""
        if len(self.picked) != 1:
            return f"multi:{digest}"
        return f"{'dir' if self.picked[0].node.is_directory else 'file'}:{digest}"


def select(
    tree: Tree, words: Sequence[str], *, keyword: str, context: bool, parents: bool = False, exclude: Sequence[str] = ()
) -> tuple[Picked, ...]:
    """The files that the words name, in order; wildcards are Go's filepath.Match. BuildFailed with Docker's texts.

    context: the tree is the build's context, not an image.
    """
    found: list[Picked] = []
    for word in words:
        found.extend(_select(tree, word, keyword=keyword, context=context, parents=parents))
    if words and not found:
        raise BuildFailed(f"{keyword} failed: no source files were specified")
    return tuple(found)


def _select(tree: Tree, word: str, *, keyword: str, context: bool, parents: bool) -> Iterator[Picked]:
    # --parents: what stands before `/./` does not come along
    pivot, _, _ = word.rpartition("/./") if parents else ("", "", "")
    path = posixpath.normpath("/" + word if not context else word.lstrip("/") or ".")
    if context and (path == ".." or path.startswith("../")):
        raise BuildFailed(f"{keyword} failed: forbidden path outside the build context: {word} ()")
    path = path.lstrip("/")
    start = len(split(posixpath.normpath(pivot or "."))) if parents else 0
    if not ignore.is_pattern(path):
        node = tree.look_up(path)
        if node is None:
            before = "file not found in build context or excluded by .dockerignore: " if context else ""
            raise BuildFailed(f"{keyword} failed: {before}stat {path}: file does not exist")
        yield _picked(tree, path, node, start if parents else None)
        return
    try:
        for match in _glob(tree.root, tree, split(path), ""):
            node = tree.look_up(match)
            if node is not None:
                yield _picked(tree, match, node, start if parents else None)
    except ignore.BadPattern as error:
        raise BuildFailed(f"{keyword} failed: {error}") from None


def _picked(tree: Tree, path: str, node: Node, start: int | None) -> Picked:
    path = "" if path == "." else path
    if start is None:
        return Picked(name=posixpath.basename(path), path=path, node=node)
    parts = split(path)
    above = parts[start:] if node.is_directory else parts[start:-1]
    nodes = [tree.look_up("/".join(parts[: start + count + 1])) for count in range(len(above))]
    return Picked(
        name=posixpath.basename(path), path=path, node=node, beneath="/".join(above),
        parents=tuple(item for item in nodes if item is not None),
    )  # fmt: skip


def _glob(node: Node, tree: Tree, parts: list[str], path: str) -> Iterator[str]:
    """Paths beneath `node` that fit, sorted."""
    part, rest = parts[0], parts[1:]
    entries = node.entries()
    if part == "**":
        if rest:
            yield from _glob(node, tree, rest, path)
        for name in sorted(entries):
            below = posixpath.join(path, name)
            if entries[name].is_directory:
                yield from _glob(entries[name], tree, parts, below)
            if not rest:
                yield below
        return
    fits = ignore.matcher(part) if ignore.is_pattern(part) else None
    for name in sorted(entries) if fits else ([part] if part in entries else []):
        if fits and not fits(name):
            continue
        below = posixpath.join(path, name)
        if not rest:
            yield below
            continue
        inner = tree.look_up(below)
        if inner is not None and inner.is_directory:
            yield from _glob(inner, tree, rest, below)
