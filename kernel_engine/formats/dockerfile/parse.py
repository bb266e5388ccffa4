"""A Dockerfile's bytes → its instructions in stages: the door to `lexer`, `given` and `readers`.

Variables are not replaced here (`expansion`), stages are not connected (`build/plan`), and what only a running build
can know (an image, a file) is not asked.
"""

from __future__ import annotations

from kernel_engine.formats.dockerfile import given, lexer, readers
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import Arg, Dockerfile, From, Instruction


def parse(data: bytes, name: str = "Dockerfile") -> Dockerfile:
    """The file's instructions in stages. DockerfileError, and nothing else, for whatever `data` is."""
    source = lexer.lex(data, name)
    instructions = understand(source, name)
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for instruction in instructions:
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            text, line = instruction.text, instruction.location.start
            raise DockerfileError("no build stage in current context", file=name, line=line, instruction=text)
    return Dockerfile(
        arguments=tuple(arguments),
        stages=tuple((start, tuple(body)) for start, body in stages),
        name=name,
        escape=source.escape,
        syntax=source.syntax,
        check=source.check,
        warnings=source.warnings,
    )


def parse_instruction(text: str) -> Instruction:
    """One instruction, with its heredocs: an ONBUILD trigger. DockerfileError with a text that names no line."""
    try:
        source = lexer.lex(text.encode(errors="replace"), "trigger")
        if len(source.statements) != 1:
            raise DockerfileError("onbuild trigger should be a single expression", instruction=text)
        return understand(source, "trigger")[0]
    except DockerfileError as error:
        raise DockerfileError(error.reason, line=error.line, instruction=error.instruction) from None


def understand(source: lexer.Source, name: str) -> list[Instruction]:
    """What the statements say, in order, without regard to stages. DockerfileError."""
    cut: list[given.Given] = []
    for statement in source.statements:
        try:
            cut.append(given.cut(statement, source.escape))
        except DockerfileError as error:
            raise _placed(error, f"failed to parse {name}", statement, name) from None
    found: list[Instruction] = []
    for words in cut:
        try:
            found.append(readers.read(words))
        except DockerfileError as error:
            place = f"dockerfile parse error line {words.statement.location.start}"
            raise _placed(error, place, words.statement, name) from None
    return found


def _placed(error: DockerfileError, prefix: str, statement: lexer.Statement, name: str) -> DockerfileError:
    return DockerfileError(
        error.reason,
        message=f"{prefix}: {error.reason}",
        file=name,
        line=statement.location.start,
        instruction=statement.text,
    )
