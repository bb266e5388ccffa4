"""A cell that prints without end is stopped where it prints, once, and the next one prints again."""

from __future__ import annotations

import threading

import pytest

from labs.notebook.replaying import MOST, Meter, Stopped
from labs.replayed import CELL_BYTES


def test_what_a_grader_keeps_is_printed_and_a_little_more() -> None:
    printed: list[str] = []
    write = Meter().metered(printed.append)
    write("x" * CELL_BYTES)
    write("y")
    assert "".join(printed) == "x" * CELL_BYTES + "y"
    assert MOST > CELL_BYTES


def test_then_the_cell_is_stopped_once_on_all_its_streams() -> None:
    printed: list[str] = []
    meter = Meter()
    out, err = meter.metered(printed.append), meter.metered(printed.append)
    out("x" * MOST)
    with pytest.raises(KeyboardInterrupt):
        err("y")
    assert err("y") == 1 and out("zz") == 2
    assert printed == ["x" * MOST]
    meter.begin()
    out("again")
    assert printed[1:] == ["again"]
    with pytest.raises(Stopped):
        out("x" * MOST)


def test_what_another_thread_prints_goes_nowhere_and_leaves_the_interrupt_to_the_cell() -> None:
    printed: list[str] = []
    meter = Meter()
    write = meter.metered(printed.append)
    write("x" * MOST)
    said: list[object] = []
    thread = threading.Thread(target=lambda: said.append(write("y")))
    thread.start()
    thread.join()
    assert said == [1] and len(printed) == 1
    with pytest.raises(Stopped):
        write("y")
