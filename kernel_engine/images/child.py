"""A new image on top of another: its configuration and history (moby's NewChildImage). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kernel_engine.images import platforms
from kernel_engine.images.digest import Digest
from kernel_engine.images.image import Image

#: what a child takes over as it is
_INHERITED = ("architecture", "os", "variant", "os.version", "os.features")


def now() -> str:
    """RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def configuration(
    parent: Image | None,
    *,
    diff_id: Digest | None,
    config: Mapping[str, Any],
    created_by: str,
    created: str,
    author: str = "",
    comment: str = "",
    container: str = "",
    container_config: Mapping[str, Any] | None = None,
    platform: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of the configuration. diff_id None: no layer of its own. platform: where it is not this machine's."""
    before = parent.config if parent is not None else {}
    here = platforms.host()
    row: dict[str, Any] = {"created": created}
    row |= {
        key: value for key, value in (("author", author), ("created_by", created_by), ("comment", comment)) if value
    }
    if diff_id is None:
        row["empty_layer"] = True
    document: dict[str, Any] = {"architecture": here.architecture, "os": here.os}
    if here.variant:
        document["variant"] = here.variant
    document |= platform or {}
    if parent is not None:
        document = {key: before[key] for key in _INHERITED if key in before}
    document |= {
        "config": dict(config),
        "created": created,
        "history": [*(before.get("history") or ()), row],
        "rootfs": {
            "type": "layers",
            "diff_ids": [*(parent.diff_ids if parent is not None else ()), *((diff_id,) if diff_id else ())],
        },
    }
    if author:
        document["author"] = author
    if container:
        document["container"] = container
    if container_config is not None:
        document["container_config"] = dict(container_config)
    return json.dumps(dict(sorted(document.items())), separators=(",", ":"), ensure_ascii=False).encode()
