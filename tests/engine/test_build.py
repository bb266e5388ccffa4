"""POST /build: what the instructions do, the classic builder's words, and what is left behind."""

from __future__ import annotations

import pytest

from tests.daemon import Daemon
from tests.engine.building import build, containers, images, inspect, refused

ALL_SETTINGS = """\
FROM busybox
ARG V=1
ENV A=b C="d e"
LABEL x=$A y=z
RUN echo out; echo err >&2; mkdir /d
EXPOSE 80 53/udp
VOLUME /v
USER 1000
HEALTHCHECK --interval=5s --retries=3 CMD true
ONBUILD RUN echo hi
SHELL ["/bin/sh","-ec"]
ENTRYPOINT ["x"]
STOPSIGNAL SIGUSR1
MAINTAINER me
CMD echo "hi"
"""


def test_every_setting_lands_in_the_image(daemon: Daemon) -> None:
    result = build(daemon, ALL_SETTINGS, t="settings")
    facts = inspect(daemon, "settings")
    config = {key: value for key, value in facts["Config"].items() if value}
    assert facts["Id"] == result.image
    assert facts["Author"] == "me"
    assert config == {
        "Env": ["PATH=/bin", "A=b", "C=d e"],
        "Labels": {"x": "b", "y": "z"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/v": {}},
        "User": "1000",
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000, "Retries": 3},
        "OnBuild": ["RUN echo hi"],
        "Shell": ["/bin/sh", "-ec"],
        "Entrypoint": ["x"],
        "StopSignal": "SIGUSR1",
        "Cmd": ["/bin/sh", "-ec", 'echo "hi"'],
    }


def test_the_lines_are_the_classic_builders(daemon: Daemon) -> None:
    result = build(daemon, "FROM busybox\nENV N=1\nRUN echo out; echo err >&2\n", t="lines")
    base = inspect(daemon, "busybox")["Id"][7:19]
    steps, run = result.steps, next(line for line in result.text.splitlines() if "Running in" in line)
    container = run.removeprefix(" ---> Running in ")
    short = [step["image"][7:19] for step in steps]
    assert result.text == (
        f"Step 1/3 : FROM busybox\n ---> {base}\n"
        f"Step 2/3 : ENV N=1\n ---> {short[1]}\n"
        f"Step 3/3 : RUN echo out; echo err >&2\n ---> Running in {container}\n"
        f"out\n\x1b[91merr\n\x1b[0mRemoving intermediate container {container}\n ---> {short[2]}\n"
        f"Successfully built {short[2]}\nSuccessfully tagged lines:latest\n"
    )
    again = build(daemon, "FROM busybox\nENV N=1\nRUN echo out; echo err >&2\n", t="lines")
    assert again.text.count(" ---> Using cache\n") == 2
    assert again.image == result.image


def test_history_reads_as_dockers(daemon: Daemon) -> None:
    build(daemon, ALL_SETTINGS, t="settings")
    rows = daemon.api.get("/images/settings/history").json()
    assert [row["CreatedBy"] for row in rows] == [
        '/bin/sh -ec #(nop)  CMD ["/bin/sh" "-ec" "echo \\"hi\\""]',
        "/bin/sh -ec #(nop)  MAINTAINER me",
        "/bin/sh -ec #(nop)  STOPSIGNAL SIGUSR1",
        '/bin/sh -ec #(nop)  ENTRYPOINT ["x"]',
        "/bin/sh -ec #(nop)  SHELL [/bin/sh -ec]",
        "/bin/sh -c #(nop)  ONBUILD RUN echo hi",
        '/bin/sh -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "true"] "5s" "0s" "0s" "0s" \'\\x03\'}',
        "/bin/sh -c #(nop)  USER 1000",
        "/bin/sh -c #(nop)  VOLUME [/v]",
        "/bin/sh -c #(nop)  EXPOSE 53/udp 80",
        "|1 V=1 /bin/sh -c echo out; echo err >&2; mkdir /d",
        "/bin/sh -c #(nop)  LABEL x=b y=z",
        "/bin/sh -c #(nop)  ENV A=b C=d e",
        "/bin/sh -c #(nop)  ARG V=1",
        "busybox",
    ]
    assert all(row["Id"].startswith("sha256:") for row in rows)


def test_intermediate_images_are_seen_with_all_only(daemon: Daemon) -> None:
    before = images(daemon)
    result = build(daemon, "FROM busybox\nRUN echo seen > /seen\nENV B=1\n", t="seen")
    assert images(daemon) - before == {result.image}
    assert {step["image"] for step in result.steps} <= images(daemon, all=True)


def test_what_run_changes_is_the_layer(clean: Daemon) -> None:
    result = build(clean, "FROM busybox\nRUN rm /bin/vi; echo $A > /a; ln /a /b; ln -s /a /c\n", t="layer")
    step = result.steps[-1]
    facts = inspect(clean, "layer")
    assert facts["RootFS"]["Layers"][-1] == step["layer"]
    assert facts["Size"] - inspect(clean, "busybox")["Size"] == step["size"] == 1 + 2
    script = "test ! -e /bin/vi && stat -c %h /a && readlink /c"
    assert clean.out("run", "--rm", "layer", "sh", "-c", script).split() == ["2", "/a"]


def test_a_run_that_changes_nothing_makes_no_layer(daemon: Daemon) -> None:
    result = build(daemon, "FROM busybox\nRUN true\n")
    assert result.steps[-1]["layer"] == ""
    assert inspect(daemon, result.image)["RootFS"] == inspect(daemon, "busybox")["RootFS"]


