"""A container's root: the overlay, the standard file systems, the user's mounts, then pivot_root(2).

Runs in the child, inside its own mount namespace. Everything is mounted through descriptors opened beneath the new
root (`beneath`). Which mounts there are is decided in `plan`; device nodes are made in `devices`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kernel_engine.errors import KernelRefused
from kernel_engine.runtime.beneath import Root
from kernel_engine.runtime.plan import FileSystem
from kernel_engine.runtime.spec import Mount, Rootfs
from kernel_engine.syscalls import mounts as sys
from kernel_engine.syscalls import procfs
from kernel_engine.syscalls.mounts import MountAttribute, MountFlag, UmountFlag
from kernel_engine.syscalls.process import CloneFlag, setns

_PROPAGATION = {
    "private": MountFlag.MS_PRIVATE,
    "slave": MountFlag.MS_SLAVE,
    "shared": MountFlag.MS_SHARED,
}
_SLAVE = MountFlag.MS_SLAVE | MountFlag.MS_REC
_RDONLY = MountAttribute.MOUNT_ATTR_RDONLY
_MASK = MountFlag.MS_RDONLY
_READ_ONLY_ROOT = MountFlag.MS_REMOUNT | MountFlag.MS_BIND | MountFlag.MS_RDONLY
_TMPFS = MountFlag.MS_NOSUID | MountFlag.MS_NODEV | MountFlag.MS_NOEXEC
#: distributions switch these on by default, and diff and commit read the upper directory as it is
_PLAIN = "redirect_dir=off,metacopy=off,index=off"
#: the same where nobody may write trusted attributes: there all of these are off, and naming them is refused
_PLAIN_IN_USER_NAMESPACE = "userxattr"
_TMPFS_OPTIONS = {
    "ro": MountFlag.MS_RDONLY,
    "nosuid": MountFlag.MS_NOSUID,
    "nodev": MountFlag.MS_NODEV,
    "noexec": MountFlag.MS_NOEXEC,
}
_TMPFS_NEGATIONS = {"rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec"}
#: what a bind may cover inside /proc: harmless numbers (runc's checkProcMount, for lxcfs)
PROC_TARGETS = frozenset(
    f"/proc/{name}"
    for name in ("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev")
)


_SHARED_MEMORY, _PROC = "/dev/shm", "/proc"
_NOBODY: Mapping[tuple[int, int], int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A host path that will be bound into the container, as a detached copy of its mount."""

    mount: Mount
    tree: int
    is_directory: bool


def open_sources(mounts: Sequence[Mount], user_namespace: int = -1) -> tuple[Source, ...]:
    """Takes the copies while propagation with the host is still as it was (a shared bind must stay a peer)."""
    found = []
    for mount in mounts:
        if mount.type == "bind":
            mapped = mount.mapped and user_namespace >= 0
            tree = sys.open_tree(mount.source, recursive=mount.recursive and not mapped)
            if mapped:
                map_owners(tree, user_namespace, mount.target)
            is_directory = stat.S_ISDIR(os.fstat(tree).st_mode)
            found.append(Source(mount=mount, tree=tree, is_directory=is_directory))
    return tuple(found)


def open_inside(
    mounts: Sequence[Mount], place: str, owners: Mapping[tuple[int, int], int] = _NOBODY
) -> tuple[Source, ...]:
    """The same for paths inside untrusted directories: overlaid for a moment on `place`, where nothing is mounted yet.

    After `detach_from_host`. owners: who is the container's root on the disk → the user namespace that says so; none
    for a container that has no user namespace.
    FileNotFoundError becomes one sentence.
    """
    found = []
    for mount in mounts:
        if mount.type == "inside":
            root, overlaid = _open_lower(mount, place)
            fd = _open_inside(root, mount)
            root.close()
            tree = sys.open_tree("", recursive=False, directory=fd, shown=mount.source)
            if mount.owner is not None and mount.owner in owners:
                map_owners(tree, owners[mount.owner], mount.target)
            found.append(Source(mount=mount, tree=tree, is_directory=stat.S_ISDIR(os.fstat(fd).st_mode)))
            os.close(fd)
            if overlaid:
                sys.umount2(place, UmountFlag.MNT_DETACH)
    return tuple(found)


def _open_lower(mount: Mount, place: str) -> tuple[Root, bool]:
    """overlayfs wants two directories, or one to write to: a single one is opened as it is."""
    sys.chdir(mount.base)
    if len(mount.lower) == 1 and not mount.upper:
        return Root.beneath(mount.lower[0]), False
    data = f"lowerdir={':'.join(mount.lower)}"
    if mount.upper:
        data += f",upperdir={mount.upper},workdir={mount.work},{_PLAIN}"
    sys.mount("overlay", place, "overlay", data=data)
    return Root.at(place), True


