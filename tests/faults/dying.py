"""Runs a module of the engine so that its process can be killed at the N-th step of an operation.

    python -I dying.py MODULE PAGE ARGUMENTS…

A program for itself, started instead of `python -m MODULE`; nothing in the engine knows of it. Steps are the kernel
calls that `syscalls/libc.py` makes (before and after each), writes of the records (before and after COMMIT), messages
between the engine's processes, and changes of files (audit events of Python, before each). Which step of which process
is deadly stands in PAGE, a file that all processes of an instance map (`Page`). The daemon starts others so; where
ARGUMENTS is `forkserver`, engines are forked from this process, which costs a tenth of a start.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import struct
import sys
import threading
from pathlib import Path
from typing import Any

SIZE = 8192
_PROGRAMS = {
    "kernel_engine.daemon": "daemon",
    "kernel_engine.runtime.launcher": "launcher",
    "kernel_engine.runtime.log_writer": "writer",
    "kernel_engine.workers": "workers",
}
#: what a fork of these is
_FORKS = {"launcher": "child", "workers": "job"}
ROLES = ("daemon", "launcher", "writer", "workers")
#: role, is a kill wanted, of all processes, target, count, was it done
_HEAD = struct.Struct("=16sBBQQB")
_PIDS, _STIR, _WORDS, _WHAT = 64, 128, 256, 1024
_TEXT = 700
_CHANGES = frozenset(
    ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown")
)
_QUIET = ("/dev/", "/proc/", "/sys/")
#: calls that only look or open, or change nothing but the process that makes them
_INWARD = frozenset(
    (
        "capset", "chdir", "close_range", "fchdir", "fstatfs", "keyctl", "open_tree", "openat2", "pidfd_getfd",
        "pidfd_open", "prctl", "seccomp", "setgroups", "setresgid", "setresuid", "setrlimit", "setsid", "umask",
    )
)  # fmt: skip
_TRASH = "/staging/trash-"


class Page:
    """What the test and the processes of one engine share."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        with open(path, "a+b") as file:
            os.ftruncate(file.fileno(), SIZE)
            self._bytes = mmap.mmap(file.fileno(), SIZE)

    def arm(self, role: str, target: int, *, whole: bool = False, words: str = "") -> None:
        """role: whose steps count. words: only steps that begin with them. whole: all processes die, not only it."""
        self._bytes[_WORDS : _WORDS + _TEXT] = words.encode()[: _TEXT - 1].ljust(_TEXT, b"\0")
        self._bytes[_WHAT : _WHAT + _TEXT] = bytes(_TEXT)
        _HEAD.pack_into(self._bytes, 0, role.encode(), 1, whole, target, 0, 0)

    def disarm(self) -> tuple[int, bool, str]:
        """How many steps there were, whether the kill was done, and where."""
        role, _, whole, target, count, done = _HEAD.unpack_from(self._bytes)
        _HEAD.pack_into(self._bytes, 0, role, 0, whole, target, count, done)
        return count, bool(done), self._text(_WHAT)

    def enter(self, role: str, pid: int) -> None:
        struct.pack_into("=Q", self._bytes, _PIDS + 8 * ROLES.index(role), pid)

    def pids(self) -> dict[str, int]:
        return dict(zip(ROLES, struct.unpack_from(f"={len(ROLES)}Q", self._bytes, _PIDS), strict=True))

    @property
    def done(self) -> bool:
        """Somebody has died."""
        return bool(_HEAD.unpack_from(self._bytes)[-1])

    @property
    def stir(self) -> int:
        """Another number whenever any process has passed a step."""
        found: int = struct.unpack_from("=Q", self._bytes, _STIR)[0]
        return found

    def pass_by(self, role: str, what: str, *, alike: bool = False) -> None:
        """One step of a process. It may not come back. alike: counts only where steps are asked for by their words."""
        struct.pack_into("=Q", self._bytes, _STIR, self.stir + 1)
        wanted, armed, whole, target, count, done = _HEAD.unpack_from(self._bytes)
        if (
            not armed
            or done
            or wanted.rstrip(b"\0").decode() != role
            or not what.startswith(words := self._text(_WORDS))
        ):
            return
        if alike and not words:
            return
        count += 1
        if count == target:
            self._bytes[_WHAT : _WHAT + _TEXT] = what.encode(errors="replace")[: _TEXT - 1].ljust(_TEXT, b"\0")
        _HEAD.pack_into(self._bytes, 0, wanted, armed, whole, target, count, count == target)
        if count == target:
            self._die(role, whole)

    def _die(self, role: str, whole: bool) -> None:
        for name, pid in self.pids().items():
            if whole and pid and name != role:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        if os.getpid() == 1:  # the first process of a namespace hears no signal of its own
            os._exit(137)
        os.kill(os.getpid(), signal.SIGKILL)

    def _text(self, at: int) -> str:
        return self._bytes[at : at + _TEXT].rstrip(b"\0").decode(errors="replace")


