"""python -I -m kernel_engine.servers.enter [--behind LOG] NAMESPACE HOSTNAME MODULE WORD…

Runs `python -m MODULE WORD…` as a process of another server: in its network namespace, under its host name. With
--behind as a process that nobody waits for (daemon(7)), whose output goes to LOG; its pid is printed.
"""

from __future__ import annotations

import os
import sys

from kernel_engine.syscalls.process import CloneFlag, sethostname, setns, unshare


def main(words: list[str]) -> None:
    if words[0] == "--behind":
        _go_behind(words[1])
        words = words[2:]
    namespace, name, module, *rest = words
    there = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    setns(there, CloneFlag.CLONE_NEWNET)
    unshare(CloneFlag.CLONE_NEWUTS)
    sethostname(name)
    os.execv(sys.executable, [sys.executable, "-I", "-m", module, *rest])


def _go_behind(log: str) -> None:
    """Returns in the child alone, which is a session of its own."""
    child = os.fork()
    if child:
        print(child, flush=True)
        os._exit(0)
    os.setsid()
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for number, descriptor in enumerate((null, written, written)):
        os.dup2(descriptor, number)


if __name__ == "__main__":
    main(sys.argv[1:])
