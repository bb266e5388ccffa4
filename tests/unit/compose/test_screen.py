"""How compose shows what it does and what containers print."""

from __future__ import annotations

import io
import re

import pytest

from kernel_engine.compose.progress import DONE, ERROR, Calm, Live, Plain
from kernel_engine.compose.screen import Lines, Printer


def test_one_line_a_state() -> None:
    out = io.StringIO()
    display = Plain(out)
    display.show("Container web-1", "Creating")
    display.show("Container web-1", "Created", DONE)
    assert out.getvalue() == " Container web-1  Creating\n Container web-1  Created\n"


def test_a_cell_shows_what_has_come_of_it_in_the_order_of_the_plan() -> None:
    out = io.StringIO()
    with Calm(out) as display:
        display.expect(["a", "b", "a"])
        display.show("b", "Starting")
        display.show("b", "Started", DONE)
        assert out.getvalue() == ""
        display.show("a", "Started", DONE)
        display.show("a", "Healthy", DONE)
    assert out.getvalue() == " a  Started\n b  Started\n a  Healthy\n"


def test_a_cell_says_at_the_end_what_a_failure_held_back() -> None:
    out = io.StringIO()
    with Calm(out) as display:
        display.expect(["a", "b", "c"])
        display.show("c", "Started", DONE)
        display.show("b", "Error response from daemon: no", ERROR)
    assert out.getvalue() == " c  Started\n b  Error\n"


def test_a_terminal_draws_its_lines_anew() -> None:
    out = io.StringIO()
    with Live(out, "Running", coloured=False) as display:
        display.show("Container web-1", "Creating")
        display.show("Container db-1", "Creating")
        display.show("Container web-1", "Created", DONE)
        display.show("Container db-1", "Created", DONE)
    last = re.split(r"\x1b\[\d+A", out.getvalue())[-1].replace("\x1b[2K", "").replace("\x1b[J", "")
    lines = [re.sub(r"\s+\d\.\ds $", "", line) for line in last.splitlines()]
    assert lines == ["[+] Running 2/2", " ✔ Container web-1  Created", " ✔ Container db-1   Created"]
    assert out.getvalue().count("\x1b[3A") >= 2  # the heading and both lines


def test_heads_are_as_wide_as_the_longest_name(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(coloured=False)
    printer.register(["db-1", "web-10"])
    printer.say("db-1", "ready")
    printer.say("web-10", "oops", error=True)
    printer.tell("db-1", "exited with code 0")
    assert capsys.readouterr() == ("db-1    | ready\ndb-1 exited with code 0\n", "web-10  | oops\n")


def test_every_container_has_a_colour(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(coloured=True)
    printer.say("a", "1")
    printer.say("b", "2")
    assert capsys.readouterr().out == "\x1b[36ma  | \x1b[0m1\n\x1b[33mb  | \x1b[0m2\n"


def test_lines_are_whole_and_the_last_one_comes_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Printer(coloured=False, prefixed=False), "a")
    lines.feed(1, "안".encode()[:2])
    lines.feed(1, "안".encode()[2:] + b"\r\nrest")
    lines.feed(2, b"error\n")
    assert capsys.readouterr() == ("안\n", "error\n")
    lines.close()
    assert capsys.readouterr().out == "rest\n"
