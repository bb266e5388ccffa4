"""One daemon for an instance: a lock that ends with its holder, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kernel_engine.errors import Conflict
from kernel_engine.paths import Instance


@contextmanager
def daemon_lock(instance: Instance) -> Iterator[None]:
    """Holds the instance. Raises Conflict where another daemon does. The run directory exists."""
    descriptor = os.open(instance.daemon_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"another daemon serves this instance (process {_read(descriptor) or 'unknown'}, {instance.run})"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(instance: Instance) -> int:
    """The pid of the daemon that serves the instance; 0 for none."""
    try:
        descriptor = os.open(instance.daemon_lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return 0
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> int:
    with suppress(ValueError, OSError):
        return int(os.pread(descriptor, 32, 0))
    return 0
