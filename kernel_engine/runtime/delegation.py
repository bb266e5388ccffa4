"""What an ordinary user has been given of cgroup v2's tree (cgroups(7), "Cgroup delegation").

Looked for, and made room in, by the user himself, outside of any namespace of his own. systemd gives `user@UID.service`
to whom it belongs; anybody may give a group away by chown(2) and start the engine in it.
"""

from __future__ import annotations

import os

from kernel_engine.runtime.cgroups import ROOT, is_unified, unified_place
from kernel_engine.syscalls import cgroupfs

#: what a user needs of a group, to make others in it and to bring processes there
_NEEDED = ("", "/cgroup.procs", "/cgroup.subtree_control")
#: where the processes go that stood in the group itself: one that has controllers for others holds none (cgroups(7))
_LEAF = "kernel-engine.others"


def delegated() -> str:
    """The topmost group around this process that is its user's, from the mount on, without a slash at its ends; "" =
    not even its own."""
    found = ""
    place = unified_place(cgroupfs.read("/proc/self/cgroup")) if is_unified() else "/"
    while place not in ("", "/") and all(os.access(f"{ROOT}{place}{file}", os.W_OK) for file in _NEEDED):
        found, place = place.strip("/"), os.path.dirname(place)
    return found


def make_room(parent: str) -> None:
    """Moves the processes that stand in the group itself beside what will be made in it. OSError."""
    own, leaf = f"{ROOT}/{parent}/cgroup.procs", f"{ROOT}/{parent}/{_LEAF}"
    while pids := cgroupfs.read(own).split():
        if not os.path.isdir(leaf):
            cgroupfs.mkdir(leaf)
        for pid in pids:
            try:
                cgroupfs.write(f"{leaf}/cgroup.procs", pid)
            except ProcessLookupError:
                continue  # it has just ended
