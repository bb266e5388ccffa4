"""The grammar of one word: quotes, escapes and `$v`, `${v}`, `${v:-w}`, `${v-w}`, `${v:+w}`, `${v+w}`, `${v:?w}`,
`${v?w}`, `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}`, `${v/p/r}`, `${v//p/r}`, where w, p and r are words again.

The rules are BuildKit's `frontend/dockerfile/shell`. Nothing here takes more time than the word is long, nor more
memory than SIZE_LIMIT.
"""

from __future__ import annotations

from collections.abc import Mapping

from kernel_engine.formats.dockerfile.errors import DockerfileError, quote
from kernel_engine.formats.dockerfile.patterns import Pattern

#: `${a:-${b:-…}}`
DEPTH_LIMIT = 50
#: characters of one word when it is expanded: `ENV a=$a$a` doubles each time
SIZE_LIMIT = 4 * 1024 * 1024

_MISSING_BRACE = "syntax error: missing '}'"
#: the shell's own variables (`$@`, `$?`); a build has none of them
_SPECIAL = "@*#?-$!0"
_SHOWN = 200


class Word:
    """One word to be read from left to right, once: call `text` or `words`."""

    def __init__(self, word: str, variables: Mapping[str, str], escape: str = "\\", *, quotes: bool = True) -> None:
        self._word = word
        self._variables = variables
        self._escape = escape
        self._quotes = "'\"" if quotes else ""
        self._at = 0
        self._depth = 0
        self._size = 0

    def text(self) -> str:
        """DockerfileError(`failed to process "…": …`)."""
        return "".join(piece for piece, _ in self._whole())

    def words(self) -> tuple[str, ...]:
        """Split at the blanks that did not stand in quotes; those of a variable's value count."""
        found = [""]
        for piece, splits in self._whole():
            if not splits:
                found[-1] += piece
                continue
            first, *others = _split(piece)
            found[-1] += first
            found += others
        return tuple(word for word in found if word)

    def _whole(self) -> list[tuple[str, bool]]:
        try:
            return self._pieces("", raw=False)
        except DockerfileError as error:
            raise DockerfileError(f"failed to process {quote(self._word)}: {error.reason}") from None

    def _next(self) -> str:
        """The character here, and one step on; empty at the end."""
        found = self._word[self._at : self._at + 1]
        self._at += 1
        return found

    def _peek(self) -> str:
        return self._word[self._at : self._at + 1]

    def _counted(self, piece: str) -> str:
        self._size += len(piece)
        if self._size > SIZE_LIMIT:
            raise DockerfileError(f"the value is longer than {SIZE_LIMIT // 1024 // 1024} MiB")
        return piece

    def _pieces(self, stop: str, *, raw: bool) -> list[tuple[str, bool]]:
        """Up to `stop` (or the end): texts, and whether a blank in them ends a word. `raw` keeps escapes."""
        found: list[tuple[str, bool]] = []
        special = f"${self._quotes}{self._escape}{stop}"
        while mark := self._peek():
            if mark == stop:
                self._at += 1
                return found
            if mark == "$":
                found.append((self._counted(self._dollar(raw)), True))
            elif mark in self._quotes:
                found.append((self._single() if mark == "'" else self._double(raw), False))
            elif mark == self._escape:
                self._at += 1
                found.append(((mark if raw else "") + self._next(), False))
            else:
                start = self._at
                while self._at < len(self._word) and self._word[self._at] not in special:
                    self._at += 1
                found.append((self._word[start : self._at], True))
        if stop:
            raise DockerfileError(_MISSING_BRACE if stop == "}" else f"syntax error: missing '{stop}' in ${{}}")
        return found

    def _inner(self, stop: str, *, raw: bool) -> str:
        """A word inside braces."""
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise DockerfileError(f"substitutions are nested more than {DEPTH_LIMIT} deep")
        found = "".join(piece for piece, _ in self._pieces(stop, raw=raw))
        self._depth -= 1
        return found

    def _single(self) -> str:
        end = self._word.find("'", self._at + 1)
        if end < 0:
            raise DockerfileError("unexpected end of statement while looking for matching single-quote")
        found = self._word[self._at + 1 : end]
        self._at = end + 1
        return found

    def _double(self, raw: bool) -> str:
        """Only `$` and the escape mean something; the escape only before `"`, `$` and itself."""
        self._at += 1
        found: list[str] = []
        while mark := self._peek():
            if mark == "$":
                found.append(self._counted(self._dollar(raw)))
                continue
            self._at += 1
            if mark == '"':
                return "".join(found)
            if mark == self._escape:
                found.append(mark if raw else "")
                if self._peek() and self._peek() in f'"${self._escape}':
                    mark = self._next()
            found.append(mark)
        raise DockerfileError("unexpected end of statement while looking for matching double-quote")

    def _dollar(self, raw: bool) -> str:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._at += 1
        if not self._peek():
            raise DockerfileError(_MISSING_BRACE)
        if self._peek() in "{}:":
            raise DockerfileError("syntax error: bad substitution")
        return self._substitution(self._name())

    def _name(self) -> str:
        start = self._at
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._at += 1
        elif first and first in _SPECIAL:
            self._at += 1
        else:
            while (mark := self._peek()).isalpha() or mark.isdecimal() or mark == "_":
                self._at += 1
        return self._word[start : self._at]

    def _substitution(self, name: str) -> str:
        """What stands after `${name`."""
        value = self._variables.get(name)
        mark = self._next()
        if not mark:
            raise DockerfileError(_MISSING_BRACE)
        if mark == "}":
            return value or ""
        if mark == "/":
            return self._replaced(value or "")
        shown = mark
        if mark == ":":
            mark = self._next()
            shown += mark
            value = value or None  # empty counts as unset
        if shown in ("#", "%"):
            return self._trimmed(mark, value or "")
        if not mark:
            raise DockerfileError(_MISSING_BRACE)
        if mark not in "-+?":
            raise DockerfileError(f"unsupported modifier ({shown}) in substitution")
        word = self._inner("}", raw=False)
        if mark == "-":
            return word if value is None else value
        if mark == "+":
            return "" if value is None else word
        if value is None:
            raise DockerfileError(f"{name}: {word or self._lack(name)}")
        return value

    def _lack(self, name: str) -> str:
        return "is not allowed to be empty" if name in self._variables else "is not allowed to be unset"

    def _trimmed(self, mark: str, value: str) -> str:
        longest = self._peek() == mark
        self._at += longest
        pattern = self._pattern(self._inner("}", raw=True), value)
        if mark == "#":
            return value[pattern.prefix(longest=longest) :]
        return value[: len(value) - pattern.suffix(longest=longest)]

    def _replaced(self, value: str) -> str:
        everywhere = self._peek() == "/"
        self._at += everywhere
        pattern = self._pattern(self._inner("/", raw=True), value)
        replacement = self._inner("}", raw=True)
        found: list[str] = []
        at = 0
        for start, end in pattern.matches():
            found += (value[at:start], self._counted(replacement))
            at = end
            if not everywhere:
                break
        return "".join(found) + value[at:]

    def _pattern(self, text: str, value: str) -> Pattern:
        try:
            return Pattern(text, value)
        except DockerfileError as error:
            raise DockerfileError(f"invalid pattern ({text[:_SHOWN]}) in substitution: {error.reason}") from None


def _split(piece: str) -> list[str]:
    """At runs of blanks; the ends are empty where the piece starts or ends with one."""
    found = piece.split()
    if not found:
        return ["", ""] if piece else [""]
    if piece[0].isspace():
        found.insert(0, "")
    if piece[-1].isspace():
        found.append("")
    return found
