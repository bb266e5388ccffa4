"""Jobs of the builder's worker processes: files into a mounted image.

Each is (order, descriptors, say) → result. Descriptors: the layers' directory, then whatever holds contents; a file in
an order says in which one it lies.
"""

from __future__ import annotations

import os
import posixpath
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from kernel_engine.build import archive
from kernel_engine.build.copied import decode
from kernel_engine.errors import InvalidRequest
from kernel_engine.runtime import accounts
from kernel_engine.storage import copying
from kernel_engine.storage.copying import File
from kernel_engine.workers.pool import Say


def copy_files(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """COPY and ADD. order: overlay, owner ("" | "name[:group]"), keep_owner, mode, destination, directory,
    items."""
    with copying.mounted(order["overlay"]):
        copier = _Copier(order, descriptors)
        for item in order["items"]:
            entries = iter(takewhile(bool, order["lines"]))
            copier.copy(item, next(entries), entries)
    return {}


def make_directory(order: dict[str, Any], descriptors: Sequence[int], say: Say) -> dict[str, Any]:
    """WORKDIR. order: overlay, path."""
    with copying.mounted(order["overlay"]):
        copying.make_directories(order["path"])
    return {}


class _Opened:
    """A file whose content lies in a layer is opened for as long as it is copied."""

    def __init__(self, file: File, words: list[Any], descriptors: Sequence[int]) -> None:
        self._file = file
        self._place = words[5]
        self._descriptors = descriptors
        self._fd = -1

    def __enter__(self) -> File:
        if self._file.kind != "file" or not isinstance(self._place, str):
            return self._file
        self._fd = os.open(self._place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._descriptors[0])
        return copying.at(self._file, self._fd)

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class _Copier:
    """One instruction's files, inside the image."""

    def __init__(self, order: dict[str, Any], descriptors: Sequence[int]) -> None:
        self._descriptors = descriptors
        said = _owner(order["owner"]) if order["owner"] else None
        self._owner = said or (0, 0)  #: of what is made
        self._given = said or (None if order["keep_owner"] else (0, 0))  #: of what is copied; None = as it is
        self._names: dict[int, str] = {}  #: inode → where its first name is
        self._mode: int | None = order["mode"]
        self._destination: str = order["destination"]
        self._is_directory: bool = order["directory"]

    def copy(self, item: dict[str, Any], top: list[Any], beneath: Iterator[list[Any]]) -> None:
        """One source: the file itself, and what lies beneath it, a directory before what is in it."""
        destination = self._destination
        if item["beneath"]:
            destination = self._with_parents(item)
        _, first = decode(top, self._descriptors)
        if first.kind == "directory":
            self._tree(beneath, destination)
            return
        deque(beneath, maxlen=0)
        with _Opened(first, top, self._descriptors) as file:
            if item["archive"] and file.kind == "file" and archive.is_archive(file):
                was_there = os.path.isdir(destination)
                directory = copying.make_directories(destination)
                if not was_there:
                    os.chown(directory, *self._owner)
                archive.unpack(file, directory)
                return
            copying.put(self._adjusted(file), self._place(destination, item["name"]))

    def _place(self, destination: str, name: str) -> str:
        """Where a single file goes: into a directory, or under the destination's own name."""
        if self._is_directory or os.path.isdir(destination):
            return posixpath.join(copying.make_directories(destination, self._owner), name)
        real = os.path.realpath(destination)
        try:
            parent = copying.make_directories(os.path.dirname(real), self._owner)
        except NotADirectoryError:
            raise InvalidRequest(f"failed to copy files: lstat {destination}: not a directory") from None
        return posixpath.join(parent, os.path.basename(real))

    def _tree(self, entries: Iterable[list[Any]], destination: str) -> None:
        """What a directory holds; the destination itself keeps its own mode, as Docker has it."""
        was_there = os.path.isdir(destination)
        try:
            root = copying.make_directories(destination)
        except NotADirectoryError as error:
            text = f"failed to copy files: failed to copy directory: mkdir {error.filename}: not a directory"
            raise InvalidRequest(text) from None
        if not was_there:
            os.chown(root, *self._owner)
        times: list[tuple[str, int]] = []
        for words in entries:
            path, file = decode(words, self._descriptors)
            target = posixpath.join(root, path)
            if file.inode and (first := self._names.get(file.inode)):
                copying.make_room(target)
                os.link(first, target, follow_symlinks=False)
                continue
            with _Opened(file, words, self._descriptors) as ready:
                copying.put(self._adjusted(ready), target)
            if file.kind == "directory":
                times.append((target, file.mtime))
            elif file.inode:
                self._names[file.inode] = target
        for target, mtime in reversed(times):
            copying.set_time(target, mtime)

    def _with_parents(self, item: dict[str, Any]) -> str:
        """--parents: the directories above the source, as they are there."""
        here = copying.make_directories(self._destination, self._owner)
        for name, words in zip(item["beneath"].split("/"), item["parents"], strict=True):
            here = posixpath.join(here, name)
            _, file = decode(words, self._descriptors)
            if not os.path.isdir(here):
                copying.put(self._adjusted(file), here)
        return here

    def _adjusted(self, file: File) -> File:
        return copying.changed(file, self._given, None if file.kind == "link" else self._mode)


def _owner(word: str) -> tuple[int, int]:
    """--chown's names are those of the image."""
    try:
        return accounts.find_owner(word, accounts.read_file("/etc/passwd"), accounts.read_file("/etc/group"))
    except InvalidRequest as error:
        raise InvalidRequest(f"unable to convert uid/gid chown string to host mapping: {error.message}") from None