class Steps:
    """This process, seen step by step."""

    def __init__(self, page: Page, role: str) -> None:
        self._page = page
        self._role = role
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._last = ""

    def become(self, role: str) -> None:
        """This process, and not what it is a fork of."""
        self._role, self._pid = role, os.getpid()
        self._page.enter(role, self._pid)

    def step(self, what: str) -> None:
        role = self._role if os.getpid() == self._pid else _FORKS.get(self._role, "other")
        if role == "daemon":
            with self._lock:
                self._page.pass_by(role, what)
        else:
            self._page.pass_by(role, what, alike=self._is_alike(what))

    def _is_alike(self, what: str) -> bool:
        """In a process of one thread, all of whose words are messages: at the step before, the machine was the same.
        That is so before a call that follows another one, and at calls that nobody else can see."""
        when, call, *_ = what.split(" ", 2)
        if call in _INWARD:
            return True
        before, self._last = self._last, when
        return when == "before" and before == "after"

    def hook_calls(self) -> None:
        """Before any other module of ours is loaded: they import these functions by name."""
        from kernel_engine.syscalls import libc

        for name, shown in (("call", "show"), ("recorded", ""), ("announce", "")):
            setattr(libc, name, self._around(getattr(libc, name), shown))

    def _around(self, function: Any, keyword: str) -> Any:
        def around(name: str, *arguments: Any, **more: Any) -> Any:
            shown = more.get(keyword, "") if keyword else (arguments[0] if arguments else "")
            self.step(f"before {name} {shown}")
            try:
                return function(name, *arguments, **more)
            finally:
                self.step(f"after {name} {shown}")

        return around

    def hook_netlink(self) -> None:
        from kernel_engine.syscalls.netlink import Netlink
        from kernel_engine.syscalls.nfnetlink import Nfnetlink

        for kind, method in ((Netlink, "_request"), (Nfnetlink, "_change")):
            setattr(kind, method, self._around_message(getattr(kind, method)))

    def _around_message(self, function: Any) -> Any:
        def around(end: Any, *words: Any) -> Any:
            what = f"netlink {getattr(words[0], 'name', '')} {words[-1]}"
            self.step(f"before {what}")
            try:
                return function(end, *words)
            finally:
                self.step(f"after {what}")

        return around

    def hook_messages(self) -> None:
        from kernel_engine.runtime.channel import Channel

        send = Channel.send

        def sending(channel: Channel, message: dict[str, Any], *more: Any, **named: Any) -> None:
            words = f"message {message.get('verb') or message.get('say') or message.get('event') or 'reply'}"
            self.step(f"before {words}")
            send(channel, message, *more, **named)
            self.step(f"after {words}")

        Channel.send = sending  # type: ignore[method-assign,assignment]

    def hook_background(self) -> None:
        """The launcher and the log writer become daemons by a fork: the child is the one that is meant."""
        from kernel_engine.runtime import companion

        become = companion.become_daemon

        def becoming(*words: Any) -> None:
            become(*words)
            self.become(self._role)

        companion.become_daemon = becoming  # type: ignore[assignment]

    def hook_forks(self) -> None:
        """Of a forkserver: an engine and its helpers, each as if it had been executed. What is hooked above is."""
        from kernel_engine.daemon import forkserver
        from kernel_engine.runtime import launcher
        from kernel_engine.runtime.log_writer import __main__ as log_writer
        from kernel_engine.workers import __main__ as workers

        for module, name, role in (
            (forkserver, "_main", "daemon"),
            (launcher, "live", "launcher"),
            (log_writer, "live", "writer"),
            (workers, "live", "workers"),
        ):
            setattr(module, name, self._living(getattr(module, name), role))

    def _living(self, function: Any, role: str) -> Any:
        def living(*words: Any) -> Any:
            self.become(role)
            if role == "daemon":
                _start_alike(self._page.path)
            return function(*words)

        return living

    def hook_records(self) -> None:
        import sqlite3

        steps, connect = self, sqlite3.connect

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
                if sql != "COMMIT":
                    return super().execute(sql, *more)
                steps.step("before COMMIT")
                done = super().execute(sql, *more)
                steps.step("after COMMIT")
                return done

        sqlite3.connect = lambda *words, **named: connect(*words, factory=Connection, **named)  # type: ignore[assignment]

    def hook_files(self) -> None:
        """Of files alike (all that one job makes in a directory, all that are deleted from one) the first counts."""
        seen: set[tuple[int, str, str]] = set()

        def heard(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open":
                path, _, flags = arguments
                if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                    return
            elif event in _CHANGES:
                path = arguments[0]
            else:
                return
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            path = str(path)
            if path.startswith(_QUIET):
                return
            if self._role == "workers" or _TRASH in path:
                kind = os.getpid(), event, os.path.dirname(path)
                if kind in seen:
                    return
                seen.add(kind)
            self.step(f"before {event} {path}")

        sys.addaudithook(heard)


def _start_alike(page: str) -> None:
    """What the daemon starts with `python -I -m MODULE` is started by this program, too."""
    wrapper = Path(f"{page}.python")
    with open(wrapper.with_suffix(".lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -I {Path(__file__).resolve()} "$3" {page} "$@"\n')
        wrapper.chmod(0o755)
    sys.executable = str(wrapper)


def main() -> None:
    module, place, *arguments = sys.argv[1:]
    if arguments[:2] == ["-I", "-m"]:
        arguments = arguments[3:]
    role = "forkserver" if arguments[:1] == ["forkserver"] else _PROGRAMS[module]
    page = Page(place)
    steps = Steps(page, role)
    steps.hook_calls()
    if role in ("daemon", "forkserver"):
        steps.hook_netlink()
        steps.hook_records()
    if role != "workers":
        steps.hook_messages()
    if role in ("launcher", "writer", "forkserver"):
        steps.hook_background()
    if role == "forkserver":
        steps.hook_forks()
    else:
        page.enter(role, os.getpid())
    if role == "daemon":
        _start_alike(place)
    steps.hook_files()
    import runpy

    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
