"""What lies in a container's /dev: nodes, links and, with --privileged, the host's devices."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from kernel_engine.runtime.beneath import Root
from kernel_engine.runtime.defaults import DEVICE_LINKS, DEVICES
from kernel_engine.runtime.spec import Device
from kernel_engine.syscalls import mounts as sys

#: directories of /dev that hold no devices, or that a container has an own instance of
_SKIPPED = frozenset({"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"})
_KINDS = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}


def populate(root: Root, extra: Sequence[Device], *, bound: bool) -> None:
    """Makes the standard nodes and links and `extra`. The umask must be 0.

    bound: they are binds of the host's own, because a node that a user namespace makes cannot be opened.
    """
    dev = root.directory("/dev")
    for device in (*DEVICES, *extra):
        parent, name = os.path.split(device.path)
        if bound:
            bind_node(root, device)
        elif parent == "/dev":
            make_node(root, device, dev, name)
        else:
            directory = root.directory(parent)
            make_node(root, device, directory, name)
            os.close(directory)
    for path, content in DEVICE_LINKS:
        if path != "/dev/core" or os.path.exists(content):
            sys.symlinkat(content, dev, os.path.basename(path), shown=path)
    os.close(dev)


def make_node(root: Root, device: Device, directory: int, name: str) -> None:
    """A node, or where mknod(2) is refused (a user namespace) a bind of the host's own. directory: open on where it is
    to be called `name`."""
    try:
        mode = _KINDS[device.type] | device.mode
        sys.mknodat(directory, name, mode, device.major, device.minor, shown=device.path)
        if device.uid or device.gid:
            os.chown(name, device.uid, device.gid, dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        return
    except PermissionError:
        bind_node(root, device)


def bind_node(root: Root, device: Device) -> None:
    """The host's own node of that path."""
    tree, target = sys.open_tree(device.path, recursive=False), root.file(device.path)
    sys.move_mount(tree, target, shown=device.path)
    os.close(target)
    os.close(tree)


def of_host(directory: str = "/dev") -> Iterator[Device]:
    """Every device node of the host, as --privileged gives them. The console is the container's own."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _SKIPPED:
                    yield from of_host(entry.path)
                continue
            status = entry.stat(follow_symlinks=False)
            kind = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}.get(stat.S_IFMT(status.st_mode))
            if kind and entry.name not in ("console", "ptmx"):
                yield Device(
                    path=entry.path,
                    type=kind,
                    major=os.major(status.st_rdev),
                    minor=os.minor(status.st_rdev),
                    mode=stat.S_IMODE(status.st_mode),
                    uid=status.st_uid,
                    gid=status.st_gid,
                )
