"""`kernel-engine forkserver`: one loaded interpreter, from which many short-lived engines are forked.

Importing the engine takes longer than starting one. Whoever starts many after another (a grader, one for each
submission) asks here instead of running `kernel-engine serve` and `cleanup` each time. Each is a process of its own
with nothing of the others in it: they share the code's pages and nothing else.

Lines of JSON on stdin, in any order:

    {"id": 1, "words": ["serve", "--root", …], "log": "/path", "network": "/proc/PID/ns/net"}   log: of stdout, stderr
    {"id": 1, "signal": 15}

and on stdout `{"id": 1, "code": 0}` when it has ended (minus the signal's number for one that was killed). Those that
are still there when stdin ends get SIGTERM, and the server ends with the last of them.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kernel_engine.errors import InvalidRequest
from kernel_engine.syscalls.process import CloneFlag, setns

_PIECE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Child:
    id: int
    pid: int
    pidfd: int


def forkserver() -> int:
    """Until stdin has ended, and with it all that was forked."""
    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; whoever holds the other end of stdin decides
    return _Server().run()


def _load() -> None:
    """All that engines import, while there is one thread; what is there now is never looked through for garbage
    again, so that its pages stay shared (gc.freeze)."""
    from kernel_engine.daemon import cleanup, serve

    del cleanup, serve
    gc.collect()
    gc.freeze()


class _Server:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, _Child] = {}
        self._heard = b""
        self._open = True

    def run(self) -> int:
        self._selector.register(0, selectors.EVENT_READ)
        while self._open or self._children:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    self._hear()
                else:
                    self._reap(key.data)
        return 0

    def _hear(self) -> None:
        piece = os.read(0, _PIECE)
        if not piece:
            self._selector.unregister(0)
            self._open = False
            for child in self._children.values():
                signal.pidfd_send_signal(child.pidfd, signal.SIGTERM)
            return
        *lines, self._heard = (self._heard + piece).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        if "signal" in order:
            if child := self._children.get(order["id"]):
                signal.pidfd_send_signal(child.pidfd, order["signal"])
            return
        if order["id"] in self._children:
            raise InvalidRequest(f"there is a process {order['id']} already")
        pid = os.fork()
        if pid == 0:
            self._live(order)
        child = _Child(id=order["id"], pid=pid, pidfd=os.pidfd_open(pid))
        self._children[child.id] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, child)

    def _reap(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        self._selector.unregister(child.pidfd)
        os.close(child.pidfd)
        del self._children[child.id]
        told = {"id": child.id, "code": os.waitstatus_to_exitcode(status)}
        with suppress(BrokenPipeError):  # whoever asked is gone
            os.write(1, json.dumps(told).encode() + b"\n")

    def _live(self, order: dict[str, Any]) -> None:
        """The child's whole life: nothing of the server stays open in it."""
        code = 1
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._selector.close()
            for child in self._children.values():
                os.close(child.pidfd)
            _take_streams(order["log"])
            if network := order.get("network"):
                _enter(network)
            code = _main(order["words"])
        except SystemExit as error:  # argparse, of words that mean nothing
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:  # the child must never come back into the server's loop
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _take_streams(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for number, descriptor in enumerate((null, written, written)):
        os.dup2(descriptor, number)
    os.close(null)
    os.close(written)


def _enter(network: str) -> None:
    descriptor = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    setns(descriptor, CloneFlag.CLONE_NEWNET)
    os.close(descriptor)


def _main(words: list[str]) -> int:
    from kernel_engine.daemon.__main__ import main

    return main(words)
