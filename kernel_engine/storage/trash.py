"""Getting rid of trees: renamed away at once, deleted by a thread, and swept after a crash.

A tree may be of any depth, size and mode, as a hostile container can make it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from kernel_engine.syscalls.files import clear_inode_flags

#: names in the staging directory that are ours; others' half-made things are theirs to sweep
TRASH, STAGED = "trash-", "layer-"

#: seconds until deleting begins: who took a tree away has somebody to answer first, and the thread would be in the way
_PAUSE = 0.005

_log = logging.getLogger(__name__)


class Trash:
    """The place where trees of one instance go to be deleted: its staging directory."""

    def __init__(self, staging: Path) -> None:
        self._staging = staging
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trash")
        self._pending: set[Future[None]] = set()
        self._waiting: list[str] = []  #: known to the loop's thread alone
        self._closed = Event()

    def discard(self, path: Path) -> None:
        """Takes `path` from its place now, by one rename(2); its bytes go later. It may be gone already."""
        away = str(self._staging / f"{TRASH}{secrets.token_hex(8)}")
        try:
            os.rename(path, away)
        except FileNotFoundError:
            return
        except PermissionError:  # chattr +i
            _without_flags(str(path))
            os.rename(path, away)
        self._delete(away)

    def sweep(self) -> None:
        """After a crash: what an earlier daemon began to make or to delete."""
        for name in os.listdir(self._staging):
            if name.startswith((TRASH, STAGED)):
                self._delete(str(self._staging / name))

    async def emptied(self) -> None:
        """Returns when everything discarded so far is deleted."""
        self._begin()
        pending = tuple(self._pending)
        await asyncio.gather(*(asyncio.wrap_future(item) for item in pending), return_exceptions=True)

    def close(self) -> None:
        """Stops deleting soon; what is left is the next daemon's to sweep. Nobody waits for the end of a large tree."""
        self._closed.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _delete(self, path: str) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a thread
            self._submit(path)
            return
        if not self._waiting:
            loop.call_later(_PAUSE, self._begin)
        self._waiting.append(path)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for path in waiting:
            self._submit(path)

    def _submit(self, path: str) -> None:
        if self._closed.is_set():
            return
        future = self._worker.submit(remove_tree, path, str(self._staging), self._closed.is_set)
        self._pending.add(future)
        future.add_done_callback(self._deleted)

    def _deleted(self, future: Future[None]) -> None:
        self._pending.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            _log.warning("could not delete a discarded directory: %s", error)


def remove_tree(path: str, beside: str, given_up: Callable[[], bool] = lambda: False) -> None:
    """Deletes a file or directory; a full subdirectory is first moved into `beside` (same file system).

    So neither the depth of a tree nor the length of its paths has a limit. The moved directories carry the prefix
    that `Trash.sweep` knows. Errors: OSError, when something cannot be deleted even after its flags were cleared.

    given_up: asked again and again; True leaves the rest where it is.
    """
    if os.path.islink(path) or not os.path.isdir(path):
        _forced(os.unlink, path)
        return
    run = f"{beside}/{TRASH}{secrets.token_hex(6)}"
    moved = 0
    pending = [path]
    while pending and not given_up():
        directory = pending.pop()
        with os.scandir(directory) as found:
            entries = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in found]
        for entry, is_directory in entries:
            if not is_directory:
                _forced(os.unlink, entry)
            elif not _removed_empty(entry):
                moved += 1
                _forced(os.rename, entry, f"{run}.{moved}")
                pending.append(f"{run}.{moved}")
        _forced(os.rmdir, directory)


def _removed_empty(directory: str) -> bool:
    try:
        _forced(os.rmdir, directory)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _forced(act: Callable[..., Any], path: str, *arguments: str) -> None:
    """Again without the immutable and append-only flags (of the entry and of its directory) where they forbid it."""
    try:
        act(path, *arguments)
    except FileNotFoundError:
        pass
    except PermissionError:
        _without_flags(os.path.dirname(path))
        _without_flags(path)
        act(path, *arguments)


def _without_flags(path: str) -> None:
    try:
        clear_inode_flags(path)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.ELOOP, errno.ENXIO):
            raise
