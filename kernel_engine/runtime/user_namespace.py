"""A user namespace of a container's own: made, and entered by the container's first process.

What the namespace's root may not do on this machine is done before `enter`, with the machine's rights: opening what is
bound into the container, mounting the overlay and /proc. On the disk owners are the container's own ids; idmapped
mounts (mount_setattr(2)) show them as the ids that the namespace's users have here (decision 0026).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from typing import NoReturn

from kernel_engine.errors import NotSupported
from kernel_engine.runtime.capabilities import mask
from kernel_engine.runtime.spec import IdRange, Ids
from kernel_engine.syscalls import mounts
from kernel_engine.syscalls import process as sys
from kernel_engine.syscalls.mounts import MountAttribute
from kernel_engine.syscalls.process import CloneFlag
from kernel_engine.syscalls.procfs import write

_OVERLAY_ON_MAPPED = (5, 19)
_NOBODY_ELSE = CloneFlag.CLONE_NEWUSER | CloneFlag.CLONE_PIDFD


def make(ids: Ids) -> int:
    """A descriptor of a new one with these ids. OSError.

    A process has to be in it while somebody outside, who has the rights for it, writes its maps.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        pid, pidfd = sys.clone3(_NOBODY_ELSE)
        if pid == 0:
            _wait(reading, writing)
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    try:
        write(f"/proc/{pid}/uid_map", lines(ids.users))
        write(f"/proc/{pid}/gid_map", lines(ids.groups))
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(writing)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)


def owned_by(ids: Ids, owner: tuple[int, int]) -> Ids:
    """For idmapped mounts of a folder: this user and group of the disk are the namespace's root, and all others of the
    namespace are on the disk who they are outside."""
    return Ids(users=_owned_by(ids.users, owner[0]), groups=_owned_by(ids.groups, owner[1]))


def _owned_by(ranges: Sequence[IdRange], owner: int) -> tuple[IdRange, ...]:
    first, *others = ranges
    rest = IdRange(inside=first.outside + 1, outside=first.outside + 1, count=first.count - 1)
    same = [IdRange(inside=item.outside, outside=item.outside, count=item.count) for item in (rest, *others)]
    return (IdRange(inside=owner, outside=first.outside, count=1), *(item for item in same if item.count))


def check_store(store: str, ids: Ids) -> None:
    """Raises NotSupported where images and containers in this directory cannot be shown with other owners."""
    release = os.uname().release
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers is not None and (int(numbers[1]), int(numbers[2])) < _OVERLAY_ON_MAPPED:
        raise NotSupported(f"user namespaces need Linux 5.19 or newer, and this is {release}")
    try:
        check_mapping(store, ids)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        text = "user namespaces are switched off on this machine (user.max_user_namespaces)"
        raise NotSupported(text, hint="sysctl user.max_user_namespaces=10000") from None


def check_mapping(path: str, ids: Ids) -> None:
    """Raises NotSupported where the file system of this directory cannot show other owners than it has."""
    descriptor = make(ids)
    tree = mounts.open_tree(path, recursive=False)
    try:
        attribute = MountAttribute.MOUNT_ATTR_IDMAP
        mounts.mount_setattr(tree, set_attributes=attribute, user_namespace=descriptor, shown=path)
    except OSError as error:
        raise NotSupported(
            f"idmapped mounts are needed, which the file system of {path} refuses: {error.strerror}",
            hint="ext4, xfs and btrfs have them",
        ) from None
    finally:
        os.close(tree)
        os.close(descriptor)


def lines(ranges: Sequence[IdRange]) -> str:
    """As uid_map and gid_map take them."""
    return "\n".join(f"{item.inside} {item.outside} {item.count}" for item in ranges)


def own_files(ids: Ids, capabilities: int) -> None:
    """From here on new files belong to the namespace's root, also those that overlayfs makes for itself: it does so
    as whoever mounted it, and on an idmapped mount nobody else has an id. It also fills disks as whoever mounted it:
    what a file system keeps for root, and quotas, are not for containers."""
    user, group = ids.root
    sys.setfsgid(group)
    sys.setfsuid(user)
    again = capabilities & ~mask(("CAP_SYS_RESOURCE",))
    sys.capset(again, again, 0, show="all again but SYS_RESOURCE")  # setfsuid(2) took those about files


def enter(descriptor: int) -> None:
    """This process becomes the namespace's root, and has no rights outside of it any more."""
    sys.setns(descriptor, CloneFlag.CLONE_NEWUSER, show="CLONE_NEWUSER")
    become_root()


def become_root() -> None:
    """Whoever enters a user namespace has all capabilities there, and nobody's id."""
    sys.setgroups(())
    sys.setresgid(0)
    sys.setresuid(0)


def _wait(reading: int, writing: int) -> NoReturn:
    """Until the maps are written, or the writer is dead."""
    try:
        os.close(writing)
        os.read(reading, 1)
    finally:
        os._exit(0)
