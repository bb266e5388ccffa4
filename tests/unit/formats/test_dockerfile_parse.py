"""Reading a Dockerfile: its limits, and that nothing but our own error ever comes out of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernel_engine.formats.dockerfile import lexer
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.expansion import expand
from kernel_engine.formats.dockerfile.instructions import Copy, OnBuild, Run
from kernel_engine.formats.dockerfile.parse import parse, parse_instruction
from kernel_engine.formats.dockerfile.settings import Settings, apply

KEYWORDS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME "
    "WORKDIR"
).split()


def build(data: bytes) -> None:
    """All that happens to a Dockerfile before a kernel call."""
    file = parse(data)
    for _, instructions in file.stages:
        settings = Settings()
        for instruction in instructions:
            settings = apply(expand(instruction, {**settings.environment, "x": "a b"}, file.escape), settings)


def survives(data: bytes) -> None:
    try:
        build(data)
    except DockerfileError as error:
        assert error.message


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"\n")
@example(b"\\\n")
@example(b"FROM a\nRUN <<\n")
@example(b"FROM a\nCOPY << << /\n")
@example(b"FROM a\nRUN [" + b"[" * 10_000)
@example(b"FROM a\nRUN [" + b"1" * 5_000 + b"]")
@example(b'FROM a\nRUN ["\\ud800"]')
@example(b"FROM a\nRUN [NaN]")
@example(b"FROM a\nONBUILD " + b"ONBUILD " * 5_000)
@example(b"FROM a\nHEALTHCHECK --interval=" + b"9" * 400 + b"h CMD x")
@example(b"FROM a\nHEALTHCHECK --retries=\xc2\xb2 CMD x")
@example(b"FROM a\nEXPOSE " + b"9" * 5_000)
@example(b"FROM a\nEXPOSE \xd9\xa1")
@example(b"FROM a\nSTOPSIGNAL \xc2\xb2")
@example(b"FROM a\nSTOPSIGNAL RTMIN+\xc2\xb2")
@example(b"FROM a\nSTOPSIGNAL " + b"9" * 5_000)
@example(b"FROM a\nRUN --mount=type=tmpfs,size=1e999 x")
@example(b"FROM a\nRUN --mount=type=cache,uid=" + b"9" * 5_000 + b" x")
@example(b"FROM a\nENV a=" + b"${a:-" * 3_000)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    survives(data)


_PIECES = st.sampled_from(
    [
        *KEYWORDS, *(word.lower() for word in KEYWORDS), "AS", "NONE", "CMD", "a", "b=c", "/d", "$x", "${x:-y}", "${",
        "}", "'", '"', "\\", "\\\n", "\n", "\n\n", "# c\n", "# escape=`\n", "`", " ", " ", "\t", "\r\n", "=",
        "--from=a", "--mount=type=cache,target=$x", "--chown=1:2", "--", "--x", '["a", "b"]', "[1]", "[", "]", "<<EOF",
        "<<-'EOF'", "\nEOF\n", "EOF", "<<A <<B", "80/tcp", "1-3", "5s", "scratch", "가", "\0", "\x0b", "\x1c", "\u2028",
        "--interval=5s", "--platform=$x", "${x//?/y}", "${x#\\*}",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=40))
def test_any_mixture_of_its_words_is_read_or_refused(pieces: list[str]) -> None:
    survives(("FROM a\n" + "".join(pieces)).encode())
    survives(" ".join(pieces).encode())


@given(st.sampled_from(KEYWORDS), st.lists(_PIECES, max_size=12))
def test_any_words_of_an_instruction_are_read_or_refused(keyword: str, pieces: list[str]) -> None:
    survives(f"FROM a\n{keyword} {' '.join(pieces)}".encode())


@given(st.text(alphabet=st.characters(min_codepoint=33, blacklist_categories=("C", "Z"), blacklist_characters="\\")))
def test_a_shell_line_arrives_as_it_is_written(line: str) -> None:
    if line.startswith(("--", "[")) or "<<" in line or not line or not line.strip():
        return
    (_, (run,)) = parse(f"FROM a\nRUN {line}\n".encode()).stages[0]
    assert isinstance(run, Run)
    assert run.command.words == (line,)


LARGE = {
    "instructions": b"FROM a\n" + b"RUN x\n" * 20_000,
    "stages": b"FROM a AS a\n" * 10_000,
    "continued lines": b"FROM a\nRUN " + b"a \\\n" * 200_000,
    "comments inside": b"FROM a\nRUN a \\\n" + b"# c\n" * 200_000 + b"b",
    "blank lines inside": b"FROM a\nRUN a \\\n" + b"\n" * 500_000 + b"b",
    "options": b"FROM a\nRUN " + b"--mount=a=b \\\n" * 60_000,
    "heredocs": b"FROM a\nCOPY " + b"<<a \\\n" * 50_000 + b"/d\n" + b"a\n" * 50_000,
    "heredocs without end": b"FROM a\nCOPY " + b"<<a \\\n" * 100_000 + b"/d\n",
    "a long heredoc": b"FROM a\nRUN <<A\n" + b"x\n" * 400_000,
    "quotes": b"FROM a\nRUN " + b"'\"" * 30_000,
    "pairs": b"FROM a\nENV " + b"a=b \\\n" * 100_000,
    "ports": b"FROM a\nEXPOSE 0-65535\n" + b"EXPOSE 0-65535/udp\n" * 5,
    "a list": b"FROM a\nCMD [" + b'"a", \\\n' * 100_000 + b'"b"]',
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_takes_no_more_than_its_size(name: str) -> None:
    assert len(LARGE[name]) < lexer.SIZE_LIMIT
    start = time.process_time()
    survives(LARGE[name])
    assert time.process_time() - start < 10


def test_sizes_have_limits() -> None:
    with pytest.raises(DockerfileError, match="is larger than 1 MiB"):
        parse(b"#" * (lexer.SIZE_LIMIT + 1))
    long = "가" * (lexer.LINE_LIMIT // 3 + 1)
    with pytest.raises(DockerfileError, match="line greater than max allowed size of 65535") as caught:
        parse(f"FROM a\nRUN {long}\n".encode())
    assert caught.value.line == 2


def test_an_instruction_alone_may_hold_heredocs() -> None:
    outer = parse_instruction("ONBUILD COPY <<one <<-two /d/\n1\none\n\t2\ntwo\n")
    assert isinstance(outer, OnBuild)
    inner = parse_instruction(outer.trigger)
    assert isinstance(inner, Copy)
    assert [(body.name, body.content) for body in inner.heredocs] == [("one", "1\n"), ("two", "2\n")]


def test_two_instructions_are_not_one() -> None:
    with pytest.raises(DockerfileError, match="onbuild trigger should be a single expression"):
        parse_instruction("RUN a\nRUN b")


def test_a_bad_trigger_names_no_line() -> None:
    for text, message in [("RUNN x", "unknown instruction: RUNN"), ("ENV x", "ENV must have two arguments")]:
        with pytest.raises(DockerfileError) as caught:
            parse_instruction(text)
        assert caught.value.message == message


def test_the_file_has_a_name() -> None:
    with pytest.raises(DockerfileError, match=r"failed to parse sub/x\.df: ENV must have two arguments") as caught:
        parse(b"FROM a\nENV b\n", "sub/x.df")
    assert (caught.value.file, caught.value.line, caught.value.instruction) == ("sub/x.df", 2, "ENV b")
    assert caught.value.reason == "ENV must have two arguments"
