"""Unpacking and packing layers, seen from the daemon: one worker process for each, and where layers are kept.

What happens inside the worker is `unpack.py` and `pack.py`; where unpacked layers live is the business of whoever
implements `LayerStore`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kernel_engine import errors
from kernel_engine.errors import CorruptData, EngineError, KernelRefused, Unavailable
from kernel_engine.images.digest import Digest, parse

#: what unpacking leaves free on the disk: this many bytes, or this part of a small disk
_RESERVE = 64 << 20
_RESERVE_PART = 20
_LINE_LIMIT = 64 << 20


class Changed(Protocol):
    """One path that a layer adds (kind 1), changes (0) or deletes (2), absolute, as inside."""

    @property
    def kind(self) -> int: ...
    @property
    def path(self) -> str: ...


class LayerStore(Protocol):
    """Unpacked layers, by chain id. Each is a directory in overlayfs's own format."""

    def has(self, chain_id: str) -> bool: ...
    def path(self, chain_id: str) -> Path: ...
    def size(self, chain_id: str) -> int: ...
    def changes(self, chain_id: str) -> Sequence[Changed]: ...
    def stage(self) -> Path: ...
    def discard(self, staged: Path) -> None: ...
    async def commit(
        self, staged: Path, *, chain_id: str, parent: str | None, diff_id: str, size: int, implied: tuple[str, ...]
    ) -> None: ...
    async def remove(self, chain_id: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What a worker found out while it unpacked a blob."""

    digest: Digest  #: of the compressed bytes, as they were read
    diff_id: Digest  #: of the tar
    size: int  #: of the files
    implied: tuple[str, ...]  #: directories without an entry of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    digest: Digest
    diff_id: Digest
    compressed: int


async def unpack(blob: Path, target: Path, *, on_progress: Callable[[int], None] = lambda count: None) -> Unpacked:
    """Unpacks the archive in `blob` into the empty directory `target`.

    CorruptData for a damaged or hostile archive, NoSpace for a full disk; `target` is then half full. A cancelled
    call ends the worker first.
    """
    with ExitStack() as opened:
        source = _open(opened, blob, os.O_RDONLY)
        root = _open(opened, target, os.O_RDONLY | os.O_DIRECTORY)
        order = {"do": "unpack", "blob": source, "root": root, "limit": _room(root)}
        done = await _work(order, (source, root), on_progress)
    return Unpacked(
        digest=parse(done["digest"]), diff_id=parse(done["diff_id"]), size=done["size"], implied=tuple(done["implied"])
    )


async def pack(source: Path, blob: Path) -> Packed:
    """Packs the directory `source` (overlay upper format) into the new file `blob`, synced to the disk."""
    with ExitStack() as opened:
        target = _open(opened, blob, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        root = _open(opened, source, os.O_RDONLY | os.O_DIRECTORY)
        done = await _work({"do": "pack", "blob": target, "root": root}, (target, root), lambda count: None)
        await asyncio.to_thread(os.fsync, target)
    return Packed(digest=parse(done["digest"]), diff_id=parse(done["diff_id"]), compressed=done["compressed"])


def _room(root: int) -> int:
    """How many bytes an archive may unpack to: what is free, but for a reserve. A bomb stops there."""
    disk = os.fstatvfs(root)
    reserve = min(_RESERVE, disk.f_blocks * disk.f_frsize // _RESERVE_PART)
    return max(0, disk.f_bavail * disk.f_frsize - reserve)


def _open(opened: ExitStack, path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    opened.callback(os.close, descriptor)
    return descriptor


async def _work(
    order: dict[str, Any], descriptors: tuple[int, ...], on_progress: Callable[[int], None]
) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "kernel_engine.images.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=descriptors,
        limit=_LINE_LIMIT,
        env={},
    )
    assert process.stdin is not None and process.stdout is not None
    ended = False
    try:
        process.stdin.write(json.dumps({**order, "daemon": os.getpid()}).encode() + b"\n")
        answer = await _answer(process.stdout, on_progress)
        ended = True
    finally:
        if not ended and process.returncode is None:
            _kill(process.pid)
        process.stdin.close()
        await process.wait()
    if "error" in answer:
        raise _error(order["do"], answer["error"])
    if "done" not in answer:
        raise Unavailable(f"the process that works on layers ended without an answer ({process.returncode})")
    done: dict[str, Any] = answer["done"]
    return done


async def _answer(lines: asyncio.StreamReader, on_progress: Callable[[int], None]) -> dict[str, Any]:
    """The worker's last line; {} where it ended without one."""
    async for line in lines:
        words: dict[str, Any] = json.loads(line)
        if "progress" not in words:
            return words
        on_progress(words["progress"])
    return {}


def _kill(pid: int) -> None:
    """Not `Process.kill`: it polls, so that it may reap the process before asyncio does, which then warns."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _error(doing: str, words: dict[str, Any]) -> EngineError:
    """What the worker reported, as the error that it was; with Docker's words in front."""
    message = f"failed to {'register' if doing == 'unpack' else 'export'} layer: {words['message']}"
    if words["kind"] == "KernelRefused":
        return KernelRefused(doing, int(words["errno"] or 0), message)
    kind = getattr(errors, words["kind"], CorruptData)
    return kind(message) if issubclass(kind, EngineError) else CorruptData(message)
