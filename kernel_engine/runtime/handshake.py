"""What a starting child and the launcher say to each other, each message a sentence.

child                         launcher
created(netlink)         →    tells the daemon, which attaches a network meanwhile
                         ←    go (or the socket closes: give up)
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
from kernel_engine.runtime.channel import Channel, Message
from kernel_engine.syscalls.trace import Trace

#: Docker's words around an error of the child, and its advice behind the most frequent one
DURING_INIT = "error during container init: "
WRONG_KIND = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)


class Handshake:
    """The child's side, on a blocking socket that execve closes."""

    def __init__(self, channel: Channel, trace: Trace) -> None:
        self._channel = channel
        self._trace = trace
        self._heard: list[str] = []
        self._told = 0  #: of the trace's steps

    def fileno(self) -> int:
        return self._channel.fileno()

    def created(self, netlink: int | None) -> None:
        self._channel.send({"say": "created"}, () if netlink is None else (netlink,))

    def wait_for_go(self) -> None:
        """Raises channel.Closed when the launcher gave this start up, or died."""
        self._wait("go")

    def stop(self, name: str, arguments: str, source: str) -> None:
        """Waits before a call until somebody goes on; tells what was done since the last stop, and how this process
        sees itself. Raises channel.Closed as `wait_for_go`."""
        done, self._told = self._trace.packed(self._told), len(self._trace.rows)
        seen = {"pid": os.getpid(), "hostname": os.uname().nodename, "user": os.geteuid(), "group": os.getegid()}
        call = {"name": name, "arguments": arguments, "source": source}
        self._channel.send({"say": "stop", "call": call, "seen": seen}, packed=done)
        self._wait("next")

    def _wait(self, word: str) -> None:
        """The other word may come first: who attaches a network does not know where the child stands."""
        while word not in self._heard:
            self._heard.append(self._channel.receive_one()[0]["say"])
        self._heard.remove(word)

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
