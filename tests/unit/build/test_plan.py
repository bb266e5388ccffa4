"""Stages and build arguments: what a build plan says before any image is known."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.build.arguments import Arguments, unused_warning
from kernel_engine.build.plan import BuildPlan, Source, plan
from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import Arg
from kernel_engine.formats.dockerfile.parse import parse, parse_instruction


def planned(text: str, target: str = "", **arguments: str | None) -> BuildPlan:
    return plan(
        parse(text.encode()),
        target=target,
        arguments=arguments,
        platform="linux/arm64/v8",
        build_platform="linux/amd64",
    )


def indexes(found: BuildPlan) -> list[int]:
    return [stage.index for stage in found.stages]


def test_one_stage() -> None:
    found = planned("FROM debian:bookworm\nRUN a\nRUN b\n")
    assert indexes(found) == [0]
    assert found.target.base == Source(image="debian:bookworm")
    assert (found.target.name, found.target.label, found.target.platform) == ("", "0", "")
    assert (found.steps, found.target.step) == (3, 1)
    assert found.images() == ("debian:bookworm",)


def test_only_what_the_target_needs_is_built_and_counted() -> None:
    text = (
        "ARG V=1\n"
        "FROM a AS one\nRUN x\nRUN y\n"
        "FROM b AS unused\nRUN z\n"
        "FROM one AS two\nCOPY --from=c:1 /f /f\n"
        "FROM d\nCOPY --from=two /f /f\nRUN --mount=from=ONE,target=/m m\n"
    )
    found = planned(text)
    assert indexes(found) == [0, 2, 3]
    assert [stage.needs for stage in found.stages] == [(), (0,), (0, 2)]
    assert [stage.step for stage in found.stages] == [2, 5, 7]
    assert found.steps == 9
    assert found.images() == ("a", "c:1", "d")
    assert found.stage(2).base == Source(stage=0)
    assert found.stage(2).sources == {"c:1": Source(image="c:1")}
    assert found.target.sources == {"two": Source(stage=2), "ONE": Source(stage=0)}
    assert indexes(planned(text, target="Two")) == [0, 2]
    assert indexes(planned(text, target="unused")) == [1]


def test_a_stage_by_its_number() -> None:
    found = planned("FROM a\nFROM b\nCOPY --from=0 x y\n")
    assert found.target.sources == {"0": Source(stage=0)}
    assert indexes(found) == [0, 1]


def test_a_name_counts_from_its_line_on() -> None:
    found = planned("FROM busybox AS busybox\nFROM busybox\n")
    assert [stage.base for stage in found.stages] == [Source(image="busybox"), Source(stage=0)]
    assert planned("FROM b\nFROM a AS b\n", target="b").target.base == Source(image="a")
    assert planned("FROM b\nFROM a AS b\nFROM x\n").images() == ("x",)


def test_a_trigger_may_name_a_stage_too() -> None:
    found = planned("FROM a AS one\nFROM one AS two\nFROM two\n")
    assert found.source(found.target, "One") == Source(stage=0)
    assert found.source(found.target, "1") == Source(stage=1)
    assert found.source(found.target, "2") == Source(image="2")
    assert found.source(found.stage(0), "two") == Source(image="two")


def test_a_stage_that_only_a_trigger_copies_from_is_needed() -> None:
    text = b"FROM a AS tools\nFROM b AS other\nFROM wants\n"
    known = {"wants": ("COPY --from=tools /t /t", "RUNN", "COPY --from=9 a b", "RUN --mount=from=img,target=/x x")}
    found = plan(parse(text), triggers=lambda image: known.get(image, ()))
    assert indexes(found) == [0, 2]
    assert found.target.sources == {"tools": Source(stage=0), "img": Source(image="img")}
    inner = "FROM a AS tools\nFROM b AS parent\nONBUILD COPY --from=tools /t /t\nFROM parent\n"
    assert indexes(planned(inner)) == [0, 1, 2]


def test_scratch_is_no_image() -> None:
    assert planned("FROM scratch\nCOPY a b\n").images() == ()


def test_arguments_before_from() -> None:
    text = 'ARG NAME=debian TAG\nARG FULL="${NAME}:${TAG:-stable}"\nFROM $FULL\n'
    assert planned(text).images() == ("debian:stable",)
    assert planned(text, TAG="12").images() == ("debian:12",)
    assert planned(text, NAME="busybox", TAG="", FULL=None).images() == ("busybox:stable",)
    assert planned("FROM ${NONE:-a}\n", NONE="b").images() == ("a",)
    found = planned("FROM --platform=$BUILDPLATFORM a\n")
    assert found.target.platform == "linux/amd64"
    assert planned("ARG P=arm64\nFROM --platform=linux/$P a\n").target.platform == "linux/arm64"
    assert planned("FROM $TARGETOS-$TARGETARCH-$TARGETVARIANT-$BUILDARCH\n").images() == ("linux-arm64-v8-amd64",)
    assert planned("FROM $TARGETARCH\n", TARGETARCH="mine").images() == ("mine",)


@pytest.mark.parametrize(
    ("text", "target", "message", "line"),
    [
        ("ARG a\n", "", "no build stage in current context", 0),
        ("FROM a AS A\nFROM b AS a\n", "", "a stage name already used", 2),
        ("FROM a\n", "nope", "failed to reach build target nope in Dockerfile", 0),
        ("FROM a\n", "0", "failed to reach build target 0 in Dockerfile", 0),
        ("FROM ${x}\n", "", "base name (${x}) should not be blank", 1),
        ("FROM ${x\n", "", "failed to process \"${x\": syntax error: missing '}'", 1),
        ("ARG a=${\nFROM a\n", "", "failed to process \"${\": syntax error: missing '}'", 1),
        ("FROM a\nFROM b\nCOPY --from=1 x y\n", "", "invalid from flag value 1: refers to current build stage", 3),
        ("FROM a\nCOPY --from=5 x y\n", "", "invalid from flag value 5: index out of bounds", 2),
        ("FROM a\nCOPY --from=9999999999 x y\n", "", "invalid from flag value 9999999999: index out of bounds", 2),
        ("FROM a AS a\nCOPY --from=a x y\n", "", "circular dependency detected on stage: a", 2),
        (
            "FROM a AS a\nCOPY --from=b x y\nFROM b AS b\nRUN --mount=from=a,target=/x x\n",
            "", "circular dependency detected on stage: a", 2,
        ),
        ("FROM x AS a\nCOPY --from=b x y\nFROM a AS b\n", "", "circular dependency detected on stage: a", 2),
        (
            "FROM a\nCOPY --from=b x y\nFROM b AS b\n",
            "", 'cannot copy from stage "b", it needs to be defined before current stage "stage-0"', 2,
        ),
        (
            "FROM a\nCOPY --from=$x x y\n", "",
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope "
            "as a workaround", 2,
        ),
        ("FROM --platform=$x a\n", "", "empty platform value from expression $x", 1),
        (
            "FROM --platform=a/b/c/d a\n", "",
            'failed to parse platform a/b/c/d: "a/b/c/d": platform specifier component must match '
            '"^[A-Za-z0-9_-]+$": invalid argument', 1,
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_planned(text: str, target: str, message: str, line: int) -> None:
    with pytest.raises(DockerfileError) as caught:
        planned(text, target)
    assert (caught.value.message, caught.value.line, caught.value.file) == (message, line, "Dockerfile")
    assert caught.value.instruction == (text.splitlines()[line - 1] if line else "")


def test_a_build_arg_with_a_nul_is_refused() -> None:
    with pytest.raises(DockerfileError, match="build-arg 'a': a NUL byte stands in it"):
        planned("FROM x\n", a="b\0")


def _arg(text: str) -> Arg:
    arg = parse_instruction(f"ARG {text}")
    assert isinstance(arg, Arg)
    return arg


GIVEN: Mapping[str, str | None] = {"a": "given", "b": None, "HTTP_PROXY": "p", "no_proxy": "n"}
START = Arguments(given=GIVEN, shared={"b": "shared", "c": "shared", "TARGETARCH": "arm64"})


def test_an_argument_counts_from_its_line_on() -> None:
    assert START.values() == {"HTTP_PROXY": "p", "no_proxy": "n"}
    after = START.declare(_arg("a=default b c=own d TARGETARCH e="))
    assert after.values() == {
        "a": "given", "b": "shared", "c": "own", "TARGETARCH": "arm64", "e": "", "HTTP_PROXY": "p", "no_proxy": "n",
    }  # fmt: skip
    assert START.values() == {"HTTP_PROXY": "p", "no_proxy": "n"}


def test_env_wins_over_arg() -> None:
    after = START.declare(_arg("a z=1"))
    environment = {"a": "env", "PATH": "/bin"}
    assert after.variables(environment)["a"] == "env"
    assert after.for_run(environment) == {"z": "1", "HTTP_PROXY": "p", "no_proxy": "n"}


def test_a_proxy_is_in_the_cache_only_if_it_is_declared() -> None:
    after = START.declare(_arg("z=1 a"))
    assert after.in_cache({}) == ("a=given", "z=1")
    assert after.declare(_arg("HTTP_PROXY")).in_cache({"z": "env"}) == ("HTTP_PROXY=p", "a=given")


def test_arguments_that_nobody_takes() -> None:
    found = planned("ARG a\nFROM x AS one\nARG b\nFROM y\nARG c\n", a="1", b="2", c="3", d="4", HTTPS_PROXY="p")
    assert found.unused_arguments() == ("b", "d")
    assert found.unused_arguments((_arg("d"),)) == ("b",)
    assert unused_warning(("b", "d")) == "[Warning] One or more build-args [b d] were not consumed"
    assert unused_warning(()) == ""


_LINES = st.lists(
    st.sampled_from(
        [
            "FROM a", "FROM a AS a", "FROM a AS b", "FROM b AS c", "FROM c", "FROM $x AS d", "FROM scratch", "RUN x",
            "COPY --from=a x y", "COPY --from=b x y", "COPY --from=c x y", "COPY --from=0 x y", "COPY --from=1 x y",
            "RUN --mount=from=a,target=/x x", "RUN --mount=from=d,target=/x x", "ARG x=1", "ARG y=$x",
        ]
    ),
    max_size=14,
)  # fmt: skip


@given(_LINES, st.sampled_from(["", "a", "b", "c", "d"]))
def test_a_plan_is_in_order_and_whole(lines: list[str], target: str) -> None:
    try:
        found = planned("\n".join(lines), target, x="v")
    except DockerfileError as error:
        assert error.message
        return
    done: set[int] = set()
    step = len(found.global_arguments) + 1
    for stage in found.stages:
        assert set(stage.needs) <= done
        assert stage.step == step
        step += 1 + len(stage.instructions)
        done.add(stage.index)
    assert found.steps == step - 1
    needed = {index for stage in found.stages for index in stage.needs} | {found.target.index}
    assert needed == done
