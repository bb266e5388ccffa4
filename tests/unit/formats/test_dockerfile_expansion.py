"""Variables in a Dockerfile: the grammar of one word, and which words of which instruction are replaced."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.expansion import expand, expand_word
from kernel_engine.formats.dockerfile.instructions import Add, Arg, Copy, Env, Expose, Run
from kernel_engine.formats.dockerfile.parse import parse_instruction
from kernel_engine.formats.dockerfile.shell_word import DEPTH_LIMIT, SIZE_LIMIT, Word

VARIABLES = {
    "a": "1",
    "empty": "",
    "path": "/usr/lib/x.tar.gz",
    "blanks": "x y  z",
    "이름": "값",
    "star": "*",
    "url": "http://h",
}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        # names
        ("$a", "1"), ("${a}", "1"), ("x$a", "x1"), ("$a.b", "1.b"), ("$ab", ""), ("${a}b", "1b"), ("$none", ""),
        ("$이름", "값"), ("$", "$"), ("a$", "a$"), ("$.", "$."), ("$1a", "a"), ("$$a", "a"), ("$@", ""),
        ("$(a)", "$(a)"),
        # quotes and escapes
        ("'$a'", "$a"), ('"$a"', "1"), (r"\$a", "$a"), (r"\\$a", "\\1"), (r'"\$a"', "$a"), (r'"a\tb"', r"a\tb"),
        (r"a\tb", "atb"), (r"'a\tb'", r"a\tb"), ("""a"b 'c'"d""", "ab 'c'd"), (r'"a\"b"', 'a"b'), ("a\\", "a"),
        ("''", ""),
        # what stands in for a missing or empty one
        ("${a:-w}", "1"), ("${empty:-w}", "w"), ("${none:-w}", "w"), ("${empty-w}", ""), ("${none-w}", "w"),
        ("${a:+w}", "w"), ("${empty:+w}", ""), ("${none:+w}", ""), ("${empty+w}", "w"), ("${none+w}", ""),
        ("${a:?w}", "1"), ("${a?w}", "1"), ("${empty?w}", ""), ("${none:-}", ""),
        # words inside are words again
        ("${none:-$a}", "1"), ("${none:-${empty:-${a}}}", "1"), ("${none:-'$a }'}", "$a }"), (r"${none:-\}}", "}"),
        ('"${none:-"x y"}"', "x y"), ("${none:-a:b}", "a:b"), ("${none:-}x", "x"),
        # ends taken away
        ("${path#*/}", "usr/lib/x.tar.gz"), ("${path##*/}", "x.tar.gz"), ("${path%.*}", "/usr/lib/x.tar"),
        ("${path%%.*}", "/usr/lib/x"), ("${path#no}", "/usr/lib/x.tar.gz"), ("${path%gz}", "/usr/lib/x.tar."),
        ("${path#}", "/usr/lib/x.tar.gz"), ("${path%?z}", "/usr/lib/x.tar."), ("${path##*}", ""),
        ("${path#*}", "/usr/lib/x.tar.gz"), ("${path#/*/}", "lib/x.tar.gz"), (r"${star#\*}", ""), (r"${star#\?}", "*"),
        ("${path%$none}", "/usr/lib/x.tar.gz"),
        ("${none#x}", ""), ("${empty%%x}", ""), ("${url%%:*}", "http"), ("${url#*//}", "h"),
        # replaced
        ("${path/lib/LIB}", "/usr/LIB/x.tar.gz"), ("${path/r/R}", "/usR/lib/x.tar.gz"),
        ("${path//r/R}", "/usR/lib/x.taR.gz"),
        ("${path//./}", "/usr/lib/xtargz"), (r"${path//\//:}", ":usr:lib:x.tar.gz"), ("${path/l*/}", "/usr/"),
        ("${path//?ib/_}", "/usr/_/x.tar.gz"), ("${blanks//*/w}", "w"), ("${a//?/bb}", "bb"), ("${none/x/y}", ""),
        ("${a//x/y}", "1"), ("${url/http:\\/\\//}", "h"), ("${a/1/$path}", "/usr/lib/x.tar.gz"),
        ("${path//no/x}", "/usr/lib/x.tar.gz"),
    ],
)  # fmt: skip
def test_a_word(word: str, expected: str) -> None:
    assert expand_word(word, VARIABLES) == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("'a", "unexpected end of statement while looking for matching single-quote"),
        ('"a', "unexpected end of statement while looking for matching double-quote"),
        ('"a\\"', "unexpected end of statement while looking for matching double-quote"),
        ("${", "syntax error: missing '}'"),
        ("${a", "syntax error: missing '}'"),
        ("${a:", "syntax error: missing '}'"),
        ("${a:-", "syntax error: missing '}'"),
        ("${a:-b", "syntax error: missing '}'"),
        ("${a/b}", "syntax error: missing '/' in ${}"),
        ("${a/b/c", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${{a}}", "syntax error: bad substitution"),
        ("${:a}", "syntax error: bad substitution"),
        ("${a!b}", "unsupported modifier (!) in substitution"),
        ("${a=b}", "unsupported modifier (=) in substitution"),
        ("${a:=b}", "unsupported modifier (:=) in substitution"),
        ("${a:#b}", "unsupported modifier (:#) in substitution"),
        ("${none:?}", "none: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${none?say why}", "none: say why"),
        ("${a:-'b}", "unexpected end of statement while looking for matching single-quote"),
        ("${a#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"),
    ],
)
def test_a_word_that_is_none(word: str, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        expand_word(word, VARIABLES)
    assert caught.value.reason.startswith("failed to process ")
    assert caught.value.reason.endswith(f": {reason}")


def test_another_escape_mark() -> None:
    assert expand_word("`$a", VARIABLES, "`") == "$a"
    assert expand_word(r"c:\d\$a", VARIABLES, "`") == r"c:\d\1"


def test_a_word_splits_only_outside_quotes() -> None:
    assert Word("$blanks", VARIABLES).words() == ("x", "y", "z")
    assert Word('"$blanks" b', VARIABLES).words() == ("x y  z", "b")
    assert Word("pre$blanks", VARIABLES).words() == ("prex", "y", "z")
    assert Word("${none:-8080 9090}/udp", VARIABLES).words() == ("8080", "9090/udp")
    assert Word("$none", VARIABLES).words() == ()


def _expanded(text: str, **variables: str) -> object:
    return expand(parse_instruction(text), variables)


def test_which_words_are_replaced() -> None:
    copy = _expanded("COPY --chown=$u --chmod=$m --exclude=$x $s /d/$t", u="web", m="600", s="src", t="t", x="no")
    assert isinstance(copy, Copy)
    assert (copy.chown, copy.chmod, copy.sources, copy.destination) == ("web", "600", ("src",), "/d/t")
    assert copy.exclude == ("$x",)
    add = _expanded("ADD --checksum=$c http://$h/f /f", c="sha256:0", h="host")
    assert isinstance(add, Add)
    assert (add.checksum, add.sources) == ("sha256:0", ("http://host/f",))
    for text in ("RUN echo $a", 'CMD ["$a"]', "ENTRYPOINT $a", 'SHELL ["$a"]', "HEALTHCHECK CMD $a", "ONBUILD RUN $a"):
        assert _expanded(text, a="1") == parse_instruction(text)
    assert getattr(_expanded("WORKDIR /$a/b", a="1"), "path") == "/1/b"  # noqa: B009
    assert getattr(_expanded("USER ${a:-x}:g"), "user") == "x:g"  # noqa: B009
    assert getattr(_expanded("STOPSIGNAL $s", s="SIGINT"), "signal") == "SIGINT"  # noqa: B009
    assert getattr(_expanded('VOLUME ["/$a", "/b"]', a="1"), "paths") == ("/1", "/b")  # noqa: B009
    expose = _expanded("EXPOSE $p 1", p="80 90/udp")
    assert isinstance(expose, Expose)
    assert sorted(expose.ports) == ["1", "80", "90/udp"]


def test_values_of_one_env_see_the_environment_before_it() -> None:
    env = _expanded("ENV a=new b=$a '$a'=x", a="old")
    assert isinstance(env, Env)
    assert env.pairs == (("a", "new"), ("b", "old"), ("$a", "x"))
    arg = _expanded("ARG a=new b=$a c", a="old")
    assert isinstance(arg, Arg)
    assert arg.arguments == (("a", "new"), ("b", "old"), ("c", None))


def test_a_heredoc_keeps_its_quotes_and_a_quoted_one_all() -> None:
    text = "COPY <<A <<'B' /d/\n\"$a\" '$a' \\$a ${none:-x}\nA\n$a\nB\n"
    copy = _expanded(text, a="1")
    assert isinstance(copy, Copy)
    assert [body.content for body in copy.heredocs] == ["\"1\" '1' $a x\n", "$a\n"]


def test_mounts_are_complete_once_variables_are_known() -> None:
    run = parse_instruction("RUN --mount=type=cache,id=$i,target=/c,uid=$u x")
    assert isinstance(run, Run)
    (mount,) = expand(run, {"i": "one", "u": "7"}).mounts
    assert (mount.id, mount.uid) == ("one", 7)
    with pytest.raises(DockerfileError, match="invalid value x for uid"):
        expand(run, {"u": "x"})


def test_an_error_names_the_place() -> None:
    with pytest.raises(DockerfileError) as caught:
        expand(parse_instruction("\n\nENV a=${b:?none}"), {})
    assert (caught.value.line, caught.value.instruction) == (3, "ENV a=${b:?none}")
    assert caught.value.message == 'failed to process "${b:?none}": b: none'


def test_depth_and_size_have_limits() -> None:
    nested = "${x:-" * DEPTH_LIMIT + "a" + "}" * DEPTH_LIMIT
    assert expand_word(nested, {}) == "a"
    for deep in (DEPTH_LIMIT + 1, 100_000):
        with pytest.raises(DockerfileError, match="nested more than 50 deep"):
            expand_word("${x:-" * deep + "}" * deep, {})
    with pytest.raises(DockerfileError, match="longer than 4 MiB"):
        expand_word("$a" * 100, {"a": "x" * (SIZE_LIMIT // 50)})
    with pytest.raises(DockerfileError, match="longer than 4 MiB"):
        expand_word("${a//x/$a}", {"a": "x" * 10_000})


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("${v##" + "*a" * 40 + "b}", "a" * 20_000),
        ("${v%%" + "a*" * 40 + "b}", "a" * 20_000),
        ("${v//" + "*a" * 40 + "b/}", "a" * 20_000),
        ("${v//" + "?" * 50 + "b/}", "a" * 30_000),
        ("${v//?/x}", "a" * 200_000),
        ("$v" * 20_000, "ab"),
        ("'a'\"b\"\\c" * 100_000, ""),
    ],
)
def test_no_pattern_takes_long(word: str, value: str) -> None:
    start = time.process_time()
    expand_word(word, {"v": value})
    assert time.process_time() - start < 5


def test_a_pattern_that_would_is_refused() -> None:
    with pytest.raises(DockerfileError, match="too long for its value"):
        expand_word("${v//" + "?" * 5_000 + "b/}", {"v": "a" * 100_000})


_MARKS = st.text(alphabet="a$b{}:-+?#%/\\'\"` *!=0@가", max_size=40)


@given(_MARKS, st.sampled_from("\\`"))
def test_any_word_gives_a_text_or_our_error(word: str, escape: str) -> None:
    try:
        text = expand_word(word, {"a": "x/y", "b": "", "가": "*"}, escape)
    except DockerfileError as error:
        assert error.reason.startswith("failed to process ")
    else:
        assert isinstance(text, str)


@given(st.text(alphabet=st.characters(blacklist_characters="$'\"\\"), max_size=60))
def test_text_without_marks_stays(word: str) -> None:
    assert expand_word(word, {}) == word


@given(st.text(max_size=30))
def test_single_quotes_keep_everything(text: str) -> None:
    bare = text.replace("'", "")
    assert expand_word(f"'{bare}'", {"a": "1"}) == bare
