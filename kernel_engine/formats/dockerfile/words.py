"""A statement's text → words: flags, blank-separated words, `name=value` pairs, JSON lists. Quotes are left in place
where `expansion` reads them later. Errors are DockerfileError with a reason only; who knows the place adds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from kernel_engine.formats.dockerfile.errors import DockerfileError, quote

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_SPACE = re.compile(r"\s*")


class NotStrings(DockerfileError):
    """A JSON list with something in it that is not a string: Docker does not read it as a shell's line."""

    def __init__(self) -> None:
        super().__init__("when using JSON array syntax, arrays must be comprised of strings only")


def flags(rest: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The leading `--…` words with their quotes and escapes taken away, and what follows them.

    A word `--` ends them; it belongs to neither.
    """
    found: list[str] = []
    position = 0
    while True:
        position = _SPACE.match(rest, position).end()  # type: ignore[union-attr]  # it matches nothing too
        if not rest.startswith("--", position):
            return tuple(found), rest[position:]
        word, position = _bare_word(rest, position, escape)
        if word == "--":
            return tuple(found), rest[position:]
        found.append(word)


def _bare_word(text: str, position: int, escape: str) -> tuple[str, int]:
    """The word at `position` without quotes and escapes, and where it ends."""
    pieces: list[str] = []
    quote = ""
    while position < len(text):
        mark = text[position]
        position += 1
        if mark == escape:
            if position == len(text):
                break
            pieces.append(text[position])
            position += 1
        elif quote:
            if mark == quote:
                quote = ""
            else:
                pieces.append(mark)
        elif mark in "'\"":
            quote = mark
        elif mark.isspace():
            position -= 1
            break
        else:
            pieces.append(mark)
    return "".join(pieces), position


def quoted(rest: str, escape: str) -> tuple[str, ...]:
    """Words of ENV, LABEL and ARG: split at blanks that are neither quoted nor escaped; quotes and escapes stay."""
    found: list[str] = []
    pieces: list[str] = []
    quote = ""
    blank_counts = False
    position = 0
    while position < len(rest):
        mark = rest[position]
        position += 1
        if mark == escape and quote != "'":
            if position == len(rest):
                break
            pieces.append(mark + rest[position])
            position += 1
            continue
        if not quote and mark.isspace():
            if pieces or blank_counts:
                found.append("".join(pieces))
            pieces, blank_counts = [], False
            continue
        if mark == quote:
            quote = ""
        elif not quote and mark in "'\"":
            quote, blank_counts = mark, True
        pieces.append(mark)
    if pieces or blank_counts:
        found.append("".join(pieces))
    return tuple(found)


def pairs(rest: str, keyword: str, escape: str) -> tuple[tuple[str, str], ...]:
    """`A=1 B="2 3"`, or the old form `A 1 2 3` where the first word holds no `=`."""
    found = quoted(rest, escape)
    if not found:
        return ()
    if "=" not in found[0]:
        pieces = _BLANKS.split(rest, maxsplit=1)
        if len(pieces) < 2:
            raise DockerfileError(f"{keyword} must have two arguments")
        return ((pieces[0], pieces[1]),)
    return tuple(_pairs(found))


def _pairs(found: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for word in found:
        name, equals, value = word.partition("=")
        if not equals:
            raise DockerfileError(f"Syntax error - can't find = in {quote(word)}. Must be of the form: name=value")
        yield name, value


def blank_separated(rest: str) -> tuple[str, ...]:
    return tuple(_BLANKS.split(rest)) if rest else ()


def json_list(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON list; None where the text is not one, and so is a shell's line. NotStrings."""
    if not rest.startswith("["):
        return None
    try:
        found = json.loads(rest, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in found):
        raise NotStrings
    if any("\0" in item for item in found):
        raise DockerfileError("a NUL byte stands in the list")
    #: half a surrogate pair cannot be written anywhere
    return tuple(item.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for item in found)


def _no_constant(name: str) -> float:
    raise ValueError(name)
