"""YAML bytes → plain values, with the line of each of them kept for a refusal. Pure.

The language is go-yaml's, which docker compose reads with: YAML 1.2's truths (`yes` is a word), octal numbers as
`0644`, no dates and no numbers to base 60 (`22:22` is a word), merge keys, and compose's own tags `!reset` (take away
what earlier files say) and `!override` (put this in place of it). Files are hostile: depth and number of values, with
aliases expanded, are bounded, a key may stand once, and no tag makes an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from kernel_engine.compose.places import Path, dotted
from kernel_engine.compose.refusals import Refused

MOST_VALUES = 100_000  #: as compose-go
DEEPEST = 100
RESET, OVERRIDE = "!reset", "!override"
MERGE = "<<"
_CORE = "tag:yaml.org,2002:"
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUTHS = {word: truth for truth in (True, False) for word in (str(truth), str(truth).lower(), str(truth).upper())}
_INTEGER = re.compile(r"[-+]?(0[bB][01_]+|0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
#: libyaml refuses a little that YAML allows (`{a:}`); Python's own scanner is asked then
_LOADERS: tuple[Any, ...] = (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader)


class Node:
    """One value of a file and where it begins (lines from 1). A mapping's `value` is {key: Node}, a list's [Node]."""

    __slots__ = ("key_line", "line", "size", "tag", "value")

    def __init__(self, value: Any, line: int, tag: str = "") -> None:
        self.value = value
        self.line = line
        self.tag = tag
        self.key_line = line
        self.size = 1  #: of all values in it, aliases expanded


class Document:
    """One file's values. A file that holds several documents means them one after another."""

    def __init__(self, name: str, data: bytes) -> None:
        """Refused with go-yaml's words, and line and column."""
        self.name = name  #: absolute, or "-"
        self.data = data
        try:
            self.roots = _roots(data)
        except yaml.MarkedYAMLError as error:
            raise self._broken(_marked(error), error.context_mark or error.problem_mark) from None
        except yaml.YAMLError as error:
            raise Refused(f"failed to parse {name}: yaml: {error}".splitlines()[0]) from None
        except _Unfit as unfit:
            raise self._broken(f"line {unfit.line}: {unfit}", None, unfit.line) from None

    def _broken(self, text: str, mark: Any, line: int = 0) -> Refused:
        refused = Refused(f"failed to parse {self.name}: yaml: {text}")
        refused.show(self.place(line or (mark.line + 1 if mark else 0)))
        return refused

    def line_of(self, path: Path) -> int:
        """Of the value at `path`, or else of the deepest one on the way there; 0 when not even the first is here."""
        return max((_line_of(root, path) for root in self.roots), default=0)

    def depth_of(self, path: Path) -> int:
        """How far `path` leads in this file."""
        return max((_depth_of(root, path) for root in self.roots), default=0)

    def place(self, line: int) -> str:
        """The file's name, the line and what stands around it, to go under a sentence."""
        from kernel_engine.cli.build_output import excerpt

        return f"\n{self.name}:{line}{excerpt(self.data, line, line)}" if line else ""


def _roots(data: bytes) -> list[Node]:
    """What went wrong at first is told, when nobody can read it."""
    first: yaml.YAMLError | None = None
    for loader in _LOADERS:
        try:
            return list(_Composer(loader(data)).documents())
        except yaml.YAMLError as error:
            first = first or error
    assert first is not None
    raise first


