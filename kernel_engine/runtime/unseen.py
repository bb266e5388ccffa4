"""The last step into a container whose own processes may look into others (CAP_SYS_PTRACE).

Nothing is hidden from that capability but by having no pid there: so the process is made ready outside of the
container's pid namespace (`newcomer`), and only a fork of it, with the program's own rights, comes in (decision 0036).
"""

from __future__ import annotations

import os

from kernel_engine.runtime import console, security
from kernel_engine.runtime.handshake import Handshake
from kernel_engine.syscalls import process as sys


def step_in(handshake: Handshake, console_end: int | None) -> None:
    """Returns in the process that is to execute the program: a sibling, born into the container. The caller's is over.

    console_end: the engine's side of the terminal that is stdin, which the sibling's session gets.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = sys.clone_sibling()
    if pid:
        handshake.about_to_exec(console_end, (pid, pidfd))
        os.write(writing, b".")
        os._exit(0)
    os.dup2(reading, 3)
    sys.close_range(4)
    if not os.read(3, 1):
        os._exit(1)  # the launcher has not heard of this process, and never will
    os.close(3)
    sys.setsid()
    security.die_with_launcher()
    if console_end is not None:
        console.control(0)
