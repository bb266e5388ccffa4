"""What all stages of one build share: who asks for what, the context, the cache, and what has been made so far."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kernel_engine.build.arguments import Arguments
from kernel_engine.build.cache import Cache
from kernel_engine.build.cache_mounts import CacheMounts
from kernel_engine.build.context import Context
from kernel_engine.build.options import BuildOptions
from kernel_engine.build.output import Output
from kernel_engine.build.plan import BuildPlan
from kernel_engine.build.register import Entry
from kernel_engine.build.tree import Tree
from kernel_engine.containers.house import House
from kernel_engine.formats.dockerfile.instructions import Arg
from kernel_engine.formats.dockerfile.settings import Settings

if TYPE_CHECKING:
    from kernel_engine.images.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A stage that is done. image None: it made nothing on nothing."""

    image: Image | None
    settings: Settings
    arguments: Arguments


@dataclass(slots=True, kw_only=True)
class Site:
    house: House
    cache: Cache
    options: BuildOptions
    context: Context
    plan: BuildPlan
    output: Output
    entry: Entry
    caches: CacheMounts
    #: ids of the images that a step may be found as; None = of all
    sources: frozenset[str] | None = None
    #: by the stage's place in the file
    stages: dict[int, asyncio.Future[Built]]
    #: ARG that an ONBUILD of a base image has brought along
    triggered: list[Arg] = field(default_factory=list)
    #: images that were pulled for this build, by name and platform
    bases: dict[tuple[str, str], Image] = field(default_factory=dict)
    #: rows of the cache that are on their way to the disk
    recording: list[asyncio.Task[None]] = field(default_factory=list)
    #: files of images that COPY takes from, by chain id: their digests are reckoned once
    trees: dict[str | None, Tree] = field(default_factory=dict)
    #: files of the context that RUN --mount has on the disk, by the node's identity
    written: dict[int, Path] = field(default_factory=dict)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: values for RUN --mount=type=secret
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    #: layers of this build stay until it ends
    held: ExitStack = field(default_factory=ExitStack)
    warming: bool = False
    #: ids of the images that it stands on and has made
    images: set[str] = field(default_factory=set)

    def expect_work(self) -> None:
        """A step is built anew: worker processes will be needed. One that is all cached starts none."""
        if not self.warming:
            self.warming = True
            self.house.later(self.house.workers.warm())

    def hold(self, image: Image) -> Image:
        self.held.enter_context(self.house.images.hold(image))
        self.images.add(image.id)
        return image

    def created(self) -> str:
        """The time that new images carry, RFC 3339."""
        epoch = self.options.epoch
        moment = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)
        return moment.isoformat().replace("+00:00", "Z")
