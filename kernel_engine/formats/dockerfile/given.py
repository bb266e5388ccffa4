"""What an instruction was given: its words, cut as its keyword wants them. The first of two looks at a statement:
Docker cuts all of a file's lines before it asks what any of them means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernel_engine.formats.dockerfile import lexer, words
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import CommandLine
from kernel_engine.formats.dockerfile.lexer import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A statement and its words. `pairs` is filled for ENV and LABEL instead of `words`."""

    statement: Statement
    keyword: str  #: in capitals
    words: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    json: bool = False

    @property
    def command(self) -> CommandLine:
        return CommandLine(shell=not self.json, words=self.words)

    def at_least_one(self) -> tuple[str, ...]:
        """The words. DockerfileError where there is none."""
        if not self.words:
            raise DockerfileError(f"{self.keyword} requires at least one argument")
        return self.words


def cut(statement: Statement, escape: str) -> Given:
    """DockerfileError with a reason only."""
    keyword = statement.keyword.upper()
    form = _FORMS.get(keyword)
    return form(statement, keyword, escape) if form else Given(statement=statement, keyword=keyword)


def _text(statement: Statement, keyword: str, escape: str) -> Given:
    found = (statement.rest,) if statement.rest else ()
    return Given(statement=statement, keyword=keyword, words=found)


def _blank_separated(statement: Statement, keyword: str, escape: str) -> Given:
    return Given(statement=statement, keyword=keyword, words=words.blank_separated(statement.rest))


def _quoted(statement: Statement, keyword: str, escape: str) -> Given:
    return Given(statement=statement, keyword=keyword, words=words.quoted(statement.rest, escape))


def _pairs(statement: Statement, keyword: str, escape: str) -> Given:
    return Given(statement=statement, keyword=keyword, pairs=words.pairs(statement.rest, keyword, escape))


def _command(statement: Statement, keyword: str, escape: str) -> Given:
    found = words.json_list(statement.rest)
    if found is None:
        return _text(statement, keyword, escape)
    return Given(statement=statement, keyword=keyword, words=found, json=True)


def _list(statement: Statement, keyword: str, escape: str) -> Given:
    found = words.json_list(statement.rest)
    if found is None:
        return _blank_separated(statement, keyword, escape)
    return Given(statement=statement, keyword=keyword, words=found, json=True)


def _health(statement: Statement, keyword: str, escape: str) -> Given:
    """The kind (CMD, NONE), then a command."""
    kind, *rest = statement.rest.split(maxsplit=1)[:2] or ("",)
    found = words.json_list(rest[0]) if rest else None
    return Given(
        statement=statement,
        keyword=keyword,
        words=(*((kind,) if kind else ()), *(rest if found is None else found)),
        json=found is not None,
    )


def _trigger(statement: Statement, keyword: str, escape: str) -> Given:
    """An instruction in an instruction: its words are cut too, so that its syntax is checked now."""
    if not statement.rest:
        return Given(statement=statement, keyword=keyword)
    inner = lexer.split(statement.rest, escape, statement.location)
    if inner.keyword.upper() != keyword:
        cut(inner, escape)
    return Given(statement=statement, keyword=keyword, words=(inner.keyword.upper(),))


_FORMS: dict[str, Callable[[Statement, str, str], Given]] = {
    "ADD": _list,
    "ARG": _quoted,
    "CMD": _command,
    "COPY": _list,
    "ENTRYPOINT": _command,
    "ENV": _pairs,
    "EXPOSE": _blank_separated,
    "FROM": _blank_separated,
    "HEALTHCHECK": _health,
    "LABEL": _pairs,
    "MAINTAINER": _text,
    "ONBUILD": _trigger,
    "RUN": _command,
    "SHELL": _command,
    "STOPSIGNAL": _text,
    "USER": _text,
    "VOLUME": _list,
    "WORKDIR": _text,
}
