"""The trace: what was asked of the kernel, in order. Every call passes through `libc.call`, which records here.

A recording is the current one for one task or thread (a context variable), so that two starts in one daemon do not
mix. Recording costs a few microseconds a step; without a current trace it costs one look-up.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType
from typing import NamedTuple


class Step(NamedTuple):
    """One kernel call, cgroup write, netlink message or exec."""

    process: str  #: "daemon" | "launcher" | "child"
    name: str  #: as the man page names it: "unshare", "mount", "write", "netlink RTM_NEWLINK"
    arguments: str  #: readable, symbolic: "CLONE_NEWNS|CLONE_NEWUTS"; never secret values
    result: str  #: "0", a descriptor, a pid, or the errno's name: "EPERM"
    ok: bool
    started: int  #: CLOCK_MONOTONIC, nanoseconds: comparable between processes of one machine
    duration: int  #: nanoseconds
    pid: int  #: as the host numbers it
    source: str  #: "kernel_engine/runtime/rootfs.py:123", the line that asked


class Call(NamedTuple):
    """A kernel call that has not been made yet; the fields are those of `Step`."""

    process: str
    name: str
    arguments: str
    source: str


class Trace:
    """The steps of one operation in one process.

    `before`, where it is set, is called ahead of each call with its name, its arguments and the line that asks: there a
    start that is looked at step by step waits. One that is `closed` takes no more steps: work that an operation began
    may outlive it.
    """

    __slots__ = ("before", "closed", "pid", "process", "steps")

    def __init__(self, process: str, pid: int | None = None) -> None:
        self.process = process
        self.pid = os.getpid() if pid is None else pid
        self.steps: list[Step] = []
        self.before: Callable[[str, str, str], None] | None = None
        self.closed = False

    def add(self, name: str, arguments: str, result: str, *, ok: bool, started: int, source: str) -> None:
        if self.closed:
            return
        now = time.monotonic_ns()
        self.steps.append(Step(self.process, name, arguments, result, ok, started, now - started, self.pid, source))


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    return _current.get()


def adopt(steps: Iterable[Step]) -> None:
    """Steps that were recorded elsewhere (another process, a trace of its own) belong to the current trace as well."""
    trace = _current.get()
    if trace is not None and not trace.closed:
        trace.steps.extend(steps)


@contextmanager
def recording(trace: Trace) -> Iterator[Trace]:
    """Makes `trace` the current one inside the block."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def source_line(depth: int) -> str:
    """The line `depth` frames up, beginning at `kernel_engine/` (or the file's own name elsewhere)."""
    frame = sys._getframe(depth)
    return f"{_place(frame.f_code)}:{frame.f_lineno}"


def source_of(function: Callable[..., object]) -> str:
    """Where a function begins, in the same form."""
    code: CodeType = function.__code__
    return f"{_place(code)}:{code.co_firstlineno}"


def _place(code: CodeType) -> str:
    path = code.co_filename
    at = path.rfind("kernel_engine/")
    return path[at:] if at >= 0 else os.path.basename(path)