class _Unfit(Exception):
    """What YAML allows and compose does not."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


class _Composer:
    """Events → nodes, with merge keys and aliases resolved."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._anchors: dict[str, Node | None] = {}
        self._seen = 0

    def documents(self) -> Iterator[Node]:
        while self._loader.check_event():
            event = self._loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                yield self._node(self._loader.get_event(), 0)

    def _node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, line)
        if depth > DEEPEST:
            raise _Unfit(f"exceeded max depth of {DEEPEST}", line)
        self._count(1, line)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = Node(_scalar(event), line, event.tag or "")
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(Node([], line, event.tag or ""), depth)
        else:
            node = self._mapping(Node({}, line, event.tag or ""), depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, name: Any, line: int) -> Node:
        if name not in self._anchors:
            raise _Unfit(f"unknown anchor '{name}' referenced", line)
        node = self._anchors[name]
        if node is None:
            raise _Unfit(f"anchor '{name}' value contains itself", line)
        self._count(node.size, line)
        return node

    def _count(self, size: int, line: int) -> None:
        self._seen += size
        if self._seen > MOST_VALUES:
            raise _Unfit(f"compose file exceeds maximum node visit limit ({MOST_VALUES})", line)

    def _sequence(self, node: Node, depth: int) -> Node:
        while not isinstance(event := self._loader.get_event(), yaml.SequenceEndEvent):
            item = self._node(event, depth + 1)
            node.value.append(item)
            node.size += item.size
        return node

    def _mapping(self, node: Node, depth: int) -> Node:
        merged: list[Node] = []
        lines: dict[Any, int] = {}
        while not isinstance(event := self._loader.get_event(), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if isinstance(key.value, list | dict):
                raise _Unfit("invalid map key", key.line)
            item = self._node(self._loader.get_event(), depth + 1)
            node.size += item.size + 1
            if key.value == MERGE and getattr(event, "implicit", (False,))[0]:
                merged += _merge_sources(item)
                continue
            name = key.value if isinstance(key.value, str) else _Odd(key.value)
            if name in lines:
                raise _Unfit(f'mapping key "{key.value}" already defined at line {lines[name]}', key.line)
            lines[name] = key.line
            node.value[name] = _keyed(item, key.line)
        for source in merged:
            for name, item in source.value.items():
                node.value.setdefault(name, item)
        return node


class _Odd:
    """A key that is no string: kept until its path is known, so that the sentence can name it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Odd) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def _keyed(item: Node, line: int) -> Node:
    """An alias's node stands elsewhere too: what is known of its key belongs to a copy."""
    copy = Node(item.value, item.line, item.tag)
    copy.size, copy.key_line = item.size, line
    return copy


def _merge_sources(item: Node) -> list[Node]:
    sources = item.value if isinstance(item.value, list) else [item]
    if not all(isinstance(source.value, dict) for source in sources):
        raise _Unfit("map merge requires map or sequence of maps as the value", item.line)
    return list(sources)


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag = event.tag or ""
    if tag == f"{_CORE}str" or (not tag.startswith(_CORE) and not event.implicit[0] and tag in {"", "!"}):
        return text
    if tag and not tag.startswith(_CORE) and event.style:
        return text
    return resolved(text)


def resolved(text: str) -> Any:
    """The value of a plain word."""
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _SPECIAL.fullmatch(text):
        return float(text.lower().replace(".", ""))
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    value = int(digits, 8 if octal else 0)
    return -value if text.startswith("-") else value


def _marked(error: yaml.MarkedYAMLError) -> str:
    mark, began = error.problem_mark, error.context_mark
    if mark and began and mark.line != began.line:
        place = f"at line {began.line + 1}, column {began.column + 1}"
        return f"{error.context} {place}: line {mark.line + 1}: {error.problem}"
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context}"


def plain(node: Node, path: Path = ()) -> Any:
    """Fresh values, without what is `!reset`. Refused for a key that is no string."""
    if isinstance(node.value, dict):
        result = {}
        for key, item in node.value.items():
            if isinstance(key, _Odd):
                where = f"in {dotted(path, '[{}]')}" if path else "at top level"
                raise Refused(f"non-string key {where}: {_in_go(key.value)}", path)
            if item.tag != RESET:
                result[key] = plain(item, (*path, key))
        return result
    if isinstance(node.value, list):
        return [plain(item, (*path, at)) for at, item in enumerate(node.value) if item.tag != RESET]
    return node.value


def _in_go(value: Any) -> str:
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def replaced(node: Node, path: Path = ()) -> Iterator[Path]:
    """Where `!reset` and `!override` stand: what earlier files say there counts no longer."""
    if node.tag in {RESET, OVERRIDE}:
        yield path
    elif isinstance(node.value, dict):
        for key, item in node.value.items():
            yield from replaced(item, (*path, str(key)))
    elif isinstance(node.value, list):
        for at, item in enumerate(node.value):
            yield from replaced(item, (*path, at))


def _line_of(node: Node, path: Path) -> int:
    return next((step.key_line for step in reversed(list(_way(node, path)))), 0)


def _depth_of(node: Node, path: Path) -> int:
    return sum(1 for _ in _way(node, path))


def _way(node: Node, path: Path) -> Iterator[Node]:
    for part in path:
        held = dict(enumerate(node.value)) if isinstance(node.value, list) else node.value
        if not isinstance(held, dict) or part not in held:
            return
        node = held[part]
        yield node
