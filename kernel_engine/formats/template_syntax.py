"""Go's text/template: text to a tree of nodes. Pure; what the tree means is in `templates.py`.

Texts of refusals are Go's (text/template/parse). Nodes are small tuples-like classes with the position that Go names in
an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn


class TemplateError(ValueError):
    """A template that cannot be read or carried out; Go's own sentence."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  #: field variable dot name string number char punct
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Operand:
    """A value: `kind` field|variable|dot|constant|name|pipe|chain; `path` are fields that follow it."""

    kind: str
    value: object
    path: tuple[str, ...]
    at: int
    source: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`; `declares` are the variables it sets, `assigns`: with = rather than :=."""

    commands: tuple[tuple[Operand, ...], ...]
    declares: tuple[str, ...] = ()
    assigns: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """`kind` text|action|if|range|with|break|continue."""

    kind: str
    text: str = ""
    pipeline: Pipeline | None = None
    body: tuple[Node, ...] = ()
    otherwise: tuple[Node, ...] = ()


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
      | (?P<char>'(?:[^'\\\n]|\\.)+')
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))
      | (?P<field>\.[^\W\d]\w*)
      | (?P<dot>\.)
      | (?P<variable>\$\w*)
      | (?P<name>[^\W\d]\w*)
      | (?P<punct>:=|[()|,=])""",
    re.VERBOSE,
)
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "nil": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_BLOCKS = ("if", "range", "with")


def read(text: str, functions: frozenset[str]) -> tuple[Node, ...]:
    """The template's nodes. TemplateError("template: :1: …")."""
    return _Reader(text, functions).read()


def unquote(literal: str, line: int = 1) -> str:
    """A Go string literal's value."""
    if literal[0] == "`":
        return literal[1:-1]

    def escape(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "xuU":
            return chr(int(code[1:], 16))
        if code[0].isdigit():
            return chr(int(code, 8))
        if code not in _ESCAPES:
            raise TemplateError(f"template: :{line}: invalid syntax")
        return _ESCAPES[code]

    pattern = r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)"
    return re.sub(pattern, escape, literal[1:-1])


