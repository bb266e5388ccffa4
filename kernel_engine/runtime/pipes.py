"""The pipes between a process and the engine, both sides of them, from before the fork to after it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kernel_engine.runtime.init import Streams
from kernel_engine.runtime.spec import Process


@dataclass(frozen=True, slots=True)
class Ends:
    """Both sides of a process's pipes."""

    ours: dict[str, int]  #: by name
    theirs: Streams
    null: int  #: the host's /dev/null, which may be one of theirs and is nobody's to close

    def close_theirs(self) -> None:
        """The parent's copies of what is the child's."""
        for fd in self.theirs.descriptors():
            if fd != self.null:
                os.close(fd)

    def close_ours(self) -> None:
        for fd in self.ours.values():
            os.close(fd)


class Pipes:
    """What makes them."""

    def __init__(self) -> None:
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def of(self, process: Process) -> Ends:
        """None for a process with a terminal; /dev/null in place of a stdin that nobody asked for."""
        if process.terminal:
            return Ends({}, Streams(), self._null)
        ours: dict[str, int] = {}
        theirs: dict[str, int] = {"stdin": self._null}
        if process.open_stdin:
            theirs["stdin"], ours["stdin"] = os.pipe2(os.O_CLOEXEC)
        for name in ("stdout", "stderr"):
            ours[name], theirs[name] = os.pipe2(os.O_CLOEXEC)
        return Ends(ours, Streams(**theirs), self._null)
