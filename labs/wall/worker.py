"""The room's single-threaded process: runs cells one after another in one namespace, and survives what they do to it.

All that it needs later is loaded before the first cell: after a pivot_root its Python is out of reach. A child that a
cell forks and does not end ends with the cell.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import os
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kernel_engine.syscalls import bpf, cgroupfs, files, libc, mounts, netlink, nfnetlink, process, trace
from labs.wall import words

#: what cells of any lab may want after a pivot_root has taken the library away
PRELOADED = (bpf, cgroupfs, files, libc, mounts, netlink, nfnetlink, process, subprocess)
INTERRUPTED = 130
NAME = "wall-worker"


class Worker:
    """`cells` and `sources` hold the lines of cells and of modules by file name: what a traceback and `show_source`
    need."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._count = 0
        self._in_child = False
        self._lines: dict[str, list[str]] = {}
        self.namespace: dict[str, Any] = {"__name__": "__wall__", "show_source": self.show_source}
        for module in PRELOADED:
            if module.__file__:
                self._lines[module.__file__] = Path(module.__file__).read_text(encoding="utf-8").splitlines(True)
        os.register_at_fork(after_in_child=self._becomes_a_child)

    def serve(self) -> None:
        """Runs what comes until nobody speaks any more."""
        with self._control.makefile("rb") as requests:
            for line in requests:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                code, steps = self.run(json.loads(line)["run"])
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                answer = {"done": code, "steps": [_as_the_api_shows(step) for step in steps]}
                self._control.sendall(json.dumps(answer).encode() + b"\n")

    def run(self, source: str) -> tuple[int, Sequence[trace.Step]]:
        """The cell's code (0, 1 for an error, 130 for an interrupt) and the kernel calls that it made."""
        self._count += 1
        name = f"<cell {self._count}>"
        self._lines[name] = source.splitlines(True)
        record = trace.Trace("worker")
        code = 0
        try:
            with trace.recording(record):
                self._execute(source, name)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one is for this cell, too
            code = INTERRUPTED
            self._tell(words.STOPPED)
        except SystemExit as error:
            code = _exit_code(error.code)
        except BaseException as error:
            code = 1
            self._tell(words.failure(error, self._lines, name, record.steps))
        if self._in_child:
            self._leave(code)
        return code, record.steps

    def show_source(self, thing: Any) -> None:
        """Prints the source of a function or class of the engine, or of a cell, and where it stands."""
        thing = inspect.unwrap(thing)
        file, lines = self._source(thing)
        print(f"# {_short(file)}\n{''.join(lines).rstrip()}")

    def _source(self, thing: Any) -> tuple[str, list[str]]:
        code = getattr(thing, "__code__", None)
        if isinstance(code, types.CodeType):
            file, first = code.co_filename, code.co_firstlineno
        else:
            file = str(getattr(sys.modules.get(getattr(thing, "__module__", "")), "__file__", ""))
            heads = (
                at for at, line in enumerate(self._lines.get(file, ()), 1) if line.startswith(f"class {thing.__name__}")
            )
            first = next(heads, 0)
        if not first or file not in self._lines:
            raise TypeError(f"no source of {thing!r}: it is not written in Python, or not of the engine")
        return file, inspect.getblock(self._lines[file][first - 1 :])

    def _execute(self, source: str, name: str) -> None:
        tree = ast.parse(source, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec", dont_inherit=True), self.namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), self.namespace)
            if value is not None:
                print(repr(value))

    def _becomes_a_child(self) -> None:
        if self._in_child:
            return
        self._in_child = True
        os.close(self._control.detach())  # its end tells the room that this worker has become another program

    def _tell(self, text: str) -> None:
        print(text)

    def _leave(self, code: int) -> None:
        sys.stdout.flush()
        os._exit(code)


def live(control: socket.socket, output: int) -> None:
    """A forked process becomes the worker: no input, `output` for what it prints, a group of its own for signals."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process.set_name(NAME)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = sys.stderr = io.TextIOWrapper(
        io.FileIO(1, "w", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    Worker(control).serve()


def _exit_code(given: object) -> int:
    return given & 0xFF if isinstance(given, int) else int(given is not None)


def _as_the_api_shows(step: trace.Step) -> dict[str, Any]:
    """As a step of GET /kernel-engine/containers/{id}/trace."""
    return {name.title(): value for name, value in step._asdict().items()}


def _short(file: str) -> str:
    at = file.rfind("kernel_engine/")
    return file[at:] if at >= 0 else file
