"""Text → statements: parser directives, comments, continued lines and heredocs. What a statement says is `parse`.

The rules are BuildKit's `frontend/dockerfile/parser`: a comment is a line whose first mark is `#`, also inside a
continued line, where blank lines are skipped too (with a warning); an escape mark at a line's end continues it unless
another one stands before; a continued line keeps its leading blanks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kernel_engine.formats.dockerfile import heredocs, words
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import Heredoc, Location

#: more than any Dockerfile needs, and little enough to be read in one go
SIZE_LIMIT = 1024 * 1024
#: Docker's own limit of one physical line, in bytes
LINE_LIMIT = 65535

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = ("syntax", "escape", "check")
_WARNING = "[WARNING]: Empty continuation lines will become errors in a future release."
_BLANKS = re.compile(r"[\t\v\f\r ]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One instruction as text: `KEYWORD [--flag…] rest`, and the heredocs that follow its line."""

    keyword: str  #: as written
    flags: tuple[str, ...]  #: with their leading `--`, quotes taken away
    rest: str
    line: str  #: the whole, continued lines joined
    location: Location
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def text(self) -> str:
        return self.line.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file in statements."""

    statements: tuple[Statement, ...]
    escape: str
    syntax: str
    check: str
    warnings: tuple[str, ...]


def lex(data: bytes, name: str) -> Source:
    """The statements of a Dockerfile. DockerfileError(`failed to parse NAME: …`)."""
    if not data:
        raise DockerfileError(f"the Dockerfile ({name}) cannot be empty", file=name)
    if len(data) > SIZE_LIMIT:
        raise DockerfileError(f"the Dockerfile ({name}) is larger than {SIZE_LIMIT // 1024 // 1024} MiB", file=name)
    return _Lexer(data, name).run()


def split(text: str, escape: str, location: Location) -> Statement:
    """One joined line as a statement, without heredocs."""
    pieces = _BLANKS.split(text.strip(), maxsplit=1)
    flags, rest = words.flags(pieces[1], escape) if len(pieces) == 2 else ((), "")
    return Statement(keyword=pieces[0], flags=flags, rest=rest.strip(), line=text, location=location)


class _Lexer:
    def __init__(self, data: bytes, name: str) -> None:
        self._lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        if not self._lines[-1]:
            self._lines.pop()
        self._name = name
        self._at = 0  #: the number of lines that are read
        self._directives: dict[str, str] = {}
        self._warnings: list[str] = []
        self._escape = "\\"

    def run(self) -> Source:
        self._read_directives()
        statements = [statement for statement in iter(self._statement, None)]
        if not statements:
            raise self._error("file with no instructions", line=0)
        if self._warnings:
            self._warnings.append(_WARNING)
        return Source(
            statements=tuple(statements),
            escape=self._escape,
            syntax=self._directives.get("syntax", ""),
            check=self._directives.get("check", ""),
            warnings=tuple(self._warnings),
        )

    def _error(self, reason: str, line: int, instruction: str = "") -> DockerfileError:
        text = f"failed to parse {self._name}: {reason}"
        return DockerfileError(reason, message=text, file=self._name, line=line, instruction=instruction)

    def _peek(self) -> str:
        """The line that comes next, with a carriage return where it has one.

        Bytes that are not UTF-8 (a comment in another encoding) become U+FFFD, as in every JSON that Docker writes.
        """
        return self._lines[self._at].decode("utf-8", "replace")

    def _next(self) -> str:
        data = self._lines[self._at]
        line = self._peek().rstrip("\r")
        self._at += 1
        if len(data) > LINE_LIMIT:
            raise self._error(f"dockerfile line greater than max allowed size of {LINE_LIMIT}", self._at)
        if b"\0" in data:
            raise self._error("a NUL byte stands in the line", self._at)
        return line

    def _read_directives(self) -> None:
        """`# escape=…` and the like: only on the first lines, each once."""
        while self._at < len(self._lines):
            found = _DIRECTIVE.match(self._peek().strip())
            key = found[1].lower() if found else ""
            if not found or key not in _DIRECTIVES:
                return
            self._next()
            if key in self._directives:
                raise self._error(f"only one {key} parser directive can be used", self._at)
            self._directives[key] = found[2]
            if key == "escape":
                if found[2] not in ("\\", "`"):
                    raise self._error(f"invalid escape token '{found[2]}' does not match ` or \\", self._at)
                self._escape = found[2]

    def _statement(self) -> Statement | None:
        """The next one; None at the end."""
        while self._at < len(self._lines):
            line = self._next().lstrip()
            if not line or line.startswith("#"):
                continue
            start = self._at
            text = self._joined(line)
            if not text.strip():
                continue
            return self._understood(text, start)
        return None

    def _joined(self, line: str) -> str:
        pieces: list[str] = []
        skipped_blank = False
        text, more = self._continued(line)
        pieces.append(text)
        while more and self._at < len(self._lines):
            line = self._next()
            if line.lstrip().startswith("#"):
                continue
            if not line.strip():
                skipped_blank = True
                continue
            text, more = self._continued(line)
            pieces.append(text)
        joined = "".join(pieces)
        if skipped_blank:
            self._warnings.append(f"[WARNING]: Empty continuation line found in:\n    {joined}")
        return joined

    def _continued(self, line: str) -> tuple[str, bool]:
        """The line without the mark that continues it, and whether there was one."""
        bare = line.rstrip(" \t")
        if not bare.endswith(self._escape) or bare.endswith(self._escape * 2):
            return line, False
        return bare[:-1], True

    def _understood(self, text: str, start: int) -> Statement:
        location = Location(start=start, end=self._at)
        try:
            statement = split(text, self._escape, location)
            marks = heredocs.in_line(statement.keyword, statement.rest)
            if not marks:
                return statement
            bodies = tuple(self._body(mark) for mark in marks)
        except DockerfileError as error:
            raise self._error(error.reason, start, text.strip()) from None
        return replace(statement, location=Location(start=start, end=self._at), heredocs=bodies)

    def _body(self, mark: heredocs.Mark) -> Heredoc:
        lines: list[str] = []
        while self._at < len(self._lines):
            raw = self._peek()
            line = self._next()
            if mark.strip_tabs:
                line, raw = line.lstrip("\t"), raw.lstrip("\t")
            if line == mark.name:
                return Heredoc(name=mark.name, content="".join(lines), expand=mark.expand)
            lines.append(f"{raw}\n")
        raise DockerfileError("unterminated heredoc")