def test_a_step_that_fails_leaves_nothing_and_says_where(clean: Daemon) -> None:
    before = images(clean)
    result = build(clean, "FROM busybox\nRUN echo kept > /kept\n\nRUN echo hi; \\\n  exit 3\n")
    text = "The command '/bin/sh -c echo hi;   exit 3' returned a non-zero code: 3"
    assert result.error == text
    assert result.detail == {
        "code": 3, "message": text, "file": "Dockerfile", "line": 4, "instruction": "RUN echo hi;   exit 3",
    }  # fmt: skip
    assert (result.steps[-1]["state"], result.steps[-1]["error"]) == ("failed", text)
    assert containers(clean) == []
    assert images(clean) == before
    assert build(clean, "FROM busybox\nRUN echo kept > /kept\n").states[-1] == "cached:same"


@pytest.mark.parametrize(
    ("dockerfile", "text"),
    [
        ('RUN ["/nosuch"]', 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        ("RUN cd /nosuch", "returned a non-zero code: 2"),
    ],
)
def test_a_run_that_cannot_start(daemon: Daemon, dockerfile: str, text: str) -> None:
    assert text in build(daemon, f"FROM busybox\n{dockerfile}\n").error


def test_scratch(daemon: Daemon) -> None:
    assert build(daemon, "FROM scratch\n").error == "No image was generated. Is your Dockerfile empty?"
    assert 'exec: "/bin/sh": stat /bin/sh: no such file' in build(daemon, "FROM scratch\nRUN a /\n").error
    result = build(daemon, "FROM scratch\nENV A=b\n")
    assert inspect(daemon, result.image)["RootFS"] == {"Type": "layers", "Layers": []}


def test_refusals_before_the_first_line(daemon: Daemon) -> None:
    error = refused(daemon, "FROM busybox\nRUNN x\n")
    assert (error.status, str(error)) == (400, "dockerfile parse error line 2: unknown instruction: RUNN")
    assert "cannot be empty" in str(refused(daemon, ""))
    assert str(refused(daemon, "FROM busybox\n", target="zz")) == "failed to reach build target zz in Dockerfile"
    assert str(refused(daemon, "FROM busybox\n", dockerfile="zz")) == "Cannot locate specified Dockerfile: zz"
    assert "invalid reference format" in str(refused(daemon, "FROM busybox\n", t="BAD"))


def test_quiet_says_the_id_and_on_failure_everything(daemon: Daemon) -> None:
    result = build(daemon, "FROM busybox\nRUN echo quiet\n", q=1, kernel_engine_steps=0)
    (line,) = result.lines
    assert line["stream"].startswith("sha256:")
    failed = build(daemon, "FROM busybox\nRUN echo loud; false\n", q=1, kernel_engine_steps=0)
    assert "loud\n" in failed.text and failed.error


def test_arguments_labels_and_leftovers(daemon: Daemon) -> None:
    dockerfile = "FROM busybox\nARG FOO=1\nARG BAR\nRUN echo $FOO-$BAR > /said\n"
    result = build(daemon, dockerfile, buildargs={"BAR": "2", "zz": "3"}, labels={"k": "it's $FOO"}, t="args")
    assert "[Warning] One or more build-args [zz] were not consumed\n" in result.text
    assert "Step 5/5 : LABEL k=it's $FOO\n" in result.text
    assert inspect(daemon, "args")["Config"]["Labels"] == {"k": "it's $FOO"}
    assert daemon.out("run", "--rm", "args", "cat", "/said") == "1-2"
    assert daemon.out("run", "--rm", "args", "sh", "-c", "echo $FOO") == ""
    assert build(daemon, "FROM busybox\n", buildargs={"HTTP_PROXY": "x"}).text.count("Warning") == 0


def test_triggers_of_the_base_run_first_and_are_used_up(daemon: Daemon) -> None:
    build(daemon, "FROM busybox\nONBUILD ENV T=1\nONBUILD RUN echo $T > /triggered\n", t="triggers")
    result = build(daemon, "FROM triggers\nRUN cat /triggered\n", t="child")
    assert "# Executing 2 build triggers\n" in result.text
    assert "\n1\n" in result.text
    assert inspect(daemon, "child")["Config"]["OnBuild"] is None


def test_an_image_has_room_for_125_layers(clean: Daemon) -> None:
    lines = "".join(f"COPY f /f{number}\n" for number in range(124))
    result = build(clean, f"FROM busybox\n{lines}RUN ls / | grep -c ^f\n", {"f": "x"}, t="deep")
    assert not result.error and "\n124\n" in result.text
    assert len(inspect(clean, "deep")["RootFS"]["Layers"]) == 125
    error = build(clean, f"FROM busybox\n{lines}COPY f /one-more\n", {"f": "x"}).error
    assert error == "max depth exceeded"
    clean.docker("rmi", "deep")


def test_a_run_has_the_network_that_it_asks_for(daemon: Daemon) -> None:
    dockerfile = (
        "FROM busybox\nRUN cat /proc/net/dev | tail -n +3 | wc -l\n"
        "RUN --network=none cat /proc/net/dev | tail -n +3 | wc -l\nRUN --network=host cat /proc/sys/kernel/hostname\n"
    )
    result = build(daemon, dockerfile, networkmode="bridge")
    counts = [int(line) for line in result.text.splitlines() if line.isdecimal()]
    assert (counts[0] >= 2, counts[1]) == (True, 1)
    assert build(daemon, dockerfile, networkmode="bridge").states[1:] == ["cached:same"] * 3
    changed = build(daemon, dockerfile.replace("--network=none", "--network=default"), networkmode="bridge")
    assert [step["state"] for step in changed.steps[2:]] == ["done", "done"]
