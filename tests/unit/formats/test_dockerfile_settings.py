"""What each instruction does to an image's settings. The expected values are what Docker 20.10 made of them."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.expansion import expand
from kernel_engine.formats.dockerfile.instructions import Run
from kernel_engine.formats.dockerfile.parse import parse, parse_instruction
from kernel_engine.formats.dockerfile.settings import Settings, apply, note, run_process, start
from kernel_engine.formats.environment import DEFAULT_PATH

S = 10**9  #: a second in nanoseconds
BASH = ["/bin/bash", "-ec"]
BASE = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}


def after(lines: str, base: dict[str, Any] | None = None) -> Settings:
    settings, _ = start(BASE if base is None else base)
    for _, instructions in parse(f"FROM x\n{lines}".encode()).stages:
        for instruction in instructions:
            settings = apply(expand(instruction, settings.environment), settings)
    return settings


@pytest.mark.parametrize(
    ("lines", "changed"),
    [
        ("CMD []", {"Cmd": []}),
        ("CMD", {"Cmd": ["/bin/sh", "-c"]}),
        ("CMD a  b", {"Cmd": ["/bin/sh", "-c", "a  b"]}),
        ("ENTRYPOINT x", {"Entrypoint": ["/bin/sh", "-c", "x"], "Cmd": None}),
        ("CMD a\nENTRYPOINT [\"x\"]", {"Entrypoint": ["x"], "Cmd": ["/bin/sh", "-c", "a"]}),
        ("CMD []\nENTRYPOINT [\"x\"]", {"Entrypoint": ["x"], "Cmd": None}),
        ("ENTRYPOINT [\"x\"]\nCMD [\"a\"]", {"Entrypoint": ["x"], "Cmd": ["a"]}),
        ("ENTRYPOINT []", {"Entrypoint": [], "Cmd": None}),
        ("ENTRYPOINT", {"Entrypoint": [], "Cmd": None}),
        ("EXPOSE $none", {}),
        ("ONBUILD RUN x  \nONBUILD  RUN  y", {"OnBuild": ["RUN x  ", "RUN  y"]}),
        (
            "SHELL [\"/bin/bash\", \"-ec\"]\nCMD x y\nENTRYPOINT z",
            {"Shell": BASH, "Cmd": [*BASH, "x y"], "Entrypoint": [*BASH, "z"]},
        ),
        ("WORKDIR /a/../b/", {"WorkingDir": "/a/../b/"}),
        ("WORKDIR /a/../b/\nWORKDIR c/./d/", {"WorkingDir": "/b/c/d"}),
        ("WORKDIR .", {"WorkingDir": "/"}),
        ("WORKDIR a\nWORKDIR ..\nWORKDIR ..", {"WorkingDir": "/"}),
        ("ENV a=1 b=$a\nENV b=$a c=${a}2 PATH=$PATH:/x", {"Env": ["PATH=/bin:/x", "a=1", "b=1", "c=12"]}),
        ("ENV A a  b 'c' \"d\"  ", {"Env": ["PATH=/bin", "A=a  b c d"]}),
        (
            "ENV A='a b' B=a\\ b C=\"x\\\"y\" D=\\$x E= F=\"\"",
            {"Env": ["PATH=/bin", "A=a b", "B=a b", 'C=x"y', "D=$x", "E=", "F="]},
        ),
        ("LABEL a=1 a=2 \"b c\"=d\nLABEL x a b  c ", {"Labels": {"a": "2", "b c": "d", "x": "a b  c"}}),
        (
            "EXPOSE 80 81-83/udp 90/TCP\nEXPOSE 80/tcp",
            {"ExposedPorts": {"80/tcp": {}, "81/udp": {}, "82/udp": {}, "83/udp": {}, "90/tcp": {}}},
        ),
        (
            "EXPOSE 1:2 127.0.0.1:3:4 [::1]:5:6 0 7/ 9/sctp",
            {"ExposedPorts": {"0/tcp": {}, "2/tcp": {}, "4/tcp": {}, "6/tcp": {}, "7/tcp": {}, "9/sctp": {}}},
        ),
        (
            "ENV P=\"80 90\"\nEXPOSE $P $none",
            {"Env": ["PATH=/bin", "P=80 90"], "ExposedPorts": {"80/tcp": {}, "90/tcp": {}}},
        ),
        ("VOLUME /a /b\nVOLUME [\"/c d\"]", {"Volumes": {"/a": {}, "/b": {}, "/c d": {}}}),
        ("USER a:b", {"User": "a:b"}),
        ("USER $none", {"User": ""}),
        ("STOPSIGNAL 9", {"StopSignal": "9"}),
        ("STOPSIGNAL sigint", {"StopSignal": "sigint"}),
        (
            "HEALTHCHECK --interval=5s --start-interval=1s --retries=2 CMD a b",
            {"Healthcheck": {"Test": ["CMD-SHELL", "a b"], "Interval": 5 * S, "StartInterval": S, "Retries": 2}},
        ),
        ("HEALTHCHECK CMD [\"a\"]", {"Healthcheck": {"Test": ["CMD", "a"]}}),
        ("HEALTHCHECK CMD a\nHEALTHCHECK NONE", {"Healthcheck": {"Test": ["NONE"]}}),
        ("ONBUILD RUN x\nONBUILD ENV a=b", {"OnBuild": ["RUN x", "ENV a=b"]}),
        ("RUN x\nCOPY a b\nADD a b\nARG a=b", {}),
    ],
)  # fmt: skip
def test_an_effect(lines: str, changed: dict[str, Any]) -> None:
    expected = {key: value for key, value in {**BASE, **changed}.items() if value is not None}
    assert after(lines).config == expected


def test_a_health_check_that_is_replaced_is_remarked() -> None:
    first, none = parse_instruction("HEALTHCHECK CMD a b"), parse_instruction("HEALTHCHECK NONE")
    assert note(first, Settings()) == note(first, apply(none, Settings())) == ""
    assert note(none, apply(first, Settings())) == "Note: overriding previous HEALTHCHECK: [CMD-SHELL a b]"
    assert note(parse_instruction("CMD x"), apply(first, Settings())) == ""


def test_the_author_is_the_maintainer_of_this_file_only() -> None:
    assert after("MAINTAINER a  b").author == "a  b"
    assert after("").author == ""


def test_a_stage_starts_with_the_settings_of_its_base_but_for_its_triggers() -> None:
    base = {**BASE, "OnBuild": ["RUN make", "ENV a=b"], "Labels": {"a": "b"}}
    settings, triggers = start(base)
    assert settings.config == {**BASE, "Labels": {"a": "b"}}
    assert triggers == ("RUN make", "ENV a=b")
    assert after("LABEL c=d", base).config["Labels"] == {"a": "b", "c": "d"}
    assert base["Labels"] == {"a": "b"}


def test_a_path_is_always_there() -> None:
    assert start(None)[0].config == {"Env": [f"PATH={DEFAULT_PATH}"]}
    assert start({"Env": ["A=1"]})[0].environment == {"A": "1", "PATH": DEFAULT_PATH}


def test_command_is_cleared_only_if_it_is_inherited() -> None:
    inherited = after('ENTRYPOINT ["x"]', {"Cmd": ["base"]}).config
    assert "Cmd" not in inherited
    assert after('CMD ["own"]\nENTRYPOINT ["x"]', {"Cmd": ["base"]}).config["Cmd"] == ["own"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("EXPOSE a", "Invalid containerPort: a"),
        ("EXPOSE 80/foo", "Invalid proto: foo"),
        ("EXPOSE 99999", "Invalid containerPort: 99999"),
        ("EXPOSE 90-80", "Invalid containerPort: 90-80"),
        ("EXPOSE -80", "Invalid containerPort: -80"),
        ("EXPOSE /tcp", "No port specified: /tcp<empty>"),
        ("EXPOSE a:80", "Invalid hostPort: a"),
        ("EXPOSE 1-2:80-85", "Invalid ranges specified for container and host Ports: 80-85 and 1-2"),
        ("EXPOSE host:1:80", "Invalid ip address: host"),
        ("ENV $none=a", "invalid environment variable: =a"),
        ("VOLUME $none", "VOLUME specified can not be an empty string"),
        ("WORKDIR $none", "cannot normalize nothing"),
        ("STOPSIGNAL FOO", "Invalid signal: FOO"),
        ("STOPSIGNAL $none", "Invalid signal: "),
    ],
)
def test_what_only_the_expanded_word_shows(line: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        after(f"USER a\n{line}")
    assert (caught.value.message, caught.value.line, caught.value.instruction) == (message, 3, line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RUN echo  a", ("/bin/sh", "-c", "echo  a")),
        ('RUN ["a", "b"]', ("a", "b")),
        ("RUN", ("/bin/sh", "-c")),
        ("RUN <<EOF\na\n\tb\nEOF", ("/bin/sh", "-c", "a\n\tb\n")),
        ("RUN <<-EOF\n\ta\n\tEOF", ("/bin/sh", "-c", "a\n")),
        ("RUN cat <<A <<-B | sh\na\nA\n\tb\nB", ("/bin/sh", "-c", "cat <<A <<-B | sh\na\nA\nb\nB")),
        ("RUN python3 <<'EOF'\nprint(1)\nEOF", ("/bin/sh", "-c", "python3 <<'EOF'\nprint(1)\nEOF")),
        ("RUN <<EOF\n#!/usr/bin/python3\nprint(1)\nEOF", ("/dev/pipes/EOF",)),
    ],
)
def test_what_a_run_starts(text: str, words: tuple[str, ...]) -> None:
    run = parse_instruction(text)
    assert isinstance(run, Run)
    process = run_process(run, ("/bin/sh", "-c"))
    assert process.words == words
    script = "#!/usr/bin/python3\nprint(1)\n" if words[0] == "/dev/pipes/EOF" else None
    assert (process.script and process.script.content) == script