def _open_inside(root: Root, mount: Mount) -> int:
    try:
        return root.open(mount.source or "/")
    except (FileNotFoundError, NotADirectoryError) as error:
        text = f'mount source path "{mount.source}": {os.strerror(error.errno or 0).lower()}'
        raise KernelRefused("openat2", error.errno or 0, text) from None


def detach_from_host() -> None:
    """Nothing that is mounted from here on is seen by the host."""
    sys.mount("none", "/", "", _SLAVE)


def mount_overlay(rootfs: Rootfs, *, in_user_namespace: bool = False) -> Root:
    """The image's layers with the container's own on top. Short relative names: mount(2)'s data is one page."""
    sys.chdir(rootfs.base)
    plain = _PLAIN_IN_USER_NAMESPACE if in_user_namespace else _PLAIN
    more = f"{plain},volatile" if rootfs.volatile else plain
    data = f"lowerdir={':'.join(rootfs.lower)},upperdir={rootfs.upper},workdir={rootfs.work},{more}"
    sys.mount("overlay", rootfs.target, "overlay", data=data)
    return Root.at(rootfs.target)


def map_owners(tree: int, user_namespace: int, shown: str) -> None:
    """A detached mount shows the owners on its disk as who they are in the user namespace."""
    attribute = MountAttribute.MOUNT_ATTR_IDMAP
    sys.mount_setattr(tree, set_attributes=attribute, user_namespace=user_namespace, shown=shown)


def map_store(store: str, user_namespace: int) -> None:
    """The same for everything beneath the store, in this mount namespace. After `detach_from_host`."""
    tree = sys.open_tree(store, recursive=False)
    map_owners(tree, user_namespace, store)
    place = os.open(store, sys.O_PATH | os.O_CLOEXEC)
    sys.move_mount(tree, place, shown=store)
    os.close(place)
    os.close(tree)


