"""A build as the engine tells it, and how it is drawn: as text, as HTML, and the same facts in both."""

from __future__ import annotations

import html as entities
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.notebook.building import drawing, words
from labs.notebook.building.drawing import Shown
from labs.notebook.building.progress import CONTEXT, KEPT_LINES, OUTPUT, STEP, Progress, Step, expected
from tests.unit.notebook.test_pages import read

FILE = b"""ARG BASE=debian
FROM $BASE AS tools
RUN make \\
    tools
FROM $BASE AS unused
RUN make unused
FROM $BASE
COPY --from=tools /tools /
CMD ["sh"]
"""
IMAGE = "sha256:" + "1" * 64


def event(step: int, line: int, state: str, text: str, **more: Any) -> dict[str, Any]:
    facts = {
        "step": step, "total": 6, "stage": "tools" if line < 5 else "2", "text": text,
        "instruction": text.partition(" ")[0], "line": line, "end_line": line, "state": state,
        "reason": "", "detail": "", "seconds": 0.0, "size": 0, "layer": "", "image": "", "error": "", **more,
    }  # fmt: skip
    return {"id": STEP, "aux": facts}


FROM = event(2, 2, "done", "FROM $BASE AS tools", seconds=0.5)
RUNNING = event(3, 3, "running", "RUN make tools", end_line=4)
RUN = event(
    3,
    3,
    "done",
    "RUN make tools",
    end_line=4,
    reason="instruction",
    seconds=2.25,
    size=1500,
    layer="sha256:" + "a" * 64,
)
REST = [
    event(4, 7, "cached", "FROM $BASE", reason="same"),
    event(5, 8, "cached", "COPY --from=tools /tools /", reason="same", size=1500, layer="sha256:" + "b" * 64),
    event(6, 9, "done", 'CMD ["sh"]', reason="parent"),
]
MADE = [{"aux": {"ID": IMAGE}}, {"stream": "Successfully built 111111111111\n"}]
TAGGED = [{"stream": "Successfully tagged web:latest\n"}]


def fed(*said: dict[str, Any], ended: bool = True) -> Progress:
    progress = Progress(expected(FILE))
    for value in said:
        progress.feed(value)
    if ended:
        progress.end()
    return progress


def shown(progress: Progress) -> Shown:
    return Shown(
        title="web 만들기",
        file="web/Dockerfile",
        wrote="새로 썼어요",
        source=tuple(FILE.decode().splitlines()),
        build=progress.build,
        size=117_000_000,
    )


def states(progress: Progress) -> dict[int, str]:
    return {step.line: step.state for step in progress.build.steps}


# progress ------------------------------------------------------------------------------------------------------------
def test_all_steps_are_there_before_the_first_is_told() -> None:
    build = expected(FILE)
    assert [(step.line, step.end_line, step.stage, step.state) for step in build.steps][:3] == [
        (1, 1, "", "waiting"),
        (2, 2, "tools", "waiting"),
        (3, 4, "tools", "waiting"),
    ]
    assert build.stages == ("", "tools", "unused", "2")


def test_an_event_takes_the_place_of_the_step_that_waited() -> None:
    assert states(fed(FROM, RUNNING, ended=False)) == {
        1: "done", 2: "done", 3: "running", 5: "waiting", 6: "waiting", 7: "waiting", 8: "waiting", 9: "waiting"
    }  # fmt: skip
    progress = fed(FROM, RUNNING, RUN, ended=False)
    assert progress.build.steps[2].seconds == 2.25
    assert len(progress.build.steps) == 8


def test_triggers_of_a_base_image_stand_with_its_from() -> None:
    progress = fed(FROM, event(3, 2, "done", "RUN triggered"), event(4, 3, "running", "RUN make"), ended=False)
    assert [step.text for step in progress.build.steps][1:4] == ["FROM $BASE AS tools", "RUN triggered", "RUN make"]


def test_what_a_step_prints_is_its_own_and_the_classic_lines_are_nobodys() -> None:
    progress = fed(
        {"stream": "Step 2/6 : FROM $BASE AS tools\n"},
        FROM,
        {"stream": "Step 3/6 : RUN make tools\n"},
        RUNNING,
        {"stream": " ---> Running in 0123456789ab\n"},
        {"stream": "one\ntw"},
        {"stream": "o\n10%\r20%\r100%\n"},
        {"stream": "\x1b[91mwarning\n\x1b[0m"},
        {"stream": "no newline"},
        {"stream": "Removing intermediate container 0123456789ab\n"},
        RUN,
        {"stream": "[Warning] One or more build-args [A] were not consumed\n"},
        ended=False,
    )
    assert progress.build.steps[2].lines == ("one", "two", "100%", "warning", "no newline")
    assert progress.build.remarks == ("[Warning] One or more build-args [A] were not consumed",)


