"""A file on its way to a worker process: a short JSON list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kernel_engine.build.tree import Node
from kernel_engine.storage.copying import File


def encode(path: str, node: Node, spools: Sequence[int]) -> list[Any]:
    """spools: descriptors that hold contents; the worker gets them in this order, behind the layers' directory."""
    where = 1 + spools.index(node.spool) if node.spool >= 0 else node.place
    xattrs = {key: value.hex() for key, value in node.xattrs.items()}
    return [
        path, node.kind, node.mode, node.mtime, node.size, where, node.offset, node.target, *node.device, xattrs,
        node.uid, node.gid, node.inode,
    ]  # fmt: skip


def decode(words: list[Any], descriptors: Sequence[int]) -> tuple[str, File]:
    """Path and file; the content of one that lies in a layer is still to be opened."""
    path, kind, mode, mtime, size, where, offset, target, major, minor, xattrs, uid, gid, inode = words
    file = File(
        kind=kind, mode=mode, mtime=mtime, size=size, descriptor=descriptors[where] if isinstance(where, int) else -1,
        offset=offset, target=target, device=(major, minor), owner=(uid, gid), inode=inode,
        xattrs={key: bytes.fromhex(value) for key, value in xattrs.items()},
    )  # fmt: skip
    return path, file
