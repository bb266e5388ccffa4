"""A process that comes into a container where it would be watched, made ready in an interpreter of its own.

A fork of the launcher would bring along what is left in its memory of every other container. This one knows of nothing
but what it is told over its channel; its last step is `unseen`.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

from kernel_engine.runtime import init, security
from kernel_engine.runtime.channel import Channel, Message, process_from_json
from kernel_engine.runtime.init import Home, Streams
from kernel_engine.runtime.spec import Process
from kernel_engine.syscalls.process import Prctl, prctl


def task(process: Process, home: Home, streams: Streams) -> Message:
    """What it is told first. Descriptors are numbers of its own, inherited from the launcher."""
    return {"say": "come in", "process": process, "home": home, "streams": streams}


def begin(channel: Channel, descriptors: tuple[int, ...]) -> NoReturn:
    """In a fork of the launcher. The launcher's read-only mount of the interpreter is kept (`seal`)."""
    for fd in (channel.fileno(), *descriptors):
        os.set_inheritable(fd, True)
    security.restore_descriptor_limit()
    command = [sys.executable, "-I", "-m", __name__, str(channel.fileno())]
    os.execve("/proc/self/exe", command, {})


def main() -> NoReturn:
    prctl(Prctl.PR_SET_DUMPABLE, 0)  # execve(2) has set it back
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    told, _ = channel.receive_one()
    home = told["home"]
    init.added_process(
        process_from_json(told["process"]),
        Home(**{**home, "namespaces": tuple(home["namespaces"])}),
        channel,
        Streams(**told["streams"]),
    )


if __name__ == "__main__":
    main()