def test_lines_of_parallel_stages_say_whose_they_are() -> None:
    progress = fed(
        RUNNING,
        event(5, 8, "running", "COPY --from=tools /tools /"),
        {"stream": "of three\n", "id": OUTPUT, "aux": {"step": 3}},
        {"stream": "of five\n", "id": OUTPUT, "aux": {"step": 5}},
        ended=False,
    )
    assert [step.lines for step in progress.build.steps if step.lines] == [("of three",), ("of five",)]


def test_of_endless_output_the_end_is_kept() -> None:
    [step] = [step for step in fed(RUNNING, {"stream": "x\n" * 1000}).build.steps if step.lines]
    assert (len(step.lines), step.dropped) == (KEPT_LINES, 1000 - KEPT_LINES)


def test_a_pull_is_one_line_of_its_from() -> None:
    pulling = {"status": "Downloading", "id": "aa11", "progress": "[=>] 1MB/2MB", "progressDetail": {}}
    progress = fed(event(2, 2, "running", "FROM $BASE AS tools"), pulling, ended=False)
    assert progress.build.steps[1].pulling == "aa11 Downloading [=>] 1MB/2MB"
    progress.feed(FROM)
    assert progress.build.steps[1].pulling == ""


def test_how_much_was_sent() -> None:
    progress = fed({"id": CONTEXT, "aux": {"bytes": 3072}}, FROM, ended=False)
    assert progress.build.sent == 3072
    assert "보낸 컨텍스트 3.07kB" in drawing.as_html(shown(progress))
    assert "3.07kB" not in drawing.as_text(shown(progress))


def test_a_build_that_ends_well() -> None:
    progress = fed(FROM, RUN, *REST, *MADE, *TAGGED)
    build = progress.build
    assert (build.image, build.tags, build.code, build.over, build.total) == (IMAGE, ("web:latest",), 0, 6, 6)
    assert [step.step for step in build.steps] == [1, 2, 3, 0, 0, 4, 5, 6]
    assert {line: state for line, state in states(progress).items() if state == "skipped"} == {
        5: "skipped",
        6: "skipped",
    }


def test_a_build_that_fails_knows_where() -> None:
    error = {
        "errorDetail": {"code": 2, "message": "m", "line": 3},
        "error": "The command 'x' returned a non-zero code: 2",
    }
    progress = fed(FROM, RUNNING, event(3, 3, "failed", "RUN make tools", end_line=4), error)
    assert (progress.build.code, progress.build.error_line, progress.build.image) == (2, 3, "")
    assert states(progress)[8] == "left"


def test_a_file_that_cannot_be_read_knows_where() -> None:
    progress = Progress(expected(b"FROM debian\n\nRUNN make\n"))
    progress.refuse("dockerfile parse error line 3: unknown instruction: RUNN")
    progress.end()
    assert (progress.build.steps, progress.build.error_line) == ((), 3)


def test_a_build_that_was_left() -> None:
    progress = fed(FROM, RUNNING, ended=False)
    progress.refuse("멈췄어요", 130)
    progress.end()
    assert (states(progress)[3], progress.build.code) == ("stopped", 130)


@given(st.lists(st.dictionaries(st.sampled_from(["stream", "status", "error", "id", "aux"]), st.text()), max_size=5))
def test_values_that_say_nothing_are_passed_over(said: list[dict[str, Any]]) -> None:
    fed(*said)


# drawing -------------------------------------------------------------------------------------------------------------
def test_the_text_has_nothing_that_differs_from_run_to_run() -> None:
    progress = fed(FROM, RUNNING, {"stream": "noise\n"}, RUN, *REST, *MADE, *TAGGED)
    assert drawing.as_text(shown(progress)).splitlines() == [
        "web 만들기 · web/Dockerfile: 새로 썼어요.",
        "    1. ARG BASE=debian · 완료",
        "  스테이지(stage) tools",
        "    2. FROM $BASE AS tools · 완료 · 이미지를 받았어요",
        "    3. RUN make tools · 완료 · 이 줄로 만들어 둔 것이 없었어요",
        "  스테이지(stage) unused",
        f"    -. FROM $BASE AS unused · 건너뜀 · {words.NOT_NEEDED}",
        f"    -. RUN make unused · 건너뜀 · {words.NOT_NEEDED}",
        "  스테이지(stage) 2",
        "    4. FROM $BASE · 캐시 · 이미 있는 이미지예요",
        "    5. COPY --from=tools /tools / · 캐시 · 앞 단계와 이 줄이 그대로예요",
        '    6. CMD ["sh"] · 완료 · 앞 단계가 새로 만들어졌어요',
        "  이미지를 만들었어요: web:latest",
    ]  # fmt: skip


