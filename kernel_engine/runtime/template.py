"""A loaded interpreter whose forks enter containers: `python -P -s -m kernel_engine.runtime.template FD MODULE:NAME`.

It imports MODULE and waits. For each process that is asked for it forks, and what it has forked enters a running
container, gives up what the container's own processes have not, and calls a function instead of execve(2): Python and
what it imports are paid for once.

Nothing of what its forks are told is ever read here: who asks sends two descriptors, a channel for the child alone and
a pidfd, so that no fork has anything of another one in its memory. What a child is told names nothing outside of its
container: paths are opened, and rights decided, by `bringing`, which lets the child go only when its bounds are those
of the container's first process.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from kernel_engine.runtime import security
from kernel_engine.runtime.accounts import Account
from kernel_engine.runtime.channel import Channel, Closed
from kernel_engine.runtime.seal import run_sealed
from kernel_engine.runtime.spec import Process
from kernel_engine.syscalls import process as calls
from kernel_engine.syscalls.process import CloneFlag, Prctl, prctl, setns

#: takes the words, and gives its exit code (None: 0)
Program = Callable[..., int | None]
#: what it says of a child: b"b" (born; pid) or b"e" (ended; pid, exit code or minus the signal)
WORD = struct.Struct("=cii")
#: what a fresh Python ignores; it hears of Ctrl+C, and takes everything else as it comes
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)


def main() -> NoReturn:
    run_sealed()
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    prctl(Prctl.PR_SET_DUMPABLE, 0)  # nobody in a container may look into a fork that is on its way in
    module, _, name = sys.argv[2].partition(":")
    program = getattr(importlib.import_module(module), name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise SystemExit(f"{module} starts threads when it is imported: there can be no forks of it")
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that holds these objects
    with suppress(ConnectionError):  # nobody waits for its last words
        _Template(control, program).run()
    os._exit(0)


class _Template:
    def __init__(self, control: socket.socket, program: Program) -> None:
        self._control = control
        self._program = program
        self._selector = selectors.DefaultSelector()
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def run(self) -> None:
        """Until nobody holds the other end; the kernel ends its children with it (PR_SET_PDEATHSIG)."""
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._reap(key.fd, key.data)
                elif not self._fork():
                    return

    def _fork(self) -> bool:
        said, descriptors, _, _ = socket.recv_fds(self._control, 1, 2, socket.MSG_CMSG_CLOEXEC)
        if not said:
            return False
        end, home = descriptors
        setns(home, CloneFlag.CLONE_NEWPID)
        try:
            pid = os.fork()
            if pid == 0:
                _live(socket.socket(fileno=end), home, self._program)
        finally:
            setns(self._own, CloneFlag.CLONE_NEWPID)
        os.close(end)
        os.close(home)
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
        self._control.send(WORD.pack(b"b", pid, 0))
        return True

    def _reap(self, pidfd: int, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._control.send(WORD.pack(b"e", pid, os.waitstatus_to_exitcode(status)))


def _live(end: socket.socket, home: int, program: Program) -> NoReturn:
    """The child's whole life."""
    code = 1
    try:
        channel = Channel(end)
        told = _enter(channel, home)
        code = _run(program, told["words"], told["environment"])
    except Closed:
        pass  # it was given up
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _enter(channel: Channel, home: int) -> dict[str, Any]:
    """As `init.added_process`, up to the program. Born in the container's pid namespace."""
    calls.setsid()
    security.die_with_launcher()
    security.own_keys()
    kept = sorted((home, channel.fileno()))
    for first, last in zip((3, *(fd + 1 for fd in kept)), (*(fd - 1 for fd in kept), 0xFFFFFFFF), strict=True):
        if first <= last:
            calls.close_range(first, last)
    told, (stdin, output, *groups) = channel.receive_one()
    for number, fd in enumerate((stdin, output, output)):
        os.dup2(fd, number)
    for group in groups:
        os.write(group, b"0")
    setns(home, CloneFlag(told["namespaces"]))
    account = Account(uid=told["user"], gid=told["group"], groups=tuple(told["groups"]))
    security.own_streams(account.uid)
    os.chdir(told["folder"])
    os.umask(0o022)
    process = Process(args=(), capabilities=tuple(told["capabilities"]), no_new_privileges=told["no_new_privileges"])
    security.apply(process, account, told["packed"], available=security.AVAILABLE)
    security.die_with_launcher()
    channel.send({"say": "ready"})
    channel.receive_one()  # that its bounds are what they must be
    channel.close()
    calls.close_range(3)
    prctl(Prctl.PR_SET_DUMPABLE, 1)  # as execve(2) does: /proc/self is its own
    return told


def _run(program: Program, words: list[str], environment: dict[str, str]) -> int:
    """What a fresh interpreter would find, then the program: its exit code."""
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    sys.argv = [sys.argv[2], *words]
    try:
        code = program(*words)
        return 0 if code is None else int(code)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    main()
