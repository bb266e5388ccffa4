"""Go's text/template: text to tokens, one after another, with Go's own refusals (text/template/parse/lex.go). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


class TemplateError(ValueError):
    """A template that cannot be read or carried out; Go's own sentence."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` text left right space keyword boolean dot nil field variable name number char string raw or a sign itself.

    The last token is `eof`, or `error` whose text is the refusal.
    """

    kind: str
    text: str
    at: int

    def __str__(self) -> str:
        """As Go names it where it is not expected."""
        if self.kind == "eof":
            return "EOF"
        if self.kind == "error":
            return self.text
        if self.kind in ("keyword", "dot", "nil"):
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(self.text) > 10 else quote(self.text)


KEYWORDS = frozenset(("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"))
_SPACE = " \t\r\n"
_SPACES = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"\w*")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*\.?[0-9a-fA-F_]*(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*\.?[0-7_]*|0[bB][01_]*\.?[01_]*"
    r"|[0-9_]*\.?[0-9_]*(?:[eE][+-]?[0-9_]*)?)"
)
#: kind → what it looks like whole, its first sign (after which nothing may be missing), and the refusal
_QUOTED = {
    '"': ("string", re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'), "unterminated quoted string"),
    "`": ("raw", re.compile(r"`[^`]*`"), "unterminated raw quoted string"),
    "'": ("char", re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"), "unterminated character constant"),
}


def quote(text: str) -> str:
    """Go's %q."""
    names = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(names.get(letter, letter) for letter in text) + '"'


def tokens(text: str) -> Iterator[Token]:
    """Read as far as they are asked for: what is wrong farther on is not noticed."""
    at = 0
    trim = False
    while True:
        start = text.find("{{", at)
        plain = text[at : start if start >= 0 else len(text)]
        if trim:
            plain = plain.lstrip(_SPACE)
        marked = start >= 0 and text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4] in tuple(_SPACE)
        if marked:
            plain = plain.rstrip(_SPACE)
        if plain:
            yield Token("text", plain, at)
        if start < 0:
            yield Token("eof", "", len(text))
            return
        inside = start + 2 + (2 if marked else 0)
        if text.startswith("/*", inside):
            closed = text.find("*/", inside)
            if closed < 0:
                yield Token("error", "unclosed comment", start)
                return
            right = _right(text, closed + 2)
            if right is None:
                yield Token("error", "comment ends before closing delimiter", start)
                return
        else:
            yield Token("left", "{{", start)
            action = _Action(text, inside)
            yield from action.tokens()
            if action.right is None:
                return
            right = action.right
            yield Token("right", "}}", right[0] - 2)
        at, trim = right


def _right(text: str, at: int) -> tuple[int, bool] | None:
    """Behind the closing braces at this place, and whether they trim what follows; None where there are none."""
    if text[at : at + 1] in tuple(_SPACE) and text.startswith("-}}", at + 1):
        return at + 4, True
    return (at + 2, False) if text.startswith("}}", at) else None


class _Action:
    """What stands between the braces. `right`: where they close; None after an error."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self._at = at
        self._depth = 0
        self.right: tuple[int, bool] | None = None

    def tokens(self) -> Iterator[Token]:
        while True:
            right = _right(self._text, self._at)
            if right is not None and self._depth == 0:
                self.right = right
                return
            token = Token("error", "unclosed left paren", self._at) if right is not None else self._next()
            yield token
            if token.kind == "error":
                return
            self._at = token.at + len(token.text)

    def _next(self) -> Token:
        text, at = self._text, self._at
        letter = text[at : at + 1]
        if not letter:
            return self._error("unclosed action")
        if letter in _SPACE:
            return self._space()
        if letter in _QUOTED:
            kind, pattern, refusal = _QUOTED[letter]
            found = pattern.match(text, at)
            return Token(kind, found[0], at) if found else self._error(refusal)
        if letter in "+-" or letter.isdecimal() or (letter == "." and text[at + 1 : at + 2] in tuple("0123456789")):
            return self._number()
        if letter in ".$" or letter == "_" or letter.isalnum():
            return self._word(letter)
        return self._sign(letter)

    def _space(self) -> Token:
        found = _SPACES.match(self._text, self._at)
        assert found is not None
        # the last blank may belong to the closing braces: " -}}"
        spaces = found[0][:-1] if self._text.startswith("-}}", found.end()) and len(found[0]) > 1 else found[0]
        return Token("space", spaces, self._at)

    def _sign(self, letter: str) -> Token:
        if letter == ":":
            whole = self._text.startswith(":=", self._at)
            return Token(":=", ":=", self._at) if whole else self._error("expected :=")
        if letter in "()":
            self._depth += 1 if letter == "(" else -1
            if self._depth < 0:
                return self._error("unexpected right paren")
        if letter in "()=|":
            return Token(letter, letter, self._at)
        if letter.isascii() and letter.isprintable():
            return Token("sign", letter, self._at)
        return self._error(f"unrecognized character in action: {_unicode(letter)}")

    def _word(self, letter: str) -> Token:
        """A name, a field, a variable, or the dot alone."""
        start = self._at
        found = _WORD.match(self._text, start + 1 if letter in ".$" else start)
        assert found is not None
        word = self._text[start : found.end()]
        if not self._ends(found.end()):
            self._at = found.end()
            return self._error(f"bad character {_unicode(self._text[found.end()])}")
        if letter == "$":
            return Token("variable", word, start)
        if letter == ".":
            return Token("dot" if word == "." else "field", word, start)
        if word in KEYWORDS:
            return Token("keyword", word, start)
        return Token("boolean" if word in ("true", "false") else "nil" if word == "nil" else "name", word, start)

    def _number(self) -> Token:
        found = _NUMBER.match(self._text, self._at)
        assert found is not None
        end = found.end()
        if self._text[end : end + 1] == "_" or self._text[end : end + 1].isalnum():
            return self._error(f"bad number syntax: {quote(self._text[self._at : end + 1])}")
        return Token("number", found[0], self._at)

    def _ends(self, at: int) -> bool:
        """Whether a word may end here."""
        return self._text[at : at + 1] in ("", *_SPACE, *".,|:)(") or self._text.startswith("}}", at)

    def _error(self, message: str) -> Token:
        return Token("error", message, self._at)


def _unicode(letter: str) -> str:
    return f"U+{ord(letter):04X} '{letter}'"
