"""Files of variables: `.env`, `--env-file` and a service's `env_file`, in compose's syntax. Pure.

    NAME=value   NAME: value   export NAME=value   NAME (its value comes from around)
    NAME='as it is'   NAME="with \\n and ${OTHER}"   NAME=plain ${OTHER}  # a comment after a space

A quoted value may go over several lines. Variables see those around (the shell's come first) and the lines before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from kernel_engine.compose.interpolation import Invalid, Missing, substitute

Look = Callable[[str], str | None]

_BLANK = " \t\v\f\r\x85\xa0"
_ESCAPE = re.compile(r'\\([abcfnrtv$"\\]|0[0-7]{0,3})')
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_EXPORT = re.compile(r"export[^\S\n]+")


class Broken(ValueError):
    """The sentence says which line, in compose's words."""


def read(text: str, look: Look, known: dict[str, str] | None = None) -> dict[str, str]:
    """Names and values in the file's order. `look` finds a variable around; `known` is what earlier files gave."""
    return _Reader(text.removeprefix("\ufeff"), look, dict(known or {})).read()


class _Around(Mapping[str, str]):
    """What a value's variables see: around first, then what the file has said so far."""

    def __init__(self, look: Look, said: dict[str, str]) -> None:
        self._look = look
        self._said = said

    def __getitem__(self, name: str) -> str:
        found = self._look(name)
        return self._said[name] if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)


class _Reader:
    def __init__(self, text: str, look: Look, said: dict[str, str]) -> None:
        self._text = text
        self._look = look
        self._said = said
        self._at = 0

    def read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while self._at < len(self._text):
            if self._text[self._at].isspace():
                self._at += 1
            elif self._text[self._at] == "#":
                self._line_rest()
            else:
                name, value = self._statement()
                if value is not None:
                    found[name] = self._said[name] = value
        return found

    @property
    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _line_rest(self) -> str:
        end = self._text.find("\n", self._at)
        end = len(self._text) if end < 0 else end
        rest, self._at = self._text[self._at : end], end
        return rest

    def _statement(self) -> tuple[str, str | None]:
        if prefix := _EXPORT.match(self._text, self._at):
            self._at = prefix.end()
        line, start = self._line, self._at
        while self._at < len(self._text) and self._text[self._at] not in "=:\n":
            letter = self._text[self._at]
            if not (letter in _BLANK or letter in "_.-[]" or letter.isalpha() or letter.isnumeric()):
                self._at = start
                rest = self._line_rest()
                raise Broken(f'line {line}: unexpected character "{letter}" in variable name "{rest}"')
            self._at += 1
        name = self._text[start : self._at].rstrip()
        if " " in name:
            raise Broken(f"line {line}: key cannot contain a space")
        if self._at >= len(self._text) or self._text[self._at] == "\n":
            return name, self._look(name)
        self._at += 1
        return name, self._value()

    def _value(self) -> str:
        while self._text[self._at : self._at + 1] and self._text[self._at] in _BLANK:
            self._at += 1
        quote = self._text[self._at : self._at + 1]
        if quote and quote in "'\"":
            return self._quoted(quote)
        rest = self._line_rest()
        return self._expanded(rest.partition(" #")[0].rstrip())

    def _quoted(self, quote: str) -> str:
        line, start = self._line, self._at
        letters: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == "\\" and self._text[self._at + 1 : self._at + 2] == quote:
                letters.append(quote)
                self._at += 2
                continue
            if letter == "\\" and self._text[self._at + 1 : self._at + 2] == "\\":
                letters.append("\\\\")
                self._at += 2
                continue
            self._at += 1
            if letter == quote:
                value = "".join(letters)
                return self._expanded(_ESCAPE.sub(_escaped, value)) if quote == '"' else value
            letters.append(letter)
        self._at = start
        raise Broken(f"line {line}: unterminated quoted value {self._line_rest()}")

    def _expanded(self, value: str) -> str:
        try:
            return substitute(value, _Around(self._look, self._said), _silent)
        except Invalid:
            raise Broken(f'line {self._line}: Invalid template: "{value}"') from None
        except Missing as missing:
            raise Broken(str(missing)) from None


def _silent(_: str) -> None:
    """An unset variable in such a file is "" without a word, as in a shell."""


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    if code == "$":
        return "$$"
    if code[0] == "0":
        return chr(int(code[1:], 8)) if len(code) == 4 else found[0]
    return _LETTERS.get(code, found[0])
