"""`com.docker.compose.config-hash`: one number for how a service wants its containers. Pure.

Stable: an attribute that has its default is no part of it, so that a newer model with more attributes gives the same
number. The number is ours alone; docker compose and `docker-compose` 1.29 compute others.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from kernel_engine.compose.model import FileObject, Network, Project, Service, Volume

#: attributes that say how many there are and when they start, not how each one is
NOT_OF_A_CONTAINER = frozenset(("name", "build", "pull_policy", "scale", "depends_on", "profiles", "attach", "others"))


def config_hash(service: Service, project: Project | None = None) -> str:
    """64 hexadecimal digits. With the project, what its secrets and configs hold inline counts too."""
    values = {key: value for key, value in _plain(service).items() if key not in NOT_OF_A_CONTAINER}
    values.get("deploy", {}).pop("replicas", None)
    if not values.get("deploy", True):
        del values["deploy"]
    if project is not None:
        values["contents"] = [
            [grant.source, _plain(objects[grant.source])]
            for grants, objects in ((service.secrets, project.secrets), (service.configs, project.configs))
            for grant in grants
            if isinstance(objects.get(grant.source), FileObject)
        ]
        if not values["contents"]:
            del values["contents"]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Frozen values as JSON's, without what has its default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def made_hash(made: Network | Volume) -> str:
    """The same for how a network or a volume is made."""
    text = json.dumps(_plain(made), sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