def mounted_again(shown: str) -> Root:
    """The working directory, a mount that came along into this mount namespace, mounted over itself.

    What came along from a namespace with more rights is locked (mount_namespaces(7)): pivot_root(2) wants another.
    """
    place = os.open(".", sys.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    tree = sys.open_tree("", directory=place, shown=shown)
    sys.move_mount(tree, place, shown=shown)
    os.close(place)
    return Root(tree)


def mount_standard(root: Root, systems: Sequence[FileSystem]) -> None:
    parents = {os.path.dirname(system.target) for system in systems}
    made: dict[str, int] = {}  #: file systems of ours that were empty, open
    for system in systems:
        above, name = os.path.split(system.target)
        fd = _made_directory(made[above], name) if above in made else root.directory(system.target)
        if system.type == "bind":
            attributes = _RDONLY if system.flags & MountFlag.MS_RDONLY else MountAttribute(0)
            _attach(sys.open_tree(system.source), fd, system.target, attributes, MountFlag.MS_PRIVATE)
        else:
            sys.fchdir(fd)
            sys.mount(system.source, ".", system.type, system.flags, system.data, shown=system.target)
            if system.type == "tmpfs" and system.target in parents:
                made[system.target] = root.open(system.target)
        os.close(fd)
    for fd in made.values():
        os.close(fd)


def _made_directory(parent: int, name: str) -> int:
    sys.mkdirat(parent, name, 0o755)
    return os.open(name, sys.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def open_memory(pidfd: int) -> int:
    """A detached copy of the /dev/shm of a container that runs. Before this process has a mount namespace of its own;
    its working directory is / then."""
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    setns(pidfd, CloneFlag.CLONE_NEWNS, show="pidfd, CLONE_NEWNS")
    try:
        return sys.open_tree(_SHARED_MEMORY)
    finally:
        setns(home, CloneFlag.CLONE_NEWNS, show="own mount namespace, CLONE_NEWNS")
        os.close(home)


def attach_memory(root: Root, tree: int) -> None:
    fd = root.directory(_SHARED_MEMORY)
    _attach(tree, fd, _SHARED_MEMORY, MountAttribute(0), MountFlag.MS_PRIVATE)
    os.close(fd)


def mount_extra(root: Root, mounts: Sequence[Mount], sources: Sequence[Source]) -> None:
    """The user's binds and tmpfs, in order; targets are made where missing."""
    replaced = any(mount.target == _PROC for mount in mounts)
    proc = None if replaced else _device_of(root, _PROC)
    trees = {id(source.mount): source for source in sources}
    for mount in mounts:
        source = trees.get(id(mount))
        fd = _open_target(root, mount, source)
        if mount.target == _PROC:
            if source is None or not procfs.is_of_proc(source.tree):
                raise KernelRefused("mount", 13, f'"{_PROC}" cannot be mounted because it is not of type proc')
            proc = os.fstat(source.tree).st_dev
        elif os.fstat(fd).st_dev == proc and mount.target not in PROC_TARGETS:
            raise KernelRefused("mount", 13, f'"{mount.target}" cannot be mounted because it is inside /proc')
        if source is None:
            flags, data = tmpfs_options(f"{mount.options},ro" if mount.read_only else mount.options)
            sys.fchdir(fd)
            sys.mount("tmpfs", ".", "tmpfs", flags, data, shown=mount.target)
        else:
            attributes = _RDONLY if mount.read_only else MountAttribute(0)
            if attributes and not mount.read_only_below:
                sys.mount_setattr(source.tree, set_attributes=attributes, recursive=False, shown=mount.target)
                attributes = MountAttribute(0)
            _attach(source.tree, fd, mount.target, attributes, _PROPAGATION[mount.propagation.removeprefix("r")])
        os.close(fd)


def tmpfs_options(options: str) -> tuple[MountFlag, str]:
    """ "rw,exec,size=1m" → flags and mount(2)'s data. Docker's default: nosuid, nodev, noexec."""
    flags, data = _TMPFS, []
    for word in (word.strip() for word in options.split(",") if word.strip()):
        if word in _TMPFS_OPTIONS:
            flags |= _TMPFS_OPTIONS[word]
        elif word in _TMPFS_NEGATIONS:
            flags &= ~_TMPFS_OPTIONS[_TMPFS_NEGATIONS[word]]
        else:
            data.append(word)
    return flags, ",".join(data)


def write_sysctls(sysctls: Sequence[tuple[str, str]]) -> None:
    """net.* and the ipc ones are per namespace, so this process's own are written."""
    for name, value in sysctls:
        procfs.write(f"/proc/sys/{name.replace('.', '/')}", value)


def make_read_only(root: Root, paths: Sequence[str]) -> None:
    for path in paths:
        fd = _existing(root, path)
        if fd is not None:
            _attach(sys.open_tree("", directory=fd, shown=path), fd, path, _RDONLY, MountFlag.MS_PRIVATE)
            os.close(fd)


def mask(root: Root, paths: Sequence[str]) -> None:
    """A file is covered by /dev/null, a directory by an empty read-only tmpfs; what is not there needs nothing."""
    null = _real_null(root)
    for path in paths:
        fd = _existing(root, path)
        if fd is None:
            continue
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            sys.fchdir(fd)
            sys.mount("tmpfs", ".", "tmpfs", _MASK, shown=path)
        else:
            tree = sys.open_tree("", recursive=False, directory=null, shown="/dev/null")
            sys.move_mount(tree, fd, shown=path)
            os.close(tree)
        os.close(fd)
    os.close(null)


def enter(root: Root, *, read_only: bool) -> None:
    """pivot_root(".", "."): the old root lies over the new one until it is taken off (pivot_root(2))."""
    sys.fchdir(root.fd)
    sys.pivot_root(".", ".")
    sys.umount2(".", UmountFlag.MNT_DETACH, shown="the host's root")
    sys.chdir("/")
    if read_only:
        sys.mount("none", "/", "", _READ_ONLY_ROOT)


def remount_read_only(root: Root, target: str) -> None:
    """The v1 cgroup tmpfs, once its directories are made."""
    fd = root.open(target)
    try:
        sys.mount_setattr(fd, set_attributes=_RDONLY, shown=target)
    finally:
        os.close(fd)


def _attach(tree: int, target: int, shown: str, attributes: MountAttribute, propagation: MountFlag) -> None:
    sys.mount_setattr(tree, set_attributes=attributes, propagation=propagation, recursive=True, shown=shown)
    sys.move_mount(tree, target, shown=shown)
    os.close(tree)


def _open_target(root: Root, mount: Mount, source: Source | None) -> int:
    try:
        return root.directory(mount.target) if source is None or source.is_directory else root.file(mount.target)
    except NotADirectoryError as error:
        raise KernelRefused(
            "mount",
            error.errno or 0,
            f'error mounting "{mount.source}" to rootfs at "{mount.target}": mount {mount.source}:{mount.target}: '
            "not a directory",
        ) from None


def _real_null(root: Root) -> int:
    """The container's /dev/null, or the host's where a mount of the user's put something else there."""
    try:
        fd = root.open("/dev/null")
    except OSError:
        return os.open("/dev/null", sys.O_PATH | os.O_CLOEXEC)
    if os.fstat(fd).st_rdev == os.makedev(1, 3):
        return fd
    os.close(fd)
    return os.open("/dev/null", sys.O_PATH | os.O_CLOEXEC)


def _existing(root: Root, path: str) -> int | None:
    try:
        return root.open(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _device_of(root: Root, path: str) -> int:
    fd = root.open(path)
    try:
        return os.fstat(fd).st_dev
    finally:
        os.close(fd)
