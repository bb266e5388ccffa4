"""Runs the launcher through a read-only mount of the interpreter, so that no container can write the host's python.

A forked child is inside the container before its execve, and `/proc/PID/exe` of such a process (or of an image whose
program is a link to `/proc/self/exe`) leads to the interpreter's file on the host: CVE-2019-5736 overwrote runc that
way. A link of /proc keeps the mount that the file was executed through, and a write through a read-only one is EROFS.
"""

from __future__ import annotations

import os
import sys

from kernel_engine.syscalls import mounts
from kernel_engine.syscalls.mounts import MountAttribute

_MARK = "--sealed"


def run_sealed() -> None:
    """Executes this Python program again through a detached read-only copy of the interpreter's mount, once."""
    if _MARK in sys.argv:
        sys.argv.remove(_MARK)
        if not os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY:
            raise SystemExit("the interpreter could not be run through a read-only mount")
        return
    path = os.readlink("/proc/self/exe")
    tree = mounts.open_tree(path, recursive=False)
    mounts.mount_setattr(tree, set_attributes=MountAttribute.MOUNT_ATTR_RDONLY, shown=path)
    # argv[0] tells the interpreter where its libraries are, however it was executed
    os.execve(tree, [sys.executable, *sys.orig_argv[1:], _MARK], dict(os.environ))
