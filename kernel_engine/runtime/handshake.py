"""What a starting child says, and hears: to the launcher, and, on a line of its own, to whoever asked for it (`line`).

child                         launcher
stop(call, done)         →    only where a start is looked at step by step: the daemon is asked
                         ←    next (or the socket closes: give up)
about_to_exec(console)   →    it counts as started; execve(2) closes the socket
failed(error)            →    the error becomes that of `launch`
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from kernel_engine.errors import EngineError, KernelRefused, StartFailed
from kernel_engine.runtime.channel import PACKET, Channel, Closed, Message
from kernel_engine.syscalls.trace import Trace

#: Docker's words around an error of the child, and its advice behind the most frequent one
DURING_INIT = "error during container init: "
WRONG_KIND = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)


class Handshake:
    """The child's side, on blocking sockets that execve closes."""

    def __init__(self, channel: Channel, trace: Trace, line: Channel | None = None) -> None:
        """line: None where nobody does anything meanwhile (an exec)."""
        self._channel = channel
        self._trace = trace
        self._line = line
        self._introduced = False
        self._told = 0  #: of the trace's steps

    def descriptors(self) -> tuple[int, ...]:
        return (self._channel.fileno(),) if self._line is None else (self._channel.fileno(), self._line.fileno())

    def created(self, netlink: int | None) -> None:
        """Raises channel.Closed when this start was given up."""
        if self._line is not None:
            self._introduced = True
            self._line.send({"say": "created"}, () if netlink is None else (netlink,))

    def wait_for_go(self) -> None:
        """Whatever comes means that. Raises channel.Closed when this start was given up."""
        if self._line is None:
            return
        try:
            said = self._line.socket.recv(PACKET)
        except OSError as error:
            raise Closed(str(error)) from None
        if not said:
            raise Closed("end of stream")

    def stop(self, name: str, arguments: str, source: str) -> None:
        """Waits before a call until somebody goes on; tells what was done since the last stop, and how this process
        sees itself. Raises channel.Closed when the launcher gave this start up, or died."""
        done, self._told = self._trace.packed(self._told), len(self._trace.rows)
        seen = {"pid": os.getpid(), "hostname": os.uname().nodename, "user": os.geteuid(), "group": os.getegid()}
        call = {"name": name, "arguments": arguments, "source": source}
        stop = {"say": "stop", "call": call, "seen": seen, "after": self._introduced}
        self._channel.send(stop, packed=done)
        self._channel.receive_one()

    def about_to_exec(self, console: int | None, sibling: tuple[int, int] | None = None) -> None:
        """sibling: pid and pidfd of the process that does it instead of this one."""
        message: Message = {"say": "exec"}
        descriptors = [] if console is None else [console]
        if sibling is not None:
            message["pid"] = sibling[0]
            descriptors.insert(0, sibling[1])
        self._channel.send(message, descriptors, self._trace.packed())

    def failed(self, error: BaseException, prefix: str) -> None:
        message = {"say": "failed", "error": describe(error, prefix, self._trace)}
        self._channel.send(message, packed=self._trace.packed())


#: the error of a start that the client itself gave up
GIVEN_UP = "the start was given up"


def describe(error: BaseException, prefix: str, trace: Trace) -> Message:
    """An exception as a message, with Docker's words around it."""
    if isinstance(error, StartFailed):
        return {"kind": "StartFailed", "message": _wrapped(prefix, error.message), "exit_code": error.exit_code}
    if isinstance(error, KernelRefused):
        refusal = (error.call, error.errno, error.message)
    elif isinstance(error, EngineError):  # an unknown user or group, say: Docker gives it without a prefix
        return {"kind": type(error).__name__, "message": error.message}
    elif isinstance(error, OSError):
        call = next((step.name for step in reversed(trace.steps) if not step.ok), "open")
        place = f" {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
        refusal = (call, error.errno or 0, f"{call}{place}: {(error.strerror or str(error)).lower()}")
    else:
        refusal = ("", 0, f"{type(error).__name__}: {error}")
    text = _wrapped(f"{prefix}{DURING_INIT if prefix else ''}", refusal[2])
    if refusal[:2] == ("mount", errno.ENOTDIR):
        text += WRONG_KIND
    return {"kind": "KernelRefused", "call": refusal[0], "errno": refusal[1], "message": text}


def raised(error: Message) -> EngineError:
    """The exception that the message stands for."""
    kind, message = error["kind"], error["message"]
    if kind == "StartFailed":
        return StartFailed(message, exit_code=error["exit_code"])
    if kind == "KernelRefused":
        return KernelRefused(error["call"], error["errno"], message)
    kinds: Sequence[type[EngineError]] = EngineError.__subclasses__()
    return next((cls for cls in kinds if cls.__name__ == kind), EngineError)(message)


def _wrapped(prefix: str, reason: str) -> str:
    return f"{prefix}{reason}: unknown" if prefix else reason
