"""Go's text/template: tokens to a tree of nodes. Pure; what the tree means is in `templates.py`.

Texts of refusals are Go's (text/template/parse). Nodes are small frozen values with the position and the text that Go
names in an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from kernel_engine.formats.template_lexer import TemplateError, Token, quote, tokens

__all__ = ["Node", "Operand", "Pipeline", "TemplateError", "read"]


@dataclass(frozen=True, slots=True)
class Operand:
    """A value: `kind` field|variable|dot|constant|nil|name|pipe; `path` are fields that follow it."""

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

    @property
    def source(self) -> str:
        sign = f"{', '.join(self.declares)} {'=' if self.assigns else ':='} " if self.declares else ""
        return sign + " | ".join(source_of(command) for command in self.commands)


def source_of(command: tuple[Operand, ...]) -> str:
    return " ".join(operand.source for operand in command)


@dataclass(frozen=True, slots=True)
class Node:
    """`kind` text|action|if|range|with|break|continue|template (`text` is its name)."""

    kind: str
    text: str = ""
    pipeline: Pipeline | None = None
    body: tuple[Node, ...] = ()
    otherwise: tuple[Node, ...] = ()
    at: int = 0


_CONSTANTS = {"true": True, "false": False}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_ESCAPED = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)")
_VALUES = frozenset(("boolean", "char", "dot", "field", "name", "number", "nil", "raw", "string", "variable", "("))
_LARGEST = 1 << 63


def read(text: str, functions: frozenset[str]) -> tuple[tuple[Node, ...], dict[str, tuple[Node, ...]]]:
    """The template's nodes, and those of the templates that it defines. TemplateError("template: :1: …")."""
    return _Reader(text, functions).read()


