"""The live bars of a cell: what messages come to, and what is drawn of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from labs.notebook.bars import picture
from labs.notebook.bars.page import Page
from labs.notebook.bars.rows import DONE, FAILED, WAITING, WORKING, Bars, Reader, Row


def after(*messages: Mapping[str, Any]) -> Bars:
    reader = Reader()
    for message in messages:
        reader.feed(message)
    assert reader.bars is not None
    return reader.bars


def layer(name: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current, "total": total} if total else {}
    return {"id": name, "status": status, "progressDetail": detail}


PULLING = {"id": "bookworm", "status": "Pulling from library/debian"}


def test_a_pull_has_a_row_for_each_layer() -> None:
    bars = after(
        PULLING,
        layer("a", "Pulling fs layer"),
        layer("b", "Pulling fs layer"),
        layer("c", "Already exists"),
        layer("a", "Downloading", 30, 60),
        {"status": "Digest: sha256:1"},
    )
    assert bars.title == "library/debian:bookworm 받기"
    assert [(row.name, row.state, row.share) for row in bars.rows] == [
        ("a", WORKING, 0.5),
        ("b", WAITING, 0.0),
        ("c", DONE, 1.0),
    ]
    assert (bars.done, bars.count) == (1, 3)


def test_the_next_pull_begins_anew() -> None:
    bars = after(PULLING, layer("a", "Pull complete"), {"id": "3", "status": "Pulling from library/redis"})
    assert (bars.title, bars.rows) == ("library/redis:3 받기", ())


def test_a_push() -> None:
    bars = after(
        {"status": "The push refers to repository [127.0.0.1:5000/wiki]"},
        layer("a", "Preparing"),
        layer("a", "Pushing", 5, 10),
        layer("b", "Layer already exists"),
        layer("c", "Mounted from library/debian"),
    )
    assert bars.title == "127.0.0.1:5000/wiki 올리기"
    assert [row.state for row in bars.rows] == [WORKING, DONE, DONE]


def step(number: int, state: str, text: str = "RUN make", total: int = 3) -> dict[str, Any]:
    return {"id": "kernel-engine.step", "aux": {"step": number, "state": state, "text": text, "total": total}}


def test_a_build_counts_its_steps_and_a_base_image_is_the_steps() -> None:
    bars = after(
        step(1, "running", "FROM debian"), PULLING, layer("a", "Downloading", 1, 2), step(1, "done", "FROM debian"),
        step(2, "running"),
    )  # fmt: skip
    assert [(row.name, row.state) for row in bars.rows] == [("1. FROM debian", DONE), ("2. RUN make", WORKING)]
    assert (bars.done, bars.count) == (1, 3)


def test_a_base_image_that_is_pulled_is_told_of_in_its_step() -> None:
    bars = after(step(1, "running", "FROM debian"), PULLING, layer("a", "Downloading", 1, 2))
    assert [(row.name, row.text) for row in bars.rows] == [("1. FROM debian", "a Downloading")]


def test_services() -> None:
    bars = after(
        {"service": "Container web-1", "text": "Creating", "state": "working"},
        {"service": "Container db-1", "text": "Error", "state": "error"},
        {"service": "Container web-1", "text": "Started", "state": "done"},
    )
    assert [(row.name, row.text, row.state) for row in bars.rows] == [
        ("Container web-1", "Started", DONE),
        ("Container db-1", "Error", FAILED),
    ]


@pytest.mark.parametrize("strange", [{}, {"id": 3}, {"status": None}, {"id": "kernel-engine.step"}, {"stream": "x"}])
def test_what_is_not_understood_is_passed_over(strange: dict[str, Any]) -> None:
    reader = Reader()
    reader.feed(strange)
    assert reader.bars is None


def test_the_picture_escapes_and_says_how_far() -> None:
    drawn = picture.as_html(
        Bars(title="<x>", rows=(Row(name="<a>", text="받고 있어요", state=WORKING, current=500_000, total=1_000_000),))
    )
    assert "<x>" not in drawn and "&lt;a&gt;" in drawn
    assert 'aria-valuenow="50"' in drawn and "500kB / 1MB" in drawn


def test_of_many_rows_those_at_work_are_shown() -> None:
    rows = [Row(name=f"r{number}", text="", state=DONE if number != 30 else WORKING) for number in range(40)]
    drawn = picture.as_html(Bars(title="t", rows=tuple(rows)))
    assert ">r30<" in drawn and "그 밖에 28개" in drawn


TELL = "import sys; from kernel_engine.cli.cell import tell; tell({'service': 'web', 'text': '안녕', 'state': 'done'})"


def test_a_command_tells_the_cell_through_the_pipe() -> None:
    with Page() as page:
        environment = {**os.environ, **page.environment}
        subprocess.run([sys.executable, "-c", TELL], pass_fds=page.inherited, env=environment, check=True)
        assert json.loads(os.read(page.told, 4096)) == {"service": "web", "text": "안녕", "state": "done"}


def test_a_descriptor_that_is_another_file_is_left_alone(tmp_path: Any) -> None:
    """A script has closed the pipe and opened a file of its own in its place."""
    with Page() as page, (tmp_path / "file").open("w") as file:
        number = page.environment["DOCKER_LABS_PROGRESS"].partition(":")[2]
        environment = {**os.environ, "DOCKER_LABS_PROGRESS": f"{file.fileno()}:{number}"}
        subprocess.run([sys.executable, "-c", TELL], pass_fds=(file.fileno(),), env=environment, check=True)
        assert (tmp_path / "file").read_text() == ""


def test_a_full_pipe_holds_no_command_up() -> None:
    with Page() as page:
        while True:
            try:
                os.write(page.inherited[0], b"x" * 4096)
            except BlockingIOError:
                break
        environment = {**os.environ, **page.environment}
        subprocess.run([sys.executable, "-c", TELL], pass_fds=page.inherited, env=environment, check=True, timeout=60)
