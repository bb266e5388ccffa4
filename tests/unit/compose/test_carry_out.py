"""Steps in order, side by side, and what becomes of them when one fails."""

from __future__ import annotations

import threading
import time

import pytest

from kernel_engine.compose.converge.carry_out import Halt, Stopped, carry_out
from kernel_engine.compose.converge.plan import Step


def step(name: str, *after: int) -> Step:
    return Step(what="keep", name=name, after=after)


def test_each_comes_after_those_that_it_names() -> None:
    done: list[str] = []
    carry_out([step("a", 1), step("b"), step("c", 0, 1)], lambda item: done.append(item.name))
    assert done == ["b", "a", "c"]


def test_what_waits_for_nothing_runs_at_once() -> None:
    together = threading.Barrier(8, timeout=5)
    carry_out([step(str(number)) for number in range(8)], lambda item: together.wait() and None)


def test_no_more_at_once_than_asked_for() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def do(item: Step) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    carry_out([step(str(number)) for number in range(9)], do, parallel=2)
    assert most == 2


def test_a_failure_ends_the_plan_and_what_runs_is_waited_for() -> None:
    done: list[str] = []

    def do(item: Step) -> None:
        if item.name == "bad":
            raise ValueError("bad")
        time.sleep(0.02)
        done.append(item.name)

    with pytest.raises(ValueError, match="bad"):
        carry_out([step("bad"), step("beside"), step("after", 0), step("later", 1)], do)
    assert done == ["beside"]


def test_who_waits_is_told_and_the_first_failure_is_the_one_raised() -> None:
    halt, called = Halt(), threading.Event()
    halt.on_call(called.set)

    def do(item: Step) -> None:
        if item.name == "bad":
            raise ValueError("bad")
        called.wait(5)
        raise Stopped

    with pytest.raises(ValueError, match="bad"):
        carry_out([step("waits"), step("bad")], do, halt=halt)
    assert halt.called


def test_no_steps() -> None:
    carry_out([], lambda item: None)
