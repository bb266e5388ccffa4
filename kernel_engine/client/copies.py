"""Files of this machine to an archive and back, for `docker cp`. What goes where is decided by `cli/copy.py`.

Nothing of an archive is written outside of the directory that it is unpacked into, whatever its names and links say.
"""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from typing import Any, cast

PIECE = 1 << 18


class CopyError(Exception):
    """One sentence; what of this machine cannot be read or written."""


def pack(path: str, name: str) -> Iterator[bytes]:
    """The file or directory `path` as an archive in which it is called `name` ("." for a directory's contents)."""
    reading, writing = os.pipe()
    failed: list[Exception] = []

    def write() -> None:
        try:
            with (
                open(writing, "wb") as pipe,
                tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as archive,
            ):
                archive.add(path, arcname=name, filter=_plain)
        except BrokenPipeError:
            pass  # the reader has left, and says why
        except (OSError, tarfile.TarError) as error:
            failed.append(error)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    with open(reading, "rb") as pipe:
        while piece := pipe.read(PIECE):
            yield piece
    thread.join()
    if failed:
        raise CopyError(_sentence(failed[0]))


def unpack(pieces: Iterable[bytes], directory: str, old: str, new: str, *, keep_owners: bool) -> None:
    """Into `directory`; where names begin with `old`, `new` stands there instead. CopyError."""
    top = os.path.realpath(directory)
    times: list[tuple[str, int]] = []
    try:
        with tarfile.open(fileobj=cast("Any", _Reader(pieces)), mode="r|") as archive:
            for member in archive:
                target = _place(top, renamed(member.name, old, new))
                if target is None:
                    continue
                _write(archive, member, target, top, old, new)
                if keep_owners and os.geteuid() == 0:
                    os.chown(target, member.uid, member.gid, follow_symlinks=False)
                if member.isdir():
                    times.append((target, int(member.mtime)))
                elif not member.issym():
                    os.utime(target, (member.mtime, member.mtime))
        for target, mtime in reversed(times):
            os.utime(target, (mtime, mtime))
    except (OSError, tarfile.TarError) as error:
        raise CopyError(_sentence(error)) from error


def renamed(name: str, old: str, new: str) -> str:
    """Docker's RebaseArchiveEntries: the first `old` of a name becomes `new`."""
    if old == new or not old:
        return name
    if old == "/":
        return os.path.join(new, name.lstrip("/"))
    return name.replace(old, new, 1)


def _place(top: str, name: str) -> str | None:
    """Where a member goes: beneath `top` with all links on the way followed. None for `top` itself."""
    name = os.path.normpath(name.lstrip("/"))
    if name == ".":
        return None
    parent = os.path.realpath(os.path.join(top, os.path.dirname(name)))
    if name.startswith("..") or os.path.commonpath((top, parent)) != top:
        raise CopyError(f"invalid archive: {name} leads out of {top}")
    return os.path.join(parent, os.path.basename(name))


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: str, top: str, old: str, new: str) -> None:
    there = os.path.lexists(target)
    is_directory = os.path.isdir(target) and not os.path.islink(target)
    if there and is_directory != member.isdir():
        kinds = ("directory", "non-directory") if is_directory else ("non-directory", "directory")
        raise CopyError(f'cannot overwrite {kinds[0]} "{target}" with {kinds[1]} "{member.name}"')
    if there and not is_directory:
        os.unlink(target)
    if member.isdir():
        os.makedirs(target, exist_ok=True)
    elif member.issym():
        os.symlink(member.linkname, target)
        return
    elif member.islnk():
        source = _place(top, renamed(member.linkname, old, new))
        if source is not None:
            os.link(source, target, follow_symlinks=False)
        return
    elif member.isfile():
        _write_file(archive, member, target)
    elif member.isfifo():
        os.mkfifo(target)
    else:
        os.mknod(target, (0o20000 if member.ischr() else 0o60000) | 0o600, os.makedev(member.devmajor, member.devminor))
    os.chmod(target, member.mode & 0o7777)


def _write_file(archive: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> None:
    content = archive.extractfile(member)
    assert content is not None
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        while piece := content.read(PIECE):
            file.write(piece)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Docker sends numbers only."""
    member.uname = member.gname = ""
    return member


class _Reader:
    """Pieces as a file that can be read once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    return f"invalid archive: {error}"
