"""How a process comes into the groups of a container, or of another process."""

from __future__ import annotations

import errno
import os

from kernel_engine.runtime.cgroups.tree import ROOT, directories, directories_of, mode, unified_place
from kernel_engine.runtime.spec import Resources
from kernel_engine.syscalls import cgroupfs


def enter(cgroup: str, id: str, resources: Resources | None = None) -> None:
    """Moves this process in. resources: what the groups were made with; None = whichever groups there are.

    v1: "0" to `tasks` moves a single-threaded writer without the lock that makes `cgroup.procs` wait for an RCU grace
    period (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
    """
    file = "cgroup.procs" if mode() == "v2" else "tasks"
    if resources is not None:
        found = directories_of(cgroup, id, resources)
    else:
        found = tuple(filter(os.path.isdir, directories(cgroup, id)))
    for directory in found:
        cgroupfs.write(f"{directory}/{file}", "0")


def join(cgroup: str, id: str, first: int) -> None:
    """Moves this process to where the container's first process (`first`, a pid that this process sees) may have gone.

    On v2 a container that manages groups of its own (a privileged one with a systemd or an engine inside) enables
    controllers for them; then its topmost group takes no process any more (cgroups(7), "no internal processes"), and
    an added process goes beside the first one, as with runc.
    """
    try:
        enter(cgroup, id)
    except OSError as error:
        if mode() == "v1" or error.errno != errno.EBUSY:
            raise
        place = unified_place(cgroupfs.read(f"/proc/{first}/cgroup"))
        if not place.startswith(f"/{cgroup}/{id}/"):
            raise
        cgroupfs.write(f"{ROOT}{place}/cgroup.procs", "0")


def open_directory(cgroup: str, id: str) -> int:
    """v2: for CLONE_INTO_CGROUP."""
    return os.open(f"{ROOT}/{cgroup}/{id}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