def test_one_stage_has_no_heading() -> None:
    progress = Progress(expected(b"FROM debian\nRUN make\n"))
    assert "스테이지" not in drawing.as_text(shown(progress))
    assert "스테이지" not in drawing.as_html(shown(progress))


def failed() -> Shown:
    said = [{"stream": f"line {number}\n"} for number in range(30)]
    error = {"errorDetail": {"code": 2}, "error": "The command '/bin/sh -c make' returned a non-zero code: 2"}
    return shown(fed(FROM, RUNNING, *said, event(3, 3, "failed", "RUN make tools", end_line=4), error))


def test_a_failure_shows_its_last_lines_and_its_place() -> None:
    lines = drawing.as_text(failed()).splitlines()
    assert [line.strip() for line in lines if line.strip().startswith("line ")] == [
        f"line {at}" for at in range(20, 30)
    ]
    at = lines.index("  실패: web/Dockerfile의 3번째 줄 (이 셀의 4번째 줄)")
    assert lines[at + 1 : at + 3] == [
        "    RUN make \\",
        "  The command '/bin/sh -c make' returned a non-zero code: 2",
    ]


def test_a_base_image_that_cannot_be_had_has_a_stand_in() -> None:
    refused = 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host'
    progress = Progress(expected(b"FROM --platform=linux/amd64 ubuntu:bionic AS x\n"))
    progress.feed(event(1, 1, "failed", "FROM --platform=linux/amd64 ubuntu:bionic AS x"))
    progress.feed({"error": refused})
    assert "ubuntu:bionic 이미지를 받지 못했어요" in drawing.as_text(shown(progress))
    assert "FROM debian:bookworm" in drawing.as_text(shown(progress))
    assert "ubuntu:bionic 이미지를 받지 못했어요" in drawing.as_html(shown(progress))


@pytest.mark.parametrize("outputs", [True, False])
def test_the_picture_says_what_the_text_says(outputs: bool) -> None:
    for one in (failed(), shown(fed(FROM, RUN, *REST, *MADE, *TAGGED))):
        html = drawing.as_html(one, outputs=outputs)
        told = entities.unescape(re.sub(r"<[^>]*>", " ", html))
        for step in one.build.steps:
            for fact in (step.text, words.STATES[step.state], drawing.why(step), *step.lines[-drawing.TAIL :]):
                assert fact in told, fact
        assert " ".join(drawing.place_of(one)).strip() in " ".join(told.split()) or not one.build.error


def test_only_the_live_picture_holds_what_may_differ() -> None:
    one = shown(fed(FROM, RUNNING, {"stream": "Get:1 at 3kB/s\n"}, RUN, *REST, *MADE, *TAGGED))
    assert "Get:1" in drawing.as_html(one)
    assert "Get:1" not in drawing.as_html(one, outputs=False)


def test_a_layer_is_a_sheet_with_its_size() -> None:
    html = drawing.as_html(shown(fed(FROM, RUN, *REST, *MADE)))
    assert html.count("1.5kB") == 2
    assert "2.2초" in html and "0.50초" in html
    assert "117MB · 111111111111" in html


def test_what_runs_is_unfolded_and_ticks() -> None:
    html = drawing.as_html(shown(fed(FROM, RUNNING, {"stream": "hello\n"}, ended=False)))
    assert re.search(r'<details data-fold="3 running" open>.*hello', html, re.DOTALL)
    assert 'data-ticking="0.0"' in html
    done = drawing.as_html(shown(fed(FROM, RUNNING, {"stream": "hello\n"}, RUN)))
    assert '<details data-fold="3 done"><summary' in done


@given(st.text(), st.sampled_from(sorted(words.STATES)))
def test_text_from_outside_stays_text(text: str, state: str) -> None:
    step = Step(
        step=1, stage=text, instruction="RUN", text=text, line=1, end_line=1, state=state, detail=text, reason="files",
        lines=(text,), pulling=text,
    )  # fmt: skip
    progress = Progress()
    progress.build = type(progress.build)(steps=(step,), error=text, remarks=(text,), tags=(text,), error_line=1)
    html = drawing.as_html(shown(progress))
    tags = {tag for tag, _ in read(html).seen}
    assert tags <= {
        *("h4", "h5", "ol", "li", "p", "div", "svg", "circle", "path", "rect", "span", "b", "small", "code", "pre"),
        *("details", "summary", "button"),
    }
