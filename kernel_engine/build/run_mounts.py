"""RUN --mount, and the file of a heredoc that starts with `#!`: what they are made of, and add to a step's key.

`find` decides what each mount is made of; `Found.words` and `Found.content` go into the cache key. What must lie
somewhere is put there by `mounting`.
"""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from kernel_engine.build.errors import BuildFailed
from kernel_engine.build.site import Site
from kernel_engine.build.tree import Node, walk
from kernel_engine.formats.dockerfile.instructions import Heredoc, Run, RunMount
from kernel_engine.formats.dockerfile.settings import Process

if TYPE_CHECKING:
    from kernel_engine.images.image import Image

_SECRETS = "/run/secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a bind's or a cache's files come from: an image, a file of the context, or nothing."""

    image: Image | None = None
    node: Node | None = None

    @property
    def word(self) -> str:
        """Of the content, for the cache key."""
        if self.image is not None:
            return self.image.id
        return self.node.whole_digest() if self.node is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One mount with its absolute target."""

    mount: RunMount
    target: str
    source: Source = field(default_factory=Source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All mounts of one RUN."""

    placed: tuple[Placed, ...]
    script: Heredoc | None = None
    flags: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What the step's key holds of them as text: a secret's and a cache's name, never what is in them."""
        scripts = (hashlib.sha256(self.script.content.encode()).hexdigest(),) if self.script else ()
        return (*(f"--mount={flag}" for flag in self.flags), *scripts)

    @property
    def content(self) -> str:
        """A digest of all that is bound; empty where nothing is."""
        words = [item.source.word for item in self.placed if item.source.word]
        return hashlib.sha256(" ".join(words).encode()).hexdigest() if words else ""

    def files(self) -> Mapping[str, str]:
        """Path → what it is like, of what is bound from the context: so that a miss can name what changed."""
        return {
            posixpath.join(item.mount.source.strip("/"), path): node.own_digest()[:16]
            for item in self.placed
            if item.source.node is not None
            for path, node in (("", item.source.node), *walk(item.source.node))
        }


async def find(
    site: Site, run: Run, process: Process, working_dir: str, image_of: Callable[[str], Awaitable[Image | None]]
) -> Found:
    """`run` with its variables replaced. BuildFailed for what is not there, or cannot be served.

    image_of: the image that a `from=` names; None for a stage that is empty.
    """
    if run.security != "sandbox":
        raise BuildFailed(f"security.{run.security} is not allowed")
    placed: list[Placed] = []
    for mount in run.mounts:
        if mount.type == "ssh":
            if mount.required:
                raise BuildFailed("RUN --mount=type=ssh is not served: no agent comes with a build")
            continue
        source = Source()
        if mount.type in ("bind", "cache"):
            source = await _source(site, mount, image_of)
        placed.append(Placed(mount=mount, target=_target(mount, working_dir), source=source))
    return Found(placed=tuple(placed), script=process.script, flags=tuple(map(_shown, run.mounts)))


async def _source(site: Site, mount: RunMount, image_of: Callable[[str], Awaitable[Image | None]]) -> Source:
    if mount.from_:
        return Source(image=await image_of(mount.from_))
    if mount.type == "cache":
        return Source()
    path = posixpath.normpath(posixpath.join("/", mount.source)).lstrip("/")
    node = await asyncio.to_thread(site.context.tree.look_up, path)
    if node is None:
        raise BuildFailed(
            f"RUN failed: file not found in build context or excluded by .dockerignore: stat {path}: "
            "file does not exist"
        )
    await asyncio.to_thread(node.whole_digest)
    return Source(node=node)


def _shown(mount: RunMount) -> str:
    """A mount with its variables replaced, without what is at its default."""
    given = ((item.name, getattr(mount, item.name), item.default) for item in fields(mount))
    return ",".join(f"{name.rstrip('_')}={value}" for name, value, default in given if value != default)


def _target(mount: RunMount, working_dir: str) -> str:
    if mount.type == "secret" and not mount.target:
        return "" if mount.env else f"{_SECRETS}/{posixpath.basename(secret_id(mount))}"
    target = posixpath.normpath(posixpath.join("/", working_dir, mount.target))
    target = "/" + target.lstrip("/")
    if target == "/" or not mount.target:
        raise BuildFailed(f'invalid mount target "{mount.target or "/"}"')
    return target


def secret_id(mount: RunMount) -> str:
    return mount.source or mount.id or posixpath.basename(mount.target)
