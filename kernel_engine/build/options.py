"""What the caller of a build asks for, after the doors have read it and before anything is decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel_engine.containers.options import HostOptions
from kernel_engine.images.image import Auth

#: takes one JSON value of the answer; waits while the client is slow
Emit = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The query and headers of POST /build."""

    id: str = ""  #: `buildid`; "" = the engine chooses
    tags: tuple[str, ...] = ()
    dockerfile: str = "Dockerfile"
    remote: str = ""  #: a URL instead of a body
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platform: str = ""
    no_cache: bool = False
    cache_from: tuple[str, ...] = ()  #: images: only steps that these were made of count as built before
    pull: bool = False
    quiet: bool = False
    steps: bool = False  #: our own step events too
    secrets: str = ""  #: what `Secrets.keep` gave
    auth: Mapping[str, Auth] = field(default_factory=dict)  #: by registry, as in X-Registry-Config
    #: network, limits, extra hosts … of the containers that RUN starts
    host: HostOptions = field(default_factory=HostOptions)

    @property
    def epoch(self) -> int | None:
        """SOURCE_DATE_EPOCH, seconds; None where it is not given, or no number."""
        word = self.arguments.get("SOURCE_DATE_EPOCH") or ""
        return int(word) if word.isascii() and word.isdigit() and len(word) <= 11 else None
