"""The trace: what was asked of the kernel, in order. Every call passes through `libc.call`, which records here.

A recording is the current one for one task or thread (a context variable), so that two starts in one daemon do not
mix. Recording costs a few microseconds a step; without a current trace it costs one look-up.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import NamedTuple, overload


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


#: what is written down of a call while it is made, as raw as it is at hand: name, arguments, result (a number, or a
#: word), ok, started, duration, file and line of who asked
Row = tuple[str, str, int | str, bool, int, int, str, int]


class Packed(NamedTuple):
    """Rows of one process, made into steps when somebody reads them. As bytes they are in Python's marshal format: a
    child of ours sends them before its execve, whom JSON would cost four times as much."""

    process: str
    pid: int
    rows: bytes | Sequence[Row]

    def unpacked(self) -> tuple[Step, ...]:
        rows: Sequence[Row] = marshal.loads(self.rows) if isinstance(self.rows, bytes) else self.rows
        return tuple(
            Step(self.process, name, arguments, str(result), ok, started, duration, self.pid, _source(file, line))
            for name, arguments, result, ok, started, duration, file, line in rows
        )


class Steps(Sequence[Step]):
    """Parts of a trace, each of one process, in the order of time. What is packed stays so until it is looked at: most
    traces never are."""

    __slots__ = ("_read", "parts")

    def __init__(self, *parts: Iterable[Step] | Packed) -> None:
        self.parts = parts
        self._read: tuple[Step, ...] | None = None

    @property
    def read(self) -> tuple[Step, ...]:
        if self._read is None:
            found = [step for part in self.parts for step in (part.unpacked() if isinstance(part, Packed) else part)]
            self._read = tuple(sorted(found, key=lambda step: step.started))
            self.parts = (self._read,)
        return self._read

    @overload
    def __getitem__(self, at: int) -> Step: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Step, ...]: ...
    def __getitem__(self, at: int | slice) -> Step | tuple[Step, ...]:
        return self.read[at]

    def __len__(self) -> int:
        return len(self.read)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.read)


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
    may outlive it. `adopted`: parts that were recorded elsewhere.
    """

    __slots__ = ("adopted", "before", "closed", "pid", "process", "rows")

    def __init__(self, process: str, pid: int | None = None) -> None:
        self.process = process
        self.pid = os.getpid() if pid is None else pid
        self.rows: list[Row] = []
        self.before: Callable[[str, str, str], None] | None = None
        self.closed = False
        self.adopted: list[Iterable[Step]] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.own.unpacked()

    @property
    def own(self) -> Packed:
        return Packed(self.process, self.pid, self.rows)

    @property
    def whole(self) -> Steps:
        """With what was adopted."""
        return Steps(self.own, *self.adopted)

    def packed(self, first: int = 0) -> bytes:
        """The rows from `first` on."""
        return marshal.dumps(self.rows[first:])

    def add(self, name: str, arguments: str, result: int | str, ok: bool, started: int, frame: FrameType) -> None:
        """frame: of who asked. Costs about a microsecond."""
        if self.closed:
            return
        took, code = time.monotonic_ns() - started, frame.f_code
        self.rows.append((name, arguments, result, ok, started, took, code.co_filename, frame.f_lineno))


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    return _current.get()


def adopt(steps: Iterable[Step]) -> None:
    """Steps that were recorded elsewhere (another process, a trace of its own) belong to the current trace as well."""
    trace = _current.get()
    if trace is not None and not trace.closed:
        trace.adopted.append(steps)


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
    return _source(frame.f_code.co_filename, frame.f_lineno)


def source_of(function: Callable[..., object]) -> str:
    """Where a function begins, in the same form."""
    code: CodeType = function.__code__
    return _source(code.co_filename, code.co_firstlineno)


def _source(path: str, line: int) -> str:
    at = path.rfind("kernel_engine/")
    return f"{path[at:] if at >= 0 else os.path.basename(path)}:{line}"
