"""`<<WORD`: which words of a line start a heredoc, and what a RUN with heredocs gives its shell. Bodies are read by
`lexer`. The rules are BuildKit's: a word of the line, as a shell would split it, that is a heredoc mark as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernel_engine.formats.dockerfile import words
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import Heredoc

_MARK = re.compile(r"\d*<<(-?)\s*([^<]*)")
_KEYWORDS = ("RUN", "COPY", "ADD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`<<NAME`: the line that ends the body, and how the body is read."""

    name: str
    expand: bool  #: no part of the name is quoted
    strip_tabs: bool  #: `<<-`


def in_line(keyword: str, rest: str) -> tuple[Mark, ...]:
    """The marks of a statement in order; none for other instructions and for JSON lists."""
    keyword = keyword.upper()
    if "<<" not in rest:
        return ()
    if keyword == "ONBUILD":
        pieces = words.blank_separated(rest)
        keyword, rest = pieces[0].upper(), rest[len(pieces[0]) :].strip()
        _, rest = words.flags(rest, "\\")
    if keyword not in _KEYWORDS or words.json_list(rest) is not None:
        return ()
    return tuple(found for word in _shell_words(rest) if (found := mark(word)))


def mark(word: str) -> Mark | None:
    """What a word says if it is a heredoc mark as a whole."""
    found = _MARK.fullmatch(word)
    if not found or not found[2]:
        return None
    name, is_quoted = _unquoted(found[2])
    return Mark(name=name, expand=not is_quoted, strip_tabs=bool(found[1])) if name else None


def paired(sources: tuple[str, ...], bodies: tuple[Heredoc, ...]) -> tuple[tuple[str, ...], tuple[Heredoc, ...]]:
    """COPY's sources that are paths, and the heredocs that its other sources name."""
    left: dict[str, list[Heredoc]] = {}
    for body in reversed(bodies):
        left.setdefault(body.name, []).append(body)
    paths: list[str] = []
    files: list[Heredoc] = []
    for source in sources:
        found = mark(source)
        if found is None:
            paths.append(source)
            continue
        if not left.get(found.name):  # the mark stands in quotes that hold blanks, or that never close
            raise DockerfileError("unterminated heredoc")
        files.append(left[found.name].pop())
    return tuple(paths), tuple(files)


def shell_line(line: str, bodies: tuple[Heredoc, ...]) -> str:
    """What the shell of a RUN gets: the one heredoc's text, or the line with its heredocs for the shell to read."""
    if bodies and mark(line):
        return bodies[0].content
    return line + "".join(f"\n{body.content}{body.name}" for body in bodies)


def script(line: str, bodies: tuple[Heredoc, ...]) -> Heredoc | None:
    """The heredoc of `RUN <<NAME` that starts with `#!`: it is run as a file of its own, without the shell."""
    return bodies[0] if bodies and mark(line) and bodies[0].content.startswith("#!") else None


def _shell_words(line: str) -> list[str]:
    """Split at blanks outside quotes; quotes and escapes stay; blanks after `<<` belong to the word."""
    found: list[str] = []
    start = position = 0
    size = len(line)
    while position < size:
        character = line[position]
        if character.isspace():
            found.append(line[start:position])
            start = position = position + 1
        elif character == "\\":
            position += 2
        elif character in "'\"":
            end = _closing(line, position)
            if end < 0:
                return []
            position = end + 1
        elif line.startswith("<<", position):
            position += 2
            while position < size and line[position] in " \t\r":
                position += 1
        else:
            position += 1
    found.append(line[start:])
    return [word for word in found if word]


def _closing(line: str, position: int) -> int:
    """Where the quote that opens at `position` closes; -1 where it does not."""
    quote = line[position]
    position += 1
    while position < len(line):
        if line[position] == quote:
            return position
        position += 2 if line[position] == "\\" and quote == '"' else 1
    return -1


def _unquoted(word: str) -> tuple[str, bool]:
    """A heredoc's name without quotes and escapes, and whether any part of it was quoted; empty if it is no word."""
    pieces: list[str] = []
    is_quoted = False
    position = 0
    while position < len(word):
        character = word[position]
        if character in "'\"":
            end = _closing(word, position)
            if end < 0:
                return "", False
            pieces.append(word[position + 1 : end])
            is_quoted = True
            position = end + 1
        elif character == "\\":
            pieces.append(word[position + 1 : position + 2])
            position += 2
        elif character.isspace():
            return "", False
        else:
            pieces.append(character)
            position += 1
    return "".join(pieces), is_quoted
