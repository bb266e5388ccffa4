"""Which file systems a container's root is made of, decided before anything is mounted. Pure.

The values are carried out by `rootfs`, in order. Source of the options: Docker's default OCI spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kernel_engine.runtime.defaults import DEVICE_RULES, PRIVILEGED_DEVICE_RULES
from kernel_engine.runtime.spec import Device, DeviceRule, Spec
from kernel_engine.syscalls.mounts import NO_MOUNT_FLAGS, MountFlag

_NO_SUID_EXEC = MountFlag.MS_NOSUID | MountFlag.MS_NOEXEC
_NOTHING = _NO_SUID_EXEC | MountFlag.MS_NODEV
_NOTHING_READ_ONLY = _NOTHING | MountFlag.MS_RDONLY
_DEV = MountFlag.MS_NOSUID | MountFlag.MS_STRICTATIME
CGROUP_ROOT, QUEUES = "/sys/fs/cgroup", "/dev/mqueue"
_TTY = 5  #: the group of terminals, on every distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """One mount(2) of a new file system; with type "bind", of the host's `source` recursively."""

    type: str
    target: str
    source: str = ""
    flags: MountFlag = NO_MOUNT_FLAGS
    data: str = ""

    def describe(self) -> str:
        return f"mount {self.type or self.source} on {self.target}"


def standard(
    spec: Spec,
    cgroup_mode: str,
    hierarchies: Mapping[str, str],
    *,
    foreign: frozenset[str] = frozenset(),
    groups: int = 65_536,
    queues: bool = True,
) -> tuple[FileSystem, ...]:
    """The mounts that every container has, without those that the user's own replace (by target, as Docker does).

    hierarchies: v1 only, controller → mount point on the host of those that the container has a group in.
    foreign: namespaces that belong to more than who mounts here is root of: what shows them cannot be mounted, only
    bound, where the container has none of its own. groups: how many groups there are. queues: the
    machine has a /dev/mqueue that could be bound.
    """
    bound = foreign - set(spec.namespaces) - {item.namespace for item in spec.joined}
    replaced = {mount.target.rstrip("/") or "/" for mount in spec.mounts}
    systems = (
        *_kernel_views(spec, bound),
        *_devices(spec, bound, groups, queues),
        *_cgroups(spec, cgroup_mode, hierarchies),
    )
    return tuple(
        system
        for system in systems
        if system.target not in replaced and not ("/dev" in replaced and system.target.startswith("/dev/"))
    )


def has_own_dev(spec: Spec) -> bool:
    """False where the user mounts a /dev: then no node is made in it."""
    return all(mount.target.rstrip("/") != "/dev" for mount in spec.mounts)


def device_rules(spec: Spec) -> tuple[DeviceRule, ...]:
    """The device allow-list: Docker's, then one rule for each node that the spec asks for, then the spec's own."""
    if spec.privileged:
        return (*PRIVILEGED_DEVICE_RULES, *spec.resources.devices)
    nodes = tuple(_allow(device) for device in spec.devices)
    return (*DEVICE_RULES, *nodes, *spec.resources.devices)


def _allow(device: Device) -> DeviceRule:
    return DeviceRule(allow=True, type=device.type, major=device.major, minor=device.minor)


def _kernel_views(spec: Spec, bound: frozenset[str]) -> tuple[FileSystem, ...]:
    """bound: namespaces that are the machine's own, and not to be mounted."""
    flags = _NOTHING if spec.privileged else _NOTHING_READ_ONLY
    proc = ("bind", "/proc") if "pid" in bound else ("proc", "proc")
    sysfs = ("bind", "/sys") if "net" in bound else ("sysfs", "sysfs")
    # with /sys come its groups, and the one tree of v2 cannot be mounted over itself (EBUSY)
    cover = FileSystem(type="tmpfs", source="tmpfs", target=CGROUP_ROOT, flags=_NOTHING, data="mode=755")
    return (
        FileSystem(type=proc[0], source=proc[1], target="/proc", flags=_NOTHING),
        FileSystem(type=sysfs[0], source=sysfs[1], target="/sys", flags=flags),
        *((cover,) if "net" in bound else ()),
    )


def _devices(spec: Spec, bound: frozenset[str], groups: int, queues: bool) -> tuple[FileSystem, ...]:
    pts = f"newinstance,ptmxmode=0666,mode=0620{f',gid={_TTY}' if groups > _TTY else ''}"
    found = [
        FileSystem(type="tmpfs", source="tmpfs", target="/dev", flags=_DEV, data="mode=755,size=65536k"),
        FileSystem(type="devpts", source="devpts", target="/dev/pts", flags=_NO_SUID_EXEC, data=pts),
    ]
    # an mqueue file system shows the queues of the mounting process's IPC namespace, the host's too (mq_overview(7))
    if "ipc" not in bound:
        found.append(FileSystem(type="mqueue", source="mqueue", target=QUEUES, flags=_NOTHING))
    elif queues:
        found.append(FileSystem(type="bind", source=QUEUES, target=QUEUES, flags=_NOTHING))
    if not spec.shm_size or any(item.namespace == "ipc" for item in spec.joined):
        return tuple(found)  # `rootfs.attach_memory` brings the other container's
    if "ipc" in spec.namespaces:
        size = f"mode=1777,size={spec.shm_size}"
        found.append(FileSystem(type="tmpfs", source="shm", target="/dev/shm", flags=_NOTHING, data=size))
    else:
        found.append(FileSystem(type="bind", source="/dev/shm", target="/dev/shm"))
    return tuple(found)


def _cgroups(spec: Spec, mode: str, hierarchies: Mapping[str, str]) -> tuple[FileSystem, ...]:
    """v2: the unified tree; v1: a tmpfs with a directory for each hierarchy. Read-only unless privileged.

    With a cgroup namespace each shows the container's own group as its root (cgroup_namespaces(7)); without one,
    v1's are binds of the container's own group, as Docker does, and v2's is the host's whole tree.
    """
    private = "cgroup" in spec.namespaces
    if mode == "none":
        return ()
    flags = _NOTHING if spec.privileged else _NOTHING_READ_ONLY
    if mode == "v2":
        if private:
            return (FileSystem(type="cgroup2", source="cgroup", target=CGROUP_ROOT, flags=flags),)
        return (FileSystem(type="bind", source=CGROUP_ROOT, target=CGROUP_ROOT, flags=flags),)
    found = [FileSystem(type="tmpfs", source="tmpfs", target=CGROUP_ROOT, flags=_NOTHING, data="mode=755")]
    for point in dict.fromkeys(hierarchies.values()):
        names = ",".join(name for name, place in hierarchies.items() if place == point)
        target = f"{CGROUP_ROOT}/{names.removeprefix('name=')}"
        if private:
            found.append(FileSystem(type="cgroup", source="cgroup", target=target, flags=flags, data=names))
        else:
            source = f"{point}/{spec.cgroup}/{spec.id}"
            found.append(FileSystem(type="bind", source=source, target=target, flags=flags))
    return tuple(found)
