"""Capabilities by name: Docker's default set, --cap-add and --cap-drop, and bit masks (capabilities(7))."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from kernel_engine.errors import InvalidRequest

#: in the order of linux/capability.h: the index is the bit
NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip

#: Docker's 14
DEFAULT = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
)  # fmt: skip

ALL = "ALL"


def resolve(add: Sequence[str], drop: Sequence[str], privileged: bool) -> tuple[str, ...]:
    """What a container gets; ("ALL",) for every one that the kernel and the host give.

    Docker's rules: privileged looks at neither list; `--cap-add ALL` starts from all, `--cap-drop ALL` from none.
    Raises InvalidRequest with Docker's text for an unknown name.
    """
    added, dropped = normalize(add, "CapAdd"), normalize(drop, "CapDrop")
    if privileged:
        return (ALL,)
    if ALL in added:
        return tuple(name for name in NAMES if name not in dropped) if dropped else (ALL,)
    if ALL in dropped:
        return tuple(name for name in added)
    kept = [name for name in DEFAULT if name not in dropped]
    return (*kept, *(name for name in added if name not in kept))


def normalize(words: Iterable[str], option: str) -> tuple[str, ...]:
    """ "net_admin" → "CAP_NET_ADMIN", each once. `option` ("CapAdd") is for the message."""
    names: list[str] = []
    for word in words:
        upper = word.upper()
        name = upper if upper == ALL or upper.startswith("CAP_") else f"CAP_{upper}"
        if name not in NAMES and name != ALL:
            raise InvalidRequest(f'invalid {option}: unknown capability: "{name}"')
        if name not in names:
            names.append(name)
    return tuple(names)


def mask(names: Iterable[str]) -> int:
    """Bits; ("ALL",) is every bit, to be cut by what the process has."""
    return _mask(tuple(names))


@lru_cache(maxsize=64)
def _mask(names: tuple[str, ...]) -> int:
    if ALL in names:
        return (1 << 64) - 1
    return sum(1 << NAMES.index(name) for name in names)


def from_mask(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(NAMES) if bits >> bit & 1)
