"""A URL of a build: a whole file on the disk before anybody looks at it. ADD takes it, and a remote context is one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from aiohttp import ClientResponse

from kernel_engine.build.spool import open_spool
from kernel_engine.errors import NoSpace
from kernel_engine.formats.room import room
from kernel_engine.images import sites


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """`file` is open at its beginning and has no name; the caller closes it."""

    file: int
    size: int
    digest: str  #: SHA-256, hexadecimal
    name: str  #: what it is called inside a directory; "" where neither the address nor the server says
    mtime: int  #: seconds since the epoch, 0 where the server does not say
    content_type: str


async def download(url: str, directory: Path, progress: Callable[[int, int], None] | None = None) -> Downloaded:
    """Fetches `url` to the disk of `directory`. `progress` hears of (bytes so far, all bytes or 0).

    InvalidRequest, NotFound, Unavailable with Docker's texts; NoSpace before the disk is full.
    """
    file = open_spool(directory)
    try:
        async with sites.get(url) as response:
            size, digest = await _save(response, file, progress)
            os.lseek(file, 0, os.SEEK_SET)
            return Downloaded(
                file=file,
                size=size,
                digest=digest,
                name=_name(url, response),
                mtime=_modified(response.headers.get("Last-Modified", "")),
                content_type=response.content_type if "Content-Type" in response.headers else "",
            )
    except BaseException:
        os.close(file)
        raise


async def _save(response: ClientResponse, file: int, progress: Callable[[int, int], None] | None) -> tuple[int, str]:
    limit = room(os.fstatvfs(file))
    total, size, digest = response.content_length or 0, 0, hashlib.sha256()
    async for piece in response.content.iter_any():
        size += len(piece)
        if max(size, total) > limit:
            raise NoSpace(f"{response.url}: no space left on device")
        digest.update(piece)
        _write(file, piece)
        if progress is not None:
            progress(size, total)
    return size, digest.hexdigest()


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _name(url: str, response: ClientResponse) -> str:
    """The last part of the address that was asked for; where that is a directory, what the server calls it."""
    path = unquote(urlsplit(url).path, errors="surrogateescape")
    name = path.rpartition("/")[2]
    if not name and response.content_disposition is not None:
        said = response.content_disposition.filename or ""
        name = "" if said.endswith("/") else said.rpartition("/")[2]
    return "" if name in (".", "..") or "\0" in name else name


def _modified(word: str) -> int:
    try:
        return max(0, int(parsedate_to_datetime(word).timestamp()))
    except (ValueError, TypeError, OverflowError):
        return 0
