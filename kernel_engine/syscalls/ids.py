"""Which users and groups this process's user namespace has, as the kernel tells it (user_namespaces(7)).

Facts of the moment at which they are asked: a process that enters another namespace has others.
"""

from __future__ import annotations

from kernel_engine.syscalls.cgroupfs import read

#: every number that a uid_t holds but the last, which is no user
_ALL = (0, 0, (1 << 32) - 1)


def uid_map() -> tuple[tuple[int, int, int], ...]:
    """inside, outside, count of each line."""
    return _map("uid_map")


def gid_map() -> tuple[tuple[int, int, int], ...]:
    return _map("gid_map")


def is_machines() -> bool:
    """Is it the namespace that the machine began with (or one that has all the ids of one)?"""
    return uid_map() == (_ALL,)


def may_set_groups() -> bool:
    """False in a namespace whose maps an ordinary user has written without help."""
    return read("/proc/self/setgroups").strip() != "deny"


def _map(name: str) -> tuple[tuple[int, int, int], ...]:
    lines = read(f"/proc/self/{name}").splitlines()
    return tuple((int(inside), int(outside), int(count)) for inside, outside, count in map(str.split, lines))