class _Reader:
    def __init__(self, text: str, functions: frozenset[str]) -> None:
        self._text = text
        self._functions = functions
        self._source: Iterator[Token] = tokens(text)
        self._ahead: list[Token] = []
        self._last = Token("text", "", 0)
        self._loops = 0
        self._variables = ["$"]
        self._defined: dict[str, tuple[Node, ...]] = {}

    def read(self) -> tuple[tuple[Node, ...], dict[str, tuple[Node, ...]]]:
        nodes, end = self._nodes(whole=True)
        if end:
            self._fail(f"unexpected {{{{{end}}}}}")
        return nodes, self._defined

    # tokens ------------------------------------------------------------------------------------------------------
    def _next(self) -> Token:
        self._last = self._ahead.pop(0) if self._ahead else next(self._source)
        return self._last

    def _peek(self) -> Token:
        if not self._ahead:
            self._ahead.append(next(self._source))
        return self._ahead[0]

    def _next_word(self) -> Token:
        self._skip()
        return self._next()

    def _peek_word(self) -> Token:
        self._skip()
        return self._peek()

    def _skip(self) -> None:
        while self._peek().kind == "space":
            self._ahead.pop(0)

    def _expect(self, kind: str, where: str) -> Token:
        token = self._next_word()
        if token.kind != kind:
            self._unexpected(token, where)
        return token

    def _unexpected(self, token: Token, where: str) -> NoReturn:
        if token.kind == "error":
            self._fail(token.text)
        self._fail(f"unexpected {token} in {where}")

    def _fail(self, message: str) -> NoReturn:
        line = self._text.count("\n", 0, min(self._last.at, len(self._text))) + 1
        raise TemplateError(f"template: :{line}: {message}")

    # nodes -------------------------------------------------------------------------------------------------------
    def _nodes(self, *, whole: bool = False) -> tuple[tuple[Node, ...], str]:
        """Nodes up to the end or the block's end; the word that ended it: "", "end", "else"."""
        nodes: list[Node] = []
        while (token := self._next_word()).kind != "eof":
            if token.kind == "text":
                nodes.append(Node("text", text=token.text))
                continue
            if token.kind != "left":
                self._unexpected(token, "input")
            word = self._peek_word()
            if word.kind != "keyword":
                nodes.append(Node("action", pipeline=self._pipeline("command")))
                continue
            self._next()
            if word.text == "end":
                self._expect("right", "end")
                return tuple(nodes), "end"
            if word.text == "else":
                if self._peek_word().text not in ("if", "with"):
                    self._expect("right", "else")
                return tuple(nodes), "else"
            if word.text == "define" and whole:
                self._define()
            else:
                nodes.append(self._statement(word))
        if not whole:
            self._fail("unexpected EOF")
        return tuple(nodes), ""

    def _statement(self, word: Token) -> Node:
        if word.text in ("if", "range", "with"):
            return self._block(word.text)
        if word.text in ("break", "continue"):
            after = self._next_word()
            if after.kind != "right":
                self._unexpected(after, f"{{{{{word.text}}}}}")
            if not self._loops:
                self._fail(f"{{{{{word.text}}}}} outside {{{{range}}}}")
            return Node(word.text)
        if word.text == "template":
            return self._template(word)
        if word.text != "block":
            self._unexpected(word, "command")
        name = self._template_name("block clause")
        pipeline = self._pipeline("block clause")
        self._body(name, "block clause")
        return Node("template", text=name, pipeline=pipeline, at=word.at)

    def _template(self, word: Token) -> Node:
        where = "template clause"
        place = self._peek_word().at
        name = self._template_name(where)
        if self._peek_word().kind == "right":
            self._next()
            return Node("template", text=name, at=place)
        return Node("template", text=name, pipeline=self._pipeline(where), at=place)

    def _define(self) -> None:
        name = self._template_name("define clause")
        self._expect("right", "define clause")
        self._body(name, "define clause")

    def _body(self, name: str, where: str) -> None:
        """A template of its own: it sees no variables from outside."""
        variables, self._variables = self._variables, ["$"]
        body, end = self._nodes()
        if end != "end":
            self._fail(f"unexpected {{{{{end}}}}} in {where}")
        self._variables = variables
        self._defined[name] = body

    def _template_name(self, where: str) -> str:
        token = self._next_word()
        if token.kind not in ("string", "raw"):
            self._unexpected(token, where)
        return self._unquoted(token.text)

    def _block(self, word: str) -> Node:
        scope = len(self._variables)
        pipeline = self._pipeline(word)
        self._loops += word == "range"
        body, end = self._nodes()
        self._loops -= word == "range"
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            following = self._peek_word()
            if following.text == word and word in ("if", "with"):
                self._next()
                otherwise = (self._block(word),)
            elif following.text in ("if", "with") and following.kind == "keyword":
                self._unexpected(self._next(), "input")
            else:
                otherwise, end = self._nodes()
                if end != "end":
                    self._fail("expected end; found {{else}}")
        del self._variables[scope:]
        return Node(word, pipeline=pipeline, body=body, otherwise=otherwise)

    # one pipeline ------------------------------------------------------------------------------------------------
    def _pipeline(self, where: str, closing: str = "right") -> Pipeline:
        declares, assigns = self._declarations(where)
        commands: list[tuple[Operand, ...]] = []
        while (token := self._next_word()).kind != closing:
            if token.kind not in _VALUES:
                self._unexpected(token, where)
            self._ahead.insert(0, token)
            commands.append(self._command())
        if not commands:
            self._fail(f"missing value for {where}")
        for stage, late in enumerate(commands[1:], 2):
            if late[0].kind in ("constant", "nil", "dot") and not late[0].path:
                self._fail(f"non executable command in pipeline stage {stage}")
        return Pipeline(tuple(commands), declares, assigns)

    def _declarations(self, where: str) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        while (variable := self._peek_word()).kind == "variable":
            self._next()
            spaced = self._peek()
            following = self._peek_word()
            if following.kind in (":=", "="):
                self._next()
                names.append(variable.text)
                if following.kind == ":=":
                    self._variables += names
                return tuple(names), following.kind == "="
            if following.text != ",":
                self._ahead[:0] = [variable, *([spaced] if spaced.kind == "space" else ())]
                break
            self._next()
            names.append(variable.text)
            if where != "range" or len(names) > 1:
                self._fail(f"too many declarations in {where}")
            if self._peek_word().kind not in ("variable", "right", ")"):
                self._fail("range can only initialize variables")
        return (), False

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while True:
            token = self._peek_word()
            if token.kind in _VALUES:
                operands.append(self._operand(self._next()))
            token = self._next()
            if token.kind in ("right", ")"):
                self._ahead.insert(0, token)
            elif token.kind == "space":
                continue
            elif token.kind != "|":
                self._unexpected(token, "operand")
            if not operands:
                self._fail("empty command")
            return tuple(operands)

    def _operand(self, token: Token) -> Operand:
        kind, value, path, source = self._term(token)
        at, first = token.at, True
        while self._peek().kind == "field":
            following = self._next()
            if kind in ("constant", "nil", "dot"):
                self._fail(f"unexpected . after term {quote(token.text)}")
            at, first = (following.at, False) if first else (at, False)
            path += (following.text[1:],)
            source += following.text
        return Operand(kind, value, path, at, source)

    def _term(self, token: Token) -> tuple[str, object, tuple[str, ...], str]:
        """(kind, value, path, source) of one value."""
        text = token.text
        if token.kind == "(":
            inner = self._pipeline("parenthesized pipeline", ")")
            return "pipe", inner, (), f"({inner.source})"
        if token.kind == "field":
            return "field", None, (text[1:],), text
        if token.kind == "variable" and text not in self._variables:
            self._fail(f"undefined variable {quote(text)}")
        if token.kind == "name" and text not in self._functions:
            self._fail(f"function {quote(text)} not defined")
        if token.kind in ("name", "variable", "dot", "nil"):
            return token.kind, text, (), text
        return "constant", self._constant(token), (), text

    def _constant(self, token: Token) -> object:
        if token.kind == "boolean":
            return _CONSTANTS[token.text]
        if token.kind == "number":
            return self._number(token.text)
        text = self._unquoted(token.text)
        if token.kind == "char":
            if len(text) != 1:
                self._fail(f"malformed character constant: {token.text}")
            return ord(text)
        return text

    def _unquoted(self, literal: str) -> str:
        """A Go string literal's value."""
        if literal[0] == "`":
            return literal[1:-1].replace("\r", "")

        def escape(found: re.Match[str]) -> str:
            code = found[1]
            try:
                if code[0] in "xuU" and len(code) > 1:
                    return chr(int(code[1:], 16))
                return chr(int(code, 8)) if code[0].isdigit() else _ESCAPES[code]
            except (ValueError, KeyError, OverflowError):
                self._fail("invalid syntax")

        return _ESCAPED.sub(escape, literal[1:-1])

    def _number(self, text: str) -> int | float:
        plain = text.replace("_", "")
        try:
            old_octal = re.fullmatch(r"([+-]?)0([0-7]+)", plain)
            value: int | float = int(old_octal[1] + old_octal[2], 8) if old_octal else int(plain, 0)
        except ValueError:
            try:
                value = float.fromhex(plain) if "x" in plain.lower() and "p" in plain.lower() else float(plain)
            except ValueError:
                self._fail(f"illegal number syntax: {quote(text)}")
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            self._fail(f"integer overflow: {quote(text)}")
        return value
