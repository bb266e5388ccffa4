"""Where a sandbox's launcher stands: the machine to look at, and nothing of it to change.

Three things hold, whatever wall a container lacks. Its root is a user that this machine has not (a user namespace), so
that no file, process, network or setting of the machine is its own. The machine's mounts are read-only, by flags that
a user namespace cannot take off (mount_namespaces(7)). A group above it limits what it uses, and names what belongs
to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kernel_engine.runtime import cgroups, plan, user_namespace
from kernel_engine.runtime.observation import mounts as read_mounts
from kernel_engine.runtime.spec import IdRange, Ids, Resources, Spec
from kernel_engine.syscalls.mounts import MountAttribute, MountFlag, chdir, mount, mount_setattr, move_mount, open_tree
from kernel_engine.syscalls.process import CloneFlag, Prctl, join_session_keyring, prctl, unshare

#: the machine's ids that root and the others are in a sandbox: far from those that distributions hand out
FIRST_ID, IDS = 2_000_000_000, 65_536
#: an empty directory that every machine has; covered in the sandbox's own mount namespace
PLACE = Path("/mnt")
LAYERS, IMAGE, FILES, QUEUES, OWN = (PLACE / name for name in ("layers", "image", "files", "queues", "own"))
#: the container's own layer, by its way from LAYERS
UPPER, WORK, TARGET = "../own/upper", "../own/work", str(OWN / "merged")
#: the note that lies in the sandbox's IPC namespace
QUEUE = "neighbours-note"
LIMITS = Resources(memory=256 << 20, memory_swap=256 << 20, pids=128, cpu_period=100_000, cpu_quota=100_000)
_LAUNCHER = "launcher"
_RDONLY = MountAttribute.MOUNT_ATTR_RDONLY
_IDMAP = MountAttribute.MOUNT_ATTR_IDMAP
_PRIVATE = MountFlag.MS_PRIVATE | MountFlag.MS_REC
_DELEGATED = ("", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control", "/tasks")
#: what is written below these has permissions of its own
_KERNEL = ("/proc", "/sys")


def group(cgroup: str, name: str, spec: Spec, *, mapped: bool) -> str:
    """Makes the sandbox's groups, limited, and gives its path below the hierarchies' roots."""
    cgroups.create(cgroup, name, LIMITS, plan.device_rules(spec))
    path = f"{cgroup}/{name}"
    cgroups.prepare_instance(path)
    cgroups.create(path, _LAUNCHER, Resources(), ())
    for directory in cgroups.directories(path, "") if mapped else ():
        for file in _DELEGATED:
            if os.path.exists(f"{directory}{file}"):
                os.chown(f"{directory}{file}", FIRST_ID, FIRST_ID)
    return path


def users(layers: str) -> int:
    """A descriptor of a new user namespace with FIRST_ID as its root. NotSupported where the image's files cannot be
    its own."""
    ids = (IdRange(inside=0, outside=FIRST_ID, count=IDS),)
    both = Ids(users=ids, groups=ids)
    user_namespace.check_store(layers, both)
    return user_namespace.make(both)


def go(path: str) -> None:
    """This process into the sandbox's group."""
    cgroups.enter(path, _LAUNCHER)


def lower(names: Sequence[str]) -> tuple[str, ...]:
    """The container's lower directories, by their way from LAYERS: an image of several layers is one tree already."""
    return tuple(names) if len(names) < 2 else (f"../{IMAGE.name}",)


