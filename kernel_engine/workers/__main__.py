"""`python -I -m kernel_engine.workers DAEMON MODULE…`: loads the modules, then forks a child for every job.

One socket on stdin: orders come in, and where it closes, everything ends. A child reads its order from a socket of its
own and answers there. Single-threaded, so that a fork is safe; a daemon that is killed is followed at once.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kernel_engine import errors
from kernel_engine.syscalls.process import Prctl, prctl, set_name
from kernel_engine.syscalls.trace import Trace, recording

_DESCRIPTORS = 16


def main() -> int:
    daemon, *modules = sys.argv[1:]
    live(int(daemon), modules)
    return 0


def live(daemon: int, modules: Iterable[str]) -> None:
    """Its whole life. `daemon` is the parent's pid."""
    _follow(daemon)
    for module in modules:
        importlib.import_module(module)
    set_name("ke-workers")
    gc.collect()
    gc.freeze()  # what is loaded stays shared with the children
    with socket.socket(fileno=os.dup(0)) as control:
        _empty_stdin()
        _serve(control)


def _empty_stdin() -> None:
    """So that no job holds the control socket: with this process's end it has to break, or a daemon would still send
    an order there between the end of this process and that of its last job."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)


def _serve(control: socket.socket) -> None:
    children: dict[int, int] = {}  # number of the job → pid
    ended, say_ended = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(say_ended, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([control.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _reap(children)
        if control.fileno() in ready:
            data, descriptors, _, _ = socket.recv_fds(control, 1 << 16, _DESCRIPTORS)
            if not data:
                return
            message = json.loads(data)
            if "kill" in message:
                if (pid := children.get(message["kill"])) is not None:
                    os.kill(pid, signal.SIGKILL)
                continue
            children[message["number"]] = _fork(message["job"], descriptors, control)
            for descriptor in descriptors:
                os.close(descriptor)


def _reap(children: dict[int, int]) -> None:
    for number, pid in tuple(children.items()):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del children[number]


def _fork(job: str, descriptors: list[int], control: socket.socket) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        _follow(parent)
        status = _child(job, descriptors)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _follow(parent: int) -> None:
    """Ends with its parent, so that nothing writes where a new daemon has swept."""
    prctl(Prctl.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _child(job: str, descriptors: list[int]) -> int:
    module, _, name = job.partition(":")
    with socket.socket(fileno=descriptors[0]) as line, line.makefile("rwb") as stream:

        def say(words: dict[str, Any]) -> None:
            stream.write(json.dumps(words).encode() + b"\n")
            stream.flush()

        order = json.loads(stream.readline())
        lines = _lines(stream)
        function: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
        trace = Trace("worker")
        try:
            try:
                with recording(trace):
                    done = function({**order, "lines": lines}, descriptors[1:], say)
            finally:  # closing with something unread breaks what the daemon still writes, and loses the answer
                for _ in lines:
                    pass
        except errors.EngineError as error:
            say({"error": {"kind": type(error).__name__, "message": error.message}, "trace": trace.steps})
        except OSError as error:
            path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
            words = {"kind": "OSError", "message": os.strerror(error.errno or 0), "errno": error.errno, "path": path}
            say({"error": words, "trace": trace.steps})
        except Exception as error:  # a mistake of ours: told, and its traceback goes to the daemon's log
            say({"error": {"kind": "EngineError", "message": f"{type(error).__name__}: {error}"}})
            raise
        else:
            say({"done": done, "trace": trace.steps})
            return 0
    return 1


def _lines(stream: io.BufferedRWPair) -> Iterator[Any]:
    """What follows the order, to the empty line."""
    while line := stream.readline().strip():
        yield json.loads(line)


if __name__ == "__main__":
    sys.exit(main())
