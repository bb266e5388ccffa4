"""COPY, ADD and WORKDIR: what is taken is decided here, a worker process puts it into the mounted image."""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kernel_engine.build.copied import encode
from kernel_engine.build.download import download
from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.site import Site
from kernel_engine.build.sources import Picked, Selection, select
from kernel_engine.build.tree import Node, Tree, readable
from kernel_engine.errors import EngineError, NoSpace
from kernel_engine.formats.dockerfile.instructions import Add, Copy
from kernel_engine.storage import overlay
from kernel_engine.storage.scratch import Scratch, scratch

if TYPE_CHECKING:
    from kernel_engine.images.image import Image

_PIECE = 1 << 15
_URLS = ("http://", "https://")
_SEVERAL = "When using {} with more than one source file, the destination must be a directory and end with a /"


@dataclass(slots=True, kw_only=True)
class Copying:
    """A COPY or ADD, with all that it takes."""

    copy: Copy
    selection: Selection
    destination: str
    is_directory: bool
    downloads: list[int] = field(default_factory=list)  #: open descriptors

    @property
    def keyword(self) -> str:
        return "ADD" if isinstance(self.copy, Add) else "COPY"

    @property
    def shown_destination(self) -> str:
        return self.destination + "/" if self.is_directory and self.destination != "/" else self.destination

    def close(self) -> None:
        for descriptor in self.downloads:
            os.close(descriptor)


async def prepare(site: Site, copy: Copy, source: Tree, working_dir: str) -> Copying:
    """Finds the sources; reads those that are URLs. BuildFailed with Docker's texts. To be closed."""
    keyword = "ADD" if isinstance(copy, Add) else "COPY"
    urls = tuple(word for word in copy.sources if isinstance(copy, Add) and word.startswith(_URLS))
    words = tuple(word for word in copy.sources if word not in urls)
    destination, is_directory = _destination(copy.destination, working_dir)
    copying = Copying(
        copy=copy, selection=Selection(picked=()), destination=destination, is_directory=is_directory
    )  # fmt: skip
    try:
        picked = await asyncio.to_thread(
            select, source, words, keyword=keyword, context=not copy.from_, parents=copy.parents, exclude=copy.exclude
        )
        picked += tuple(
            Picked(name=body.name, path=body.name, node=site.context.keep(body.content.encode()))
            for body in copy.heredocs
        )
        for url in urls:
            assert isinstance(copy, Add)
            picked += (await _download(site, copy, url, copying),)
        if len(picked) > 1 and not is_directory and not copy.parents:
            raise BuildFailed(_SEVERAL.format(keyword))
        copying.selection = Selection(picked=picked, exclude=copy.exclude)
    except BaseException:
        copying.close()
        raise
    return copying


def words(copy: Copy) -> tuple[str, ...]:
    """All of the instruction that makes a difference, but for the destination and the contents."""
    flags = {"from": copy.from_, "chown": copy.chown, "chmod": copy.chmod, "parents": copy.parents}
    more = {"checksum": copy.checksum, "unpack": copy.unpack} if isinstance(copy, Add) else {}
    shown = [f"--{name}={value}" for name, value in {**flags, **more}.items() if value not in ("", False, None)]
    return (*shown, *(f"--exclude={word}" for word in copy.exclude), *copy.sources, *(b.name for b in copy.heredocs))


async def copy_files(site: Site, copying: Copying, place: Scratch) -> None:
    """Fills the upper directory of `place`."""
    copy = copying.copy
    spools = [site.context.spool, *copying.downloads]
    unpack = isinstance(copy, Add) and copy.unpack is not False
    order = {
        "overlay": overlay_words(place),
        "owner": copy.chown,
        "keep_owner": bool(copy.from_),
        "mode": _mode(copy.chmod),
        "destination": copying.destination,
        "directory": copying.is_directory or copy.parents,
        "items": [_item(item, copying, spools, archive=unpack) for item in copying.selection.picked],
    }
    lines = await asyncio.to_thread(_entries, copying, spools)
    await work(site, "copy_files", order, spools, copying.keyword, lines)


