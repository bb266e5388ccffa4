"""Paths beneath a container's root that the container may have made hostile: opened and made, never escaped.

Every step is an openat2(2) with RESOLVE_IN_ROOT from the open root, so that a symbolic link, however it points and
whoever swaps it meanwhile, ends inside. The results are O_PATH descriptors to mount on.
"""

from __future__ import annotations

import errno
import os
import stat

from kernel_engine.syscalls.mounts import AT_FDCWD, O_PATH, ResolveFlag, mkdirat, openat2

#: path_resolution(7): more links than this are a loop
LINKS = 40
_IN_ROOT = ResolveFlag.RESOLVE_IN_ROOT | ResolveFlag.RESOLVE_NO_MAGICLINKS


class Root:
    """A directory that is `/` for every path given here."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def at(cls, path: str) -> Root:
        return cls(os.open(path, O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))

    @classmethod
    def beneath(cls, path: str) -> Root:
        """The same for a place whose parents may be somebody's who is not trusted: ELOOP where a link is on the way."""
        return cls(openat2(AT_FDCWD, path, O_PATH | os.O_DIRECTORY, ResolveFlag.RESOLVE_NO_SYMLINKS))

    def close(self) -> None:
        os.close(self.fd)

    def open(self, path: str, flags: int = O_PATH) -> int:
        """Follows links inside the root. OSError as open(2)."""
        return openat2(self.fd, path, flags, _IN_ROOT)

    def directory(self, path: str, mode: int = 0o755) -> int:
        """Opened; made with its parents where missing. ENOTDIR where something else is there."""
        try:
            return openat2(self.fd, path, O_PATH | os.O_DIRECTORY, _IN_ROOT)
        except FileNotFoundError:
            return self._open_made(path, mode, is_directory=True)

    def file(self, path: str) -> int:
        """Opened (anything but a directory); an empty file is made, and its parents, where nothing is there."""
        try:
            fd = openat2(self.fd, path, O_PATH, _IN_ROOT)
        except FileNotFoundError:
            return self._open_made(path, 0o755, is_directory=False)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return fd

    def _open_made(self, path: str, mode: int, *, is_directory: bool) -> int:
        """Makes what is missing, part by part; a dangling link is followed to what it names."""
        pending = [part for part in path.split("/") if part][::-1]
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part in (".", ".."):
                done = done[:-1] if part == ".." else done
                continue
            content = self._link(done, part)
            if content is not None:
                links += 1
                if links > LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                done = [] if content.startswith("/") else done
                pending += [piece for piece in content.split("/") if piece][::-1]
                continue
            self._make(done, part, mode, is_directory=is_directory or bool(pending))
            done.append(part)
        flags = O_PATH | os.O_DIRECTORY if is_directory else O_PATH
        return openat2(self.fd, "/" + "/".join(done), flags, _IN_ROOT)

    def _link(self, parents: list[str], name: str) -> str | None:
        """What the symbolic link holds, None for anything else."""
        parent = openat2(self.fd, "/" + "/".join(parents), O_PATH | os.O_DIRECTORY, _IN_ROOT)
        try:
            return os.readlink(name, dir_fd=parent)
        except OSError:
            return None
        finally:
            os.close(parent)

    def _make(self, parents: list[str], name: str, mode: int, *, is_directory: bool) -> None:
        parent = openat2(self.fd, "/" + "/".join(parents), O_PATH | os.O_DIRECTORY, _IN_ROOT)
        try:
            if is_directory:
                mkdirat(parent, name, mode)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_WRONLY, 0o644, dir_fd=parent))
        except FileExistsError:
            return
        finally:
            os.close(parent)
