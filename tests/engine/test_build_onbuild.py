"""ONBUILD: what a base image has its children do."""

from __future__ import annotations

from tests.daemon import Daemon
from tests.engine.building import build, inspect


def test_triggers_run_in_the_child_and_only_there(daemon: Daemon) -> None:
    base = (
        "FROM busybox AS tools\nRUN echo tool > /tool\nFROM busybox\n"
        "ONBUILD ARG WHO=nobody\nONBUILD COPY . /src/\nONBUILD COPY <<EOF /hello\nhello $WHO\nEOF\n"
        "ONBUILD RUN --mount=target=/ctx cat /hello /src/f /ctx/f\nONBUILD LABEL who=$WHO\n"
    )
    build(daemon, base, t="base")
    assert len(inspect(daemon, "base")["Config"]["OnBuild"]) == 5
    result = build(daemon, "FROM base\nENV A=b\n", {"f": "file\n"}, t="child", buildargs={"WHO": "me", "NOT": "x"})
    assert not result.error
    assert "# Executing 5 build triggers\n" in result.text
    assert "\nhello me\nfile\nfile\n" in result.text
    assert "[Warning] One or more build-args [NOT] were not consumed" in result.text
    config = inspect(daemon, "child")["Config"]
    assert (config["Labels"], config["OnBuild"] or []) == ({"who": "me"}, [])
    assert "trigger" not in build(daemon, "FROM child\nENV C=d\n").text


def test_a_trigger_may_take_from_a_stage(daemon: Daemon) -> None:
    build(daemon, "FROM busybox\nONBUILD COPY --from=tools /tool /tool\nONBUILD RUN cat /tool\n", t="wants")
    child = "FROM busybox AS tools\nRUN echo tool > /tool\nFROM wants\n"
    assert "\ntool\n" in build(daemon, child).text


def test_a_bad_trigger_names_the_from_line(daemon: Daemon) -> None:
    build(daemon, "FROM busybox\nONBUILD RUNN x\n", t="bad")
    result = build(daemon, "ARG a\nFROM bad\n")
    assert result.error == "unknown instruction: RUNN"
    assert (result.detail["line"], result.detail["instruction"]) == (2, "FROM bad")


def test_a_health_check_that_is_replaced_is_remarked(daemon: Daemon) -> None:
    result = build(daemon, "FROM busybox\nHEALTHCHECK CMD a b\nHEALTHCHECK NONE\n")
    assert "Step 3/3 : HEALTHCHECK NONE\nNote: overriding previous HEALTHCHECK: [CMD-SHELL a b]\n" in result.text
