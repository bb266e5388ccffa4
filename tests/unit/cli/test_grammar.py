"""Docker's words: what is accepted, and the sentence of every refusal (measured with the docker CLI 28.2.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.cli.commands import COMMANDS
from kernel_engine.cli.grammar import Misused, Parsed, nano_cpus, options_of, parse, wrong_count

RUN = options_of(COMMANDS["run"].options)
PS = options_of(COMMANDS["ps"].options)


def run(*words: str) -> Parsed:
    return parse(RUN, words, interspersed=False)


def test_letters_may_stand_together() -> None:
    parsed = run("-itd", "image")
    assert (parsed["interactive"], parsed["tty"], parsed["detach"]) == (True, True, True)


@pytest.mark.parametrize("words", [("-p8080:80",), ("-p", "8080:80"), ("-p=8080:80",), ("--publish", "8080:80"),
                                   ("--publish=8080:80",), ("-itp8080:80",), ("-itp", "8080:80")])  # fmt: skip
def test_a_value_may_be_written_in_all_of_dockers_ways(words: tuple[str, ...]) -> None:
    assert run(*words, "image")["publish"] == ["8080:80"]


def test_options_end_at_the_image() -> None:
    parsed = run("-i", "busybox", "ls", "-l", "--color", "--")
    assert parsed.arguments == ["busybox", "ls", "-l", "--color", "--"]
    assert not parsed["label"]


def test_elsewhere_options_may_follow_arguments() -> None:
    parsed = parse(options_of(COMMANDS["rm"].options), ["a", "-f", "b", "--", "-c"])
    assert (parsed["force"], parsed.arguments) == (True, ["a", "b", "-c"])


def test_defaults() -> None:
    parsed = run("image")
    assert parsed["sig-proxy"] is True
    assert parsed["pull"] == "missing"
    assert parsed["memory"] is None
    assert parsed["env"] == []
    assert parse(PS, [])["last"] == -1
    assert parsed.given == set()


def test_values_are_read() -> None:
    parsed = run(
        "-m", "64m", "--cpus", "1.5", "--memory-swap=-1", "--rm=false", "--sig-proxy=0", "-e", "A=b", "-eC", "x"
    )
    assert parsed["memory"] == 64 << 20
    assert parsed["cpus"] == 1_500_000_000
    assert parsed["memory-swap"] == -1
    assert (parsed["rm"], parsed["sig-proxy"]) == (False, False)
    assert parsed["env"] == ["A=b", "C"]


def test_a_dash_alone_is_an_argument() -> None:
    assert parse(PS, ["-"]).arguments == ["-"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--nosuch"], "unknown flag: --nosuch"),
        (["--it", "busybox"], "unknown flag: --it"),
        (["-Z", "busybox"], "unknown shorthand flag: 'Z' in -Z"),
        (["-itZ", "busybox"], "unknown shorthand flag: 'Z' in -Z"),
        (["--name"], "flag needs an argument: --name"),
        (["-m"], "flag needs an argument: 'm' in -m"),
        (["-ie"], "flag needs an argument: 'e' in -e"),
        (["---a"], "bad flag syntax: ---a"),
        (["--=x"], "bad flag syntax: --=x"),
        (["-m", "x", "i"], 'invalid argument "x" for "-m, --memory" flag: invalid size: \'x\''),
        (["-m", "-5", "i"], 'invalid argument "-5" for "-m, --memory" flag: invalid size: \'-5\''),
        (["--cpus", "x"], 'invalid argument "x" for "--cpus" flag: failed to parse x as a rational number'),
        (["--cpus=0.0000000001"], 'invalid argument "0.0000000001" for "--cpus" flag: value is too precise'),
        (
            ["--rm=maybe"],
            'invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            ["-itd=x", "busybox"],
            'invalid argument "x" for "-d, --detach" flag: strconv.ParseBool: parsing "x": invalid syntax',
        ),
        (
            ["--pids-limit", "x"],
            'invalid argument "x" for "--pids-limit" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
    ],
)
def test_refusals_of_run(words: list[str], sentence: str) -> None:
    with pytest.raises(Misused) as caught:
        run(*words)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-n", "x"], 'invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["--filter", "x"], 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'),
    ],
)
def test_refusals_of_ps(words: list[str], sentence: str) -> None:
    with pytest.raises(Misused) as caught:
        parse(PS, words)
    assert str(caught.value) == sentence


def test_h_is_help_except_where_it_is_the_hostname() -> None:
    assert parse(PS, ["-h"]).wants_help
    assert run("-h", "name", "image")["hostname"] == "name"


@pytest.mark.parametrize(
    ("minimum", "maximum", "given", "words"),
    [
        (1, None, 0, "docker: 'docker x' requires at least 1 argument|See"),
        (2, None, 1, "docker: 'docker x' requires at least 2 arguments|See"),
        (2, 2, 1, "docker: 'docker x' requires 2 arguments|Run"),
        (1, 1, 2, "docker: 'docker x' requires 1 argument|Run"),
        (0, 0, 1, "docker: 'docker x' accepts no arguments|Run"),
        (0, 1, 2, "docker: 'docker x' requires at most 1 argument|Run"),
        (1, 2, 3, "docker: 'docker x' requires at least 1 and at most 2 arguments|Run"),
    ],
)
def test_wrong_number_of_arguments(minimum: int, maximum: int | None, given: int, words: str) -> None:
    failure = wrong_count("x", "[OPTIONS]", minimum, maximum, given)
    first, _, see = words.partition("|")
    assert failure is not None
    assert failure.message == f"{first}\n\nUsage:  docker x [OPTIONS]\n\n{see} 'docker x --help' for more information"
    assert failure.code == 1


def test_right_number_of_arguments() -> None:
    assert wrong_count("x", "", 1, None, 5) is None


@given(st.lists(st.text(max_size=6), max_size=6))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    try:
        parsed = run(*words)
    except Misused:
        return
    assert len(parsed.arguments) <= len(words)


def test_cpus_may_be_a_fraction() -> None:
    assert nano_cpus("3/2") == 1_500_000_000
