"""The values that this room gives to others: images, progress, results. Nothing here reads or writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel_engine.errors import CorruptData
from kernel_engine.images import digest as digests
from kernel_engine.images.digest import Digest

#: Go's zero time, which Docker prints for an image without `created`
NO_TIME = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of the catalogue. Treat `config` as frozen: it is shared."""

    id: str  #: `sha256:…`, the digest of `raw`
    raw: bytes  #: the configuration as it came
    config: Mapping[str, Any]  #: the same, parsed: `config`, `history`, `rootfs`, `architecture`, …
    tags: tuple[str, ...]  #: familiar, sorted: `debian:bookworm`
    digests: tuple[str, ...]  #: familiar: `debian@sha256:…`
    size: int  #: bytes of all layers unpacked, as Docker counts
    diff_ids: tuple[Digest, ...]
    chain_id: str | None  #: of the topmost layer; None for an image without layers
    parent: str  #: id of the image that this was committed from, or ""
    last_tagged: float = 0.0  #: when a name was last given to it here, epoch seconds; 0 for never

    @property
    def settings(self) -> Mapping[str, Any]:
        """The `config` object: Env, Cmd, Entrypoint, Labels …"""
        return self.config.get("config") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        return self.settings.get("Labels") or {}

    @property
    def created(self) -> str:
        """RFC 3339, as the configuration says."""
        return str(self.config.get("created") or NO_TIME)

    @property
    def created_at(self) -> float:
        """Epoch seconds (negative for Go's zero time)."""
        return epoch(self.created)

    @property
    def architecture(self) -> str:
        return str(self.config.get("architecture") or "")

    @property
    def variant(self) -> str:
        return str(self.config.get("variant") or "")

    @property
    def os(self) -> str:
        return str(self.config.get("os") or "")

    @property
    def author(self) -> str:
        return str(self.config.get("author") or "")

    @property
    def comment(self) -> str:
        """Docker's: the comment of the newest history row."""
        history = self.config.get("history") or ()
        return str(self.config.get("comment") or (history[-1].get("comment") if history else "") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One row of `docker history`, newest first."""

    id: str  #: an image id, or `<missing>`
    created: int
    created_by: str
    comment: str
    size: int
    tags: tuple[str, ...]
    diff_id: str = ""  #: of the layer that this step made; "" where it only changed settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One line of a pull or push, in Docker's words. `total` 0: nothing to draw."""

    status: str
    id: str = ""
    current: int = 0
    total: int = 0


Listener = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """What a client sent in X-Registry-Auth."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    tag: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One thing that `rmi` did: exactly one of the two is set."""

    untagged: str = ""  #: a familiar reference
    deleted: str = ""  #: an image id or a chain id


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    removed: tuple[Removed, ...]
    reclaimed: int  #: bytes of the layers that went


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    layers: int  #: bytes of all layers, each counted once
    shared: Mapping[str, int]  #: image id → bytes of its layers that other images stand on, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A container that stands on an image."""

    container: str  #: its id
    running: bool


def epoch(text: str) -> float:
    """Epoch seconds of an RFC 3339 time with up to nine decimals; 0 for nonsense."""
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    whole = f"{head}.{rest[: min(digits, 6)].ljust(6, '0')}{rest[digits:]}" if dot else text
    try:
        return datetime.fromisoformat(whole.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def read_config(raw: bytes) -> tuple[dict[str, Any], tuple[Digest, ...]]:
    """An image configuration and its diff ids, checked as far as this engine uses it. CorruptData."""
    try:
        config = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"invalid image configuration: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("rootfs"), dict):
        raise CorruptData("invalid rootfs in image configuration")
    listed = config["rootfs"].get("diff_ids") or []
    if not isinstance(listed, list):
        raise CorruptData("invalid rootfs in image configuration")
    _check_settings(config.get("config"))
    history = config.get("history") or []
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise CorruptData("invalid history in image configuration")
    return config, tuple(digests.parse(item) for item in listed)


_LISTS = ("Env", "Cmd", "Entrypoint", "OnBuild", "Shell")
_MAPPINGS = ("ExposedPorts", "Volumes", "Labels")
_WORDS = ("User", "WorkingDir", "StopSignal", "Hostname", "Domainname", "Image")


def _check_settings(settings: object) -> None:
    if settings is None:
        return
    if not isinstance(settings, dict):
        raise CorruptData("invalid config in image configuration")
    for key in _LISTS:
        value = settings.get(key)
        if value is not None and not (isinstance(value, list) and all(isinstance(word, str) for word in value)):
            raise CorruptData(f"invalid {key} in image configuration")
    for key in _MAPPINGS:
        value = settings.get(key)
        if value is not None and not isinstance(value, dict):
            raise CorruptData(f"invalid {key} in image configuration")
    for key in _WORDS:
        if not isinstance(settings.get(key, ""), str | None):
            raise CorruptData(f"invalid {key} in image configuration")
    labels = settings.get("Labels") or {}
    if not all(isinstance(value, str) for value in labels.values()):
        raise CorruptData("invalid Labels in image configuration")
