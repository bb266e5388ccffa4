"""`kernel-engine forkserver`: one loaded interpreter, from which many short-lived engines are forked.

Importing the engine takes longer than starting one. Whoever starts many after another (a grader, one for each
submission) asks here instead of running `kernel-engine serve` and `cleanup` each time. Each is a process of its own
with nothing of the others in it: they share the code's pages and nothing else.

It also brings processes into running containers that are forked from a loaded interpreter of their own (`template`):
one for each function that they call.

Lines of JSON on stdin, in any order:

    {"id": 1, "words": ["serve", "--root", …], "log": "/path", "network": "/proc/PID/ns/net"}   log: of stdout, stderr
    {"id": 2, "enter": PID, "template": "module:name", "words": […], "environment": {…}, "folder": "/"}
    {"template": "module:name"}                                       it will be asked for: loads it meanwhile
    {"id": 1, "signal": 15}

(PID: the container's first process) and on stdout `{"id": 1, "code": 0}` when it has ended (minus the signal's number
for one that was killed); with `said`, the end of what a process in a container printed, or why it did not come in
(`"refused": true`). Those that are still there when stdin ends get SIGTERM, those in containers are killed, and the
server ends with the last of them.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import selectors
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernel_engine.errors import EngineError, InvalidRequest
from kernel_engine.syscalls.process import CloneFlag, setns

if TYPE_CHECKING:
    from kernel_engine.runtime.bringing import Template

_PIECE = 1 << 16
#: of what a process in a container printed
_KEPT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Child:
    id: int
    pid: int
    pidfd: int


@dataclass(slots=True, kw_only=True)
class _Guest:
    """A process in a container: a fork of a template."""

    id: int
    template: Template
    output: int
    said: bytes = b""


def forkserver() -> int:
    """Until stdin has ended, and with it all that was forked."""
    _allow_many_files()
    if os.geteuid() == 0:
        from kernel_engine.runtime.seal import run_sealed

        run_sealed()  # as a launcher must, which engines fork from themselves
    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; whoever holds the other end of stdin decides
    return _Server().run()


def _allow_many_files() -> None:
    """As an engine does for itself, and before anything here takes note of the limit as that of containers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _load() -> None:
    """All that engines import, while there is one thread; what is there now is never looked through for garbage
    again, so that its pages stay shared (gc.freeze)."""
    from kernel_engine.daemon import cleanup, preforked, serve
    from kernel_engine.runtime import bringing

    preforked.load()
    del bringing, cleanup, serve
    gc.collect()
    gc.freeze()


class _Server:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, _Child] = {}
        self._guests: dict[int, _Guest] = {}
        self._templates: dict[str, Template] = {}
        self._heard = b""
        self._open = True

    def run(self) -> int:
        self._selector.register(0, selectors.EVENT_READ, self._hear)
        while self._open or self._children:
            for key, _ in self._selector.select():
                if self._selector.get_map().get(key.fd) is key:  # what came before it may have closed it
                    key.data()
        return 0

    def _hear(self) -> None:
        piece = os.read(0, _PIECE)
        if not piece:
            self._selector.unregister(0)
            self._open = False
            for template in self._templates.values():
                self._selector.unregister(template.control)
                template.close()
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
        if order.get("id") in self._children:
            raise InvalidRequest(f"there is a process {order['id']} already")
        if "template" in order:
            template = self._template(order["template"])
            if "enter" in order:
                self._bring(template, order)
            return
        pid = os.fork()
        if pid == 0:
            self._live(order)
        child = _Child(id=order["id"], pid=pid, pidfd=os.pidfd_open(pid))
        self._children[child.id] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._reap(child))

    def _template(self, program: str) -> Template:
        made = self._templates.get(program)
        if made is None:
            from kernel_engine.runtime.bringing import Template

            made = self._templates[program] = Template(program)
            self._selector.register(made.control, selectors.EVENT_READ, lambda: self._part(made))
        return made

    def _bring(self, template: Template, order: dict[str, Any]) -> None:
        from kernel_engine.runtime.bringing import Wish

        reading, writing = os.pipe2(os.O_CLOEXEC)
        wish = Wish(
            first=order["enter"],
            words=tuple(order["words"]),
            environment=order["environment"],
            folder=order["folder"],
        )
        try:
            pid = template.bring(wish, writing)
        except (EngineError, OSError) as error:
            os.close(reading)
            self._tell({"id": order["id"], "code": 1, "said": f"{type(error).__name__}: {error}", "refused": True})
            return
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        guest = self._guests[pid] = _Guest(id=order["id"], template=template, output=reading)
        self._selector.register(reading, selectors.EVENT_READ, lambda: self._listen(guest))
        self._part(template)

    def _listen(self, guest: _Guest) -> None:
        """Whatever it prints is taken from it; the end is kept."""
        try:
            piece = os.read(guest.output, _PIECE)
        except BlockingIOError:
            return
        guest.said = (guest.said + piece)[-_KEPT:]
        if not piece:
            self._stop_listening(guest)

    def _stop_listening(self, guest: _Guest) -> None:
        if guest.output in self._selector.get_map():
            self._selector.unregister(guest.output)

    def _part(self, template: Template) -> None:
        """Of guests that have ended, all of them with their template."""
        ended = list(template.ended())
        if template.gone:
            ended += [(pid, 1) for pid, guest in self._guests.items() if guest.template is template]
            self._selector.unregister(template.control)
            self._templates = {name: each for name, each in self._templates.items() if each is not template}
            template.close()
        for pid, code in ended:
            if guest := self._guests.pop(pid, None):  # else it was not let in
                self._listen(guest)
                self._stop_listening(guest)
                os.close(guest.output)
                self._tell({"id": guest.id, "code": code, "said": guest.said.decode(errors="replace")})

    def _reap(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        self._selector.unregister(child.pidfd)
        os.close(child.pidfd)
        del self._children[child.id]
        self._tell({"id": child.id, "code": os.waitstatus_to_exitcode(status)})

    def _tell(self, told: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # whoever asked is gone
            os.write(1, json.dumps(told).encode() + b"\n")

    def _live(self, order: dict[str, Any]) -> None:
        """The child's whole life: nothing of the server stays open in it."""
        code = 1
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._selector.close()
            for fd in (
                *(child.pidfd for child in self._children.values()),
                *(guest.output for guest in self._guests.values()),
                *(template.control.fileno() for template in self._templates.values()),
            ):
                os.close(fd)
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
    from kernel_engine.daemon.__main__ import instance_of, main

    if words[:1] == ["serve"] and not (instance := instance_of(words)).rootless:
        from kernel_engine.daemon.preforked import prefork

        os.umask(0o022)
        prefork(instance)
    return main(words)
