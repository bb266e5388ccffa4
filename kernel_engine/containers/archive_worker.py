"""Jobs of a worker process that sees a container's files as the container does: look at, pack, unpack.

Each is (order, descriptors, say) → result. An order's `view` is {"pid"} of a process of a container that runs, whose
mount namespace is entered, or {"overlay", "binds"} of one that does not, which is mounted here. Either way every path
and every link on it ends inside.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kernel_engine.containers.extraction import extract
from kernel_engine.errors import Conflict, Forbidden, InvalidRequest, NotFound
from kernel_engine.formats.room import room
from kernel_engine.images.compression import CHUNK, plain_chunks
from kernel_engine.images.pack import pack_file, pack_tree
from kernel_engine.images.tar_reader import Stream, TarReader
from kernel_engine.runtime import accounts, user_namespace
from kernel_engine.storage import copying
from kernel_engine.syscalls.files import syncfs
from kernel_engine.syscalls.process import CloneFlag, setns
from kernel_engine.workers.pool import Say


def stat_path(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """order: view, path. What Docker tells of a path: name, size, mode (st_mode), mtime (ns), link target."""
    with _seen(order["view"]):
        return _look(order["path"])


def pack_path(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """order: view, path. Descriptors: where the archive goes. `path` is told first, by say({"stat": …})."""
    (target,) = descriptors
    with _seen(order["view"]):
        found = _look(order["path"])
        place = _resolved(order["path"])
        base = os.fsencode(_base(order["path"]))
        sink = _Pipe(target)
        is_directory = stat.S_ISDIR(os.lstat(place).st_mode)
        with _opened(place if is_directory else os.path.dirname(place)) as directory:
            say({"stat": found})
            if is_directory:
                pack_tree(directory, sink, base, stay=False)
            else:
                pack_file(directory, os.fsencode(os.path.basename(place)), sink, base)
        sink.flush()
    return {}


def pack_root(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """docker export. order: view. What is mounted into the container (volumes, /proc, …) is left out."""
    (target,) = descriptors
    with _seen(order["view"]):
        sink = _Pipe(target)
        with _opened("/") as root:
            pack_tree(root, sink, b"", stay=True)
        sink.flush()
    return {}


def unpack_into(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """order: view, path, keep_kinds, user ("" or a USER word that everything is to belong to), read_only.

    Descriptors: where the archive comes from.
    """
    (source,) = descriptors
    with _seen(order["view"]):
        place = os.path.realpath(order["path"])
        if not os.path.lexists(place):
            raise NotFound(f"Could not find the file {order['path']} in container {order['container']}")
        if not os.path.isdir(place):
            raise InvalidRequest("extraction point is not a directory")
        if order["read_only"] and not _mounted(place, order["writable"]):
            raise Forbidden("container rootfs is marked read-only")
        owner = None
        if order["user"]:
            owner = accounts.find_owner(
                order["user"], accounts.read_file("/etc/passwd"), accounts.read_file("/etc/group")
            )
        limit = room(os.statvfs(place))
        try:
            extract(TarReader(Stream(plain_chunks(source, limit))), place, owner=owner, keep_kinds=order["keep_kinds"])
        except OSError as error:
            if error.errno == errno.EROFS:
                raise Forbidden("mounted volume is marked read-only") from None
            raise
    return {}


def seed_volume(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """What an image has at `path` into an empty volume. order: view, path. Descriptors: the volume's directory."""
    (volume,) = descriptors
    with _seen(order["view"]):
        source = os.path.realpath(order["path"])
        if os.path.isdir(source):
            copying.copy_tree(source, volume)
            if os.listdir(source):
                syncfs(".")  # which is the volume now: what it holds is on the disk before it is on record
    return {}


def _mounted(place: str, writable: Sequence[str]) -> bool:
    """Whether it lies beneath something that is mounted into a container whose root is read-only."""
    return any(place == point or place.startswith(f"{point}/") for point in writable)


@contextmanager
def _seen(view: dict[str, Any]) -> Iterator[None]:
    if view.get("pid"):
        try:
            _enter(view["pid"])
        except (FileNotFoundError, ProcessLookupError):
            raise Conflict("the container has ended meanwhile") from None
        os.umask(0)
        yield
        return
    with copying.mounted(view["overlay"], view["binds"]):
        yield


def _enter(pid: int) -> None:
    """The container's files, with the rights that its own root has."""
    there = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    users = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    if not os.path.samestat(os.fstat(users), os.stat("/proc/self/ns/user")):
        user_namespace.enter(users)
    setns(there, CloneFlag.CLONE_NEWNS)
    os.close(users)
    os.close(there)


@contextmanager
def _opened(directory: str) -> Iterator[int]:
    """Closed before the view ends, or it could not be unmounted."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _look(path: str) -> dict[str, Any]:
    place = _resolved(path)
    try:
        found = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(path) from None
    target = os.path.realpath(place) if stat.S_ISLNK(found.st_mode) else ""
    return {
        "name": _base(path),
        "size": found.st_size,
        "mode": found.st_mode,
        "mtime": found.st_mtime_ns,
        "target": target,
    }


def _resolved(path: str) -> str:
    """Links on the way are followed; the last one only where the path says that it is a directory (`/x/`, `/x/.`)."""
    if path.rstrip("/") in ("", "/."):
        return "/"
    if path.endswith(("/", "/.")):
        place = os.path.realpath(path)
        if os.path.lexists(place) and not os.path.isdir(place):
            raise NotFound(path)
        return place
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _base(path: str) -> str:
    """Go's filepath.Base of a path whose trailing `/.` is kept."""
    if path.endswith("/."):
        return "."
    return os.path.basename(path.rstrip("/")) or "/"


class _Pipe:
    """Joins small writes. BrokenPipeError where nobody reads any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data)
        if self._size >= CHUNK:
            self.flush()

    def flush(self) -> None:
        view = memoryview(b"".join(self._pending))
        self._pending.clear()
        self._size = 0
        while view:
            view = view[os.write(self._descriptor, view) :]