class _Reader:
    def __init__(self, text: str, functions: frozenset[str]) -> None:
        self._text = text
        self._functions = functions
        self._at = 0  # in the text
        self._tokens: list[Token] = []
        self._token = 0
        self._loops = 0
        self._variables = ["$"]
        self._trim = False

    def read(self) -> tuple[Node, ...]:
        nodes, end = self._nodes()
        if end:
            self._fail(f"unexpected {{{{{end}}}}}")
        return nodes

    def _fail(self, message: str) -> NoReturn:
        line = self._text.count("\n", 0, min(self._at, len(self._text))) + 1
        raise TemplateError(f"template: :{line}: {message}")

    def _nodes(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to the end or the block's end; the word that ended it: "", "end", "else"."""
        nodes: list[Node] = []
        scope = len(self._variables)
        while True:
            start = self._text.find("{{", self._at)
            self._plain(nodes, start)
            if start < 0:
                return tuple(nodes), ""
            self._action(start)
            if not self._tokens:
                continue
            first = self._tokens[0]
            word = first.text if first.kind == "name" else ""
            if word in ("end", "else"):
                del self._variables[scope:]
                return tuple(nodes), word
            nodes.append(self._statement(word))

    def _plain(self, nodes: list[Node], start: int) -> None:
        """The text before the next action, trimmed where the actions beside it say so."""
        text = self._text[self._at : start if start >= 0 else len(self._text)]
        if self._trim:
            text = text.lstrip(" \t\r\n")
        if start >= 0 and re.match(r"\{\{-[ \t\r\n]", self._text[start : start + 4]):
            text = text.rstrip(" \t\r\n")
        if text:
            nodes.append(Node("text", text=text))

    def _action(self, start: int) -> None:
        """Reads one {{…}} into tokens; a comment gives none."""
        at = start + 2
        if re.match(r"-[ \t\r\n]", self._text[at : at + 2]):
            at += 1
        comment = re.compile(r"\s*/\*.*?\*/([ \t\r\n]-)?\}\}", re.DOTALL).match(self._text, at)
        if comment:
            self._at, self._trim, self._tokens = comment.end(), bool(comment[1]), []
            return
        self._at, self._tokens, self._token = at, [], 0
        while True:
            closing = re.compile(r"([ \t\r\n]+-)?\}\}").match(self._text, self._at)
            if closing:
                self._at, self._trim = closing.end(), bool(closing[1])
                break
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                self._bad_character()
            assert found is not None
            if found.lastgroup != "space":
                self._tokens.append(Token(str(found.lastgroup), found[0], self._at))
            self._at = found.end()
        if not self._tokens:
            self._fail("missing value for command")

    def _bad_character(self) -> None:
        if self._at >= len(self._text):
            self._fail("unclosed action")
        letter = self._text[self._at]
        if letter in "\"'`":
            self._fail("unterminated quoted string" if letter != "`" else "unterminated raw quoted string")
        if letter == "}":
            self._fail("unexpected '}' in command")
        self._fail(f"unrecognized character in action: U+{ord(letter):04X} {letter!r}")

    def _statement(self, word: str) -> Node:
        if word in _BLOCKS:
            self._token = 1
            return self._block(word)
        if word in ("break", "continue"):
            if not self._loops:
                self._fail(f"{{{{{word}}}}} outside {{{{range}}}}")
            return Node(word)
        if word in ("define", "template", "block"):
            self._fail(f"{{{{{word}}}}} is not supported here")
        return Node("action", pipeline=self._pipeline("command"))

    def _block(self, word: str) -> Node:
        scope = len(self._variables)
        pipeline = self._pipeline(word)
        self._loops += word == "range"
        body, end = self._nodes()
        self._loops -= word == "range"
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            rest = self._tokens[1:]
            if rest and rest[0].text in ("if", "with") and word != "range":
                self._tokens, self._token = rest, 1
                otherwise, end = (self._block(rest[0].text),), "end"
            elif rest:
                self._fail(f"unexpected <{rest[0].text}> in else")
            else:
                otherwise, end = self._nodes()
        if end != "end":
            self._fail("unexpected EOF" if not end else "expected end; found {{else}}")
        del self._variables[scope:]
        return Node(word, pipeline=pipeline, body=body, otherwise=otherwise)

    # one pipeline ------------------------------------------------------------------------------------------------
    def _peek(self, offset: int = 0) -> Token | None:
        at = self._token + offset
        return self._tokens[at] if at < len(self._tokens) else None

    def _pipeline(self, where: str, closing: str = "") -> Pipeline:
        declares, assigns = self._declarations(where)
        commands: list[tuple[Operand, ...]] = []
        while True:
            commands.append(self._command(where))
            token = self._peek()
            if token is not None and token.text == "|":
                self._token += 1
                continue
            if token is None and not closing:
                break
            if token is not None and token.text == closing:
                self._token += 1
                break
            self._fail("unclosed left paren" if closing else f"unexpected <{token.text if token else ''}> in {where}")
        for late in commands[1:]:
            if late[0].kind in ("constant", "dot") and not late[0].path:
                self._fail(f"non executable command in pipeline stage {commands.index(late) + 1}")
        return Pipeline(tuple(commands), declares, assigns)

    def _declarations(self, where: str) -> tuple[tuple[str, ...], bool]:
        first, second, third, fourth = (self._peek(offset) for offset in range(4))
        if first is None or first.kind != "variable" or second is None:
            return (), False
        names: tuple[str, ...] = ()
        sign = ""
        if second.text in (":=", "="):
            names, sign = (first.text,), second.text
        elif second.text == "," and third is not None and fourth is not None and where == "range":
            if fourth.text in (":=", "="):
                names, sign = (first.text, third.text), fourth.text
        if not names:
            return (), False
        self._token += 2 * len(names)
        if sign == ":=":
            self._variables += names
        return names, sign == "="

    def _command(self, where: str) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while (token := self._peek()) is not None and token.text not in ("|", ")") and token.kind != "":
            operands.append(self._operand(token))
        if not operands:
            self._fail(f"missing value for {where}")
        return tuple(operands)

    def _operand(self, token: Token) -> Operand:
        self._token += 1
        value: object = token.text
        kind = token.kind
        path: tuple[str, ...] = ()
        if kind == "field":
            path = (token.text[1:],)
        elif kind == "variable":
            if token.text not in self._variables:
                self._fail(f'undefined variable "{token.text}"')
        elif kind == "string":
            kind, value = "constant", unquote(token.text)
        elif kind == "char":
            kind, value = "constant", ord(unquote(token.text))
        elif kind == "number":
            kind, value = "constant", _number(token.text)
        elif kind == "name":
            if token.text in _CONSTANTS:
                kind, value = "constant", _CONSTANTS[token.text]
            elif token.text not in self._functions:
                self._fail(f'function "{token.text}" not defined')
        elif token.text == "(":
            kind, value = "pipe", self._pipeline("parenthesized pipeline", ")")
        elif kind != "dot":
            self._fail(f"unexpected {token.text!r} in operand")
        at, source, path = self._chain(token, path)
        return Operand(kind, value, path, at, source)

    def _chain(self, token: Token, path: tuple[str, ...]) -> tuple[int, str, tuple[str, ...]]:
        """Fields that follow at once: Go names the place of the first of them in an error."""
        at, source = token.at, token.text
        end = token.at + len(token.text)
        before = self._tokens[self._token - 1]
        if before is not token:  # a closing parenthesis
            end = before.at + 1
        first = True
        while (following := self._peek()) is not None and following.kind == "field" and following.at == end:
            at = following.at if first else at
            first = False
            path += (following.text[1:],)
            source += following.text
            end += len(following.text)
            self._token += 1
        return at, source, path


def _number(text: str) -> int | float:
    try:
        return int(text, 0)
    except ValueError:
        return float(text)