async def make_working_directory(site: Site, path: str, place: Scratch) -> None:
    await work(site, "make_directory", {"overlay": overlay_words(place), "path": path}, [], "WORKDIR")


async def work(
    site: Site, job: str, order: dict[str, Any], spools: list[int], keyword: str, lines: Iterable[bytes] = ()
) -> None:
    """Descriptors: the layers' directory, then those with contents. BuildFailed for what the files do not allow."""
    layers = os.open(site.house.layers.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        await site.house.workers.run(f"kernel_engine.build.worker:{job}", order, (layers, *spools), lines=lines)
    except NoSpace:
        raise
    except OSError as error:
        if error.errno in (28, 122):  # ENOSPC, EDQUOT
            raise NoSpace(f"{keyword} failed: no space left on device") from None
        where = f"{readable(error.filename)}: " if error.filename else ""
        raise BuildFailed(f"{keyword} failed: {where}{os.strerror(error.errno or 0).lower()}") from None
    except EngineError as error:
        raise BuildFailed(error.message) from None
    finally:
        os.close(layers)


def is_there(site: Site, image: Image | None, path: str) -> bool:
    """Whether the image has the directory already, as far as can be seen without following a link."""
    layers = site.house.layers.paths(image.chain_id if image else None)
    found = overlay.look_up_path(layers, path.strip("/")) if path.strip("/") else None
    return path == "/" or (found is not None and bool(found.directories))


def tree_of(site: Site, image: Image) -> Tree:
    return Tree.of_layers(site.house.layers.root, site.house.layers.paths(image.chain_id))


@contextmanager
def place_on(site: Site, image: Image | None) -> Iterator[Scratch]:
    with scratch(site.house.layers, image.chain_id if image else None) as place:
        yield place


def overlay_words(place: Scratch) -> dict[str, str]:
    plan = place.overlay
    return {"base": str(plan.base), "data": plan.data(), "target": str(plan.target)}


def _item(item: Picked, copying: Copying, spools: list[int], *, archive: bool) -> dict[str, Any]:
    return {
        "name": item.name,
        "beneath": item.beneath,
        "parents": [encode("", node, spools) for node in item.parents],
        # what was downloaded is unpacked only where --unpack asks for it
        "archive": archive and (item.node.spool not in copying.downloads or _says_unpack(copying.copy)),
    }


def _entries(copying: Copying, spools: list[int]) -> list[bytes]:
    """The files of each item, with an empty list behind it. In small pieces: making one holds up the whole daemon."""
    lines: list[bytes] = []
    for item in copying.selection.picked:
        for path, node in copying.selection.files(item):
            line = json.dumps(encode(path, node, spools)).encode() + b"\n"
            if lines and len(lines[-1]) < _PIECE:
                lines[-1] += line
            else:
                lines.append(line)
        lines.append(b"[]\n")
    return lines


def _says_unpack(copy: Copy) -> bool:
    return isinstance(copy, Add) and copy.unpack is True


async def _download(site: Site, add: Add, url: str, copying: Copying) -> Picked:
    got = await download(url, site.house.instance.staging)
    copying.downloads.append(got.file)
    if add.checksum and add.checksum != f"sha256:{got.digest}":
        raise BuildFailed(f"digest mismatch {add.checksum}: sha256:{got.digest}")
    if not got.name and copying.is_directory:
        raise BuildFailed(f"ADD failed: cannot determine filename from url: {url}")
    node = Node(
        kind="file", mode=0o600, mtime=got.mtime * 1_000_000_000, size=got.size, spool=got.file, digest=got.digest
    )
    return Picked(name=got.name, path=url, node=node)


def _destination(word: str, working_dir: str) -> tuple[str, bool]:
    """The absolute path, and whether it is said to be a directory."""
    is_directory = word.endswith("/") or posixpath.basename(word) in (".", "..")
    return posixpath.normpath(posixpath.join("/", working_dir, word)), is_directory


def _mode(word: str) -> int | None:
    if not word:
        return None
    try:
        mode = int(word, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise BuildFailed(f"invalid chmod parameter: '{word}'. it should be octal string and between 0 and 07777")
    return mode