def build(layers: str, names: Sequence[str], files: dict[str, str], seccomp: str, users: int | None) -> dict[str, str]:
    """The sandbox's mount namespace, as the machine's root. Gives where each of `files` is: path inside → path here.

    names: the image's directories below `layers`, the topmost first.
    users: the user namespace that the image's files shall belong to; None = the machine's own.
    """
    before = [found for found in read_mounts(Path("/proc/self/mountinfo").read_text()) if _is_kernels(found.target)]
    unshare(CloneFlag.CLONE_NEWNS)
    mount("none", "/", "", _PRIVATE)
    image = open_tree(layers, recursive=False)
    _freeze("/", set_attributes=_RDONLY, recursive=True)
    for found in before:
        if "ro" not in found.options.split(","):
            with suppress(FileNotFoundError, NotADirectoryError):  # another mount hides it
                _freeze(found.target, clear=_RDONLY)
    mount("tmpfs", str(PLACE), "tmpfs", data=f"mode=755,size={LIMITS.memory // 4}")
    for folder in (
        LAYERS,
        IMAGE,
        FILES,
        QUEUES,
        PLACE / "own",
        *(PLACE / "own" / name for name in ("upper", "work", "merged")),
    ):
        folder.mkdir(mode=0o755)
        os.chmod(folder, 0o755)
        if users is not None:
            os.chown(folder, FIRST_ID, FIRST_ID)
    _attach_layers(image, users)
    if len(names) > 1:
        _stack(names)
    if seccomp:
        shutil.copyfile(seccomp, FILES / "seccomp")
        os.chmod(FILES / "seccomp", 0o644)
    return {inside: _laid(number, text) for number, (inside, text) in enumerate(files.items())}


def enter(users: int | None) -> None:
    """This process is the sandbox's root from here on, with its mounts locked, and a queue that a container may see."""
    join_session_keyring()
    if users is not None:
        user_namespace.enter(users)
        prctl(Prctl.PR_SET_DUMPABLE, 1)  # a change of ids took /proc/self away from this process
    unshare(CloneFlag.CLONE_NEWNS | CloneFlag.CLONE_NEWIPC)
    mount("mqueue", str(QUEUES), "mqueue")
    os.close(os.open(QUEUES / QUEUE, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def take_away(cgroup: str, name: str) -> None:
    """Ends what is left in the sandbox's groups, and removes them. Gone already is fine."""
    cgroups.kill(cgroup, name)
    cgroups.remove_instance(f"{cgroup}/{name}")


def left(cgroup: str, prefix: str) -> tuple[str, ...]:
    """Names of sandboxes of which groups are there."""
    found: set[str] = set()
    for directory in cgroups.directories(cgroup, ""):
        if os.path.isdir(directory):
            found |= {name for name in os.listdir(directory) if name.startswith(prefix)}
    return tuple(sorted(found))


def _is_kernels(target: str) -> bool:
    return any(target == place or target.startswith(f"{place}/") for place in _KERNEL)


def _freeze(
    path: str,
    *,
    set_attributes: MountAttribute = MountAttribute(0),  # noqa: B008 - an IntFlag
    clear: MountAttribute = MountAttribute(0),  # noqa: B008
    recursive: bool = False,
) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        mount_setattr(fd, set_attributes=set_attributes, clear=clear, recursive=recursive, shown=path)
    finally:
        os.close(fd)


def _attach_layers(image: int, users: int | None) -> None:
    mapped = _RDONLY if users is None else _RDONLY | _IDMAP
    mount_setattr(image, set_attributes=mapped, user_namespace=users or 0, shown=str(LAYERS))
    target = os.open(LAYERS, os.O_PATH | os.O_CLOEXEC)
    move_mount(image, target, shown=str(LAYERS))
    os.close(target)
    os.close(image)


def _stack(names: Sequence[str]) -> None:
    """The image's layers as one tree, while the machine's root reads them: in the sandbox overlayfs may not read which
    directories of a layer hide those below (trusted.overlay.opaque), and would show what the image has replaced."""
    chdir(str(LAYERS))
    mount("overlay", str(IMAGE), "overlay", MountFlag.MS_RDONLY, data=f"lowerdir={':'.join(names)}")
    chdir("/")


def _laid(number: int, text: str) -> str:
    path = FILES / str(number)
    path.write_text(text, encoding="utf-8")
    os.chmod(path, 0o644)
    return str(path)
