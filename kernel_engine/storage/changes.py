"""What a container changed: its upper directory against the layers beneath, in `docker diff`'s terms.

Docker compares two mounted trees (moby, archive.ChangesDirs over the naive diff driver); here only the upper directory
is walked, which gives the same answer, because nothing else can differ. The upper directory may change meanwhile, and
its owner may be hostile: no symbolic link in it is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kernel_engine.storage import overlay
from kernel_engine.storage.overlay import Found
from kernel_engine.syscalls.mounts import ResolveFlag, openat2

MODIFIED, ADDED, DELETED = 0, 1, 2
_CAPABILITY = "security.capability"
#: a live tree: what was there a moment ago may be gone, or be something else; paths may grow beyond any limit
_MOVED_ON = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of `docker diff`. kind: 0 modified (C), 1 added (A), 2 deleted (D); path: absolute, as inside."""

    kind: int
    path: str


def changes(upper: str, lower: Sequence[str]) -> tuple[Change, ...]:
    """Sorted by path. `lower`: the directories beneath, topmost first.

    The parents of a change are C. A file that was opened for writing but not changed does not count; times and sizes
    of directories do not count; a deleted directory is one D; a directory that was deleted and made again has its
    lost children as D.
    """
    found: dict[str, int] = {}
    root = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        pending: list[tuple[str, tuple[str, ...]]] = [("", tuple(lower))]
        while pending:
            path, beneath = pending.pop()
            with opened(root, path) as directory:
                if directory is not None:
                    pending.extend(_compare(directory, path, beneath, found))
    finally:
        os.close(root)
    for path in tuple(found):
        while (path := path.rpartition("/")[0]) and path not in found:  # up to the root
            found[path] = MODIFIED
    listed = sorted((_readable(path), kind) for path, kind in found.items())
    return tuple(Change(kind=kind, path=f"/{path}") for path, kind in listed)


def size(upper: str) -> int:
    """Bytes of the files in a writable layer; a file with several names counts once (moby, directory.Size)."""
    total = 0
    seen: set[int] = set()
    root = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        pending = [""]
        while pending:
            path = pending.pop()
            with opened(root, path) as directory:
                for entry, status in entries(directory):
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(_join(path, entry.name))
                    elif status.st_ino not in seen:
                        total += status.st_size
                        if status.st_nlink > 1:
                            seen.add(status.st_ino)
    finally:
        os.close(root)
    return total


def _compare(
    directory: int, path: str, beneath: tuple[str, ...], found: dict[str, int]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Notes the changes of one upper directory in `found`; yields its subdirectories with what lies beneath them."""
    opaque = overlay.is_opaque(directory)
    here: set[str] = set()
    for entry, status in entries(directory):
        name = _join(path, entry.name)
        old = overlay.look_up(beneath, entry.name)
        if overlay.is_whiteout(status):
            if old is not None:
                found[name] = DELETED
                here.add(entry.name)
            continue
        here.add(entry.name)
        if old is None:
            found[name] = ADDED
        elif _differs(directory, entry.name, status, old):
            found[name] = MODIFIED
        if stat.S_ISDIR(status.st_mode):
            yield name, old.directories if old else ()
    if opaque:
        for lost in overlay.names(beneath) - here:
            found[_join(path, lost)] = DELETED


def _differs(directory: int, name: str, new: os.stat_result, old: Found) -> bool:
    """moby, archive.statDifferent, and the file's capabilities."""
    before = old.status
    if (new.st_mode, new.st_uid, new.st_gid, new.st_rdev) != (
        before.st_mode, before.st_uid, before.st_gid, before.st_rdev,
    ):  # fmt: skip
        return True
    if not stat.S_ISDIR(new.st_mode):
        if new.st_size != before.st_size or not _same_time(new.st_mtime_ns, before.st_mtime_ns):
            return True
    return overlay.attribute(f"/proc/self/fd/{directory}/{name}", _CAPABILITY) != overlay.attribute(
        old.path, _CAPABILITY
    )


def _same_time(one: int, other: int) -> bool:
    """Archives often keep whole seconds only."""
    second = 1_000_000_000
    return one == other or (one // second == other // second and 0 in (one % second, other % second))


@contextmanager
def opened(root: int, path: str) -> Iterator[int | None]:
    """A directory beneath `root`, reached without following any link; None where it is no longer there."""
    try:
        directory = openat2(
            root,
            path or ".",
            os.O_RDONLY | os.O_DIRECTORY,
            ResolveFlag.RESOLVE_BENEATH | ResolveFlag.RESOLVE_NO_SYMLINKS,
        )
    except OSError as error:
        if error.errno not in _MOVED_ON:
            raise
        yield None
        return
    try:
        yield directory
    finally:
        os.close(directory)


def entries(directory: int | None) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """What is in it; nothing for None."""
    if directory is None:
        return
    with os.scandir(directory) as found:
        for entry in found:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield entry, status


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _readable(path: str) -> str:
    """File names are bytes; what is not UTF-8 is shown as Go's JSON shows it."""
    return os.fsencode(path).decode("utf-8", "replace")
