"""Several files' values become one, by the specification's rules (13-merge.md). Pure; neither side is changed.

Mappings are merged key by key, lists are appended to each other, everything else is replaced; what a list names twice
(a variable, a mount at the same path) counts as its later element says, at the place of the first. `null` changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernel_engine.compose.places import Path, Patterns, dotted
from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.words import parse_mount, text_of

STARTED: dict[str, Any] = {"condition": "service_started", "required": True}


def merge(base: Any, over: Any, path: Path = ()) -> Any:
    """`over` is the later file. Refused where one says a list and the other a mapping."""
    special = SPECIAL.get(path)
    if special is not None and over is not None and base is not None:
        return special(base, over, path)
    if over is None:
        return base
    if isinstance(base, dict):
        if not isinstance(over, dict):
            raise Refused(f"cannot override {dotted(path, '[{}]')}", path)
        return _mappings(base, over, path)
    if isinstance(base, list):
        if not isinstance(over, list):
            raise Refused(f"cannot override {dotted(path, '[{}]')}", path)
        return base + over
    return over


def _mappings(base: dict[str, Any], over: dict[str, Any], path: Path) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        result[key] = merge(base[key], value, (*path, key)) if key in base else value
    return result


def _replaced(_: Any, over: Any, __: Path) -> Any:
    return over


def _appended(base: Any, over: Any, _: Path) -> list[Any]:
    """A mapping and a list of `key=value` say the same: both become a list."""
    return _as_list(base) + _as_list(over)


def _hosts(base: Any, over: Any, _: Path) -> list[Any]:
    before = _as_list(base)
    return before + [item for item in _as_list(over) if item not in before]


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        items = []
        for key, content in value.items():
            for one in content if isinstance(content, list) else [content]:
                items.append(key if one is None else f"{key}={text_of(one)}")
        return items
    return value if isinstance(value, list) else [value]


def _builds(base: Any, over: Any, path: Path) -> Any:
    sides = [{"context": side} if isinstance(side, str) else side for side in (base, over)]
    return _mappings(sides[0], sides[1], path)


def _dependencies(base: Any, over: Any, path: Path) -> Any:
    return _mappings(as_mapping(base, STARTED), as_mapping(over, STARTED), path)


def _named(base: Any, over: Any, path: Path) -> Any:
    return _mappings(as_mapping(base, None), as_mapping(over, None), path)


def as_mapping(value: Any, content: dict[str, Any] | None) -> dict[str, Any]:
    """`[a, b]` as {"a": content, "b": content}; a mapping as it is."""
    if isinstance(value, dict):
        return value
    return {str(name): None if content is None else dict(content) for name in value}


def _logging(base: Any, over: Any, path: Path) -> Any:
    """Options belong to a driver: another driver begins anew."""
    same = "driver" not in base or "driver" not in over or base["driver"] == over["driver"]
    return _mappings(base, over, path) if same else over


def _pools(base: Any, over: Any, path: Path) -> Any:
    result = {pool.get("subnet"): pool for pool in base}
    for pool in over:
        before = result.get(pool.get("subnet"))
        result[pool.get("subnet")] = pool if before is None else _mappings(before, pool, path)
    return list(result.values())


_OF_A_SERVICE: dict[Callable[[Any, Any, Path], Any], str] = {
    _appended: """annotations build.args build.additional_contexts build.labels deploy.labels dns dns_opt dns_search
        env_file label_file environment labels sysctls tmpfs volumes.[].volume.labels""",
    _replaced: "command entrypoint healthcheck.test ulimits.*",
    _hosts: "build.extra_hosts extra_hosts",
    _builds: "build",
    _dependencies: "depends_on",
    _named: "networks models",
    _logging: "logging",
}
SPECIAL: Patterns[Callable[[Any, Any, Path], Any]] = Patterns(
    {f"services.*.{name}": rule for rule, names in _OF_A_SERVICE.items() for name in names.split()}
    | {"networks.*.ipam.config": _pools, "networks.*.labels": _appended, "volumes.*.labels": _appended}
)


def once(values: Any, path: Path = ()) -> Any:
    """`values` without what is said twice in a list: the later one counts, at the first one's place."""
    if isinstance(values, dict):
        return {key: once(item, (*path, key)) for key, item in values.items()}
    identity = IDENTITIES.get(path) if isinstance(values, list) else None
    if identity is None:
        return values
    found: dict[str, Any] = {}
    for at, item in enumerate(values):
        found[identity(item, (*path, at))] = item
    return list(found.values())


def _before_equals(item: Any, path: Path) -> str:
    if not isinstance(item, str):
        raise Refused(f"{dotted(path, '[{}]')}: unexpected type {type(item).__name__}", path)
    return item.partition("=")[0]


def _mounted_at(item: Any, path: Path) -> str:
    if isinstance(item, str):
        return str(parse_mount(item, path).get("target", ""))
    if not item.get("target"):
        raise Refused(f"service volume {dotted(path, '[{}]')} is missing a mount target", path)
    return str(item["target"])


def _device_at(item: Any, _: Path) -> str:
    if isinstance(item, str):
        parts = item.split(":")
        return parts[1] if len(parts) > 1 else parts[0]
    return str(item.get("target") or item.get("source"))


def _granted_at(directory: str) -> Callable[[Any, Path], str]:
    def target(item: Any, _: Path) -> str:
        if isinstance(item, str):
            return f"{directory}/{item}"
        return str(item.get("target") or f"{directory}/{item.get('source')}")

    return target


def _published(item: Any, path: Path) -> str:
    if not isinstance(item, dict):
        return text_of(item)
    if "target" not in item:
        raise Refused(f"service ports {dotted(path, '[{}]')} is missing a target port", path)
    host, protocol = item.get("host_ip", "0.0.0.0"), item.get("protocol", "tcp")
    return f"{host}:{item.get('published')}:{item['target']}/{protocol}"


def _path(item: Any, _: Path) -> str:
    return str(item["path"]) if isinstance(item, dict) else str(item)


def _itself(item: Any, _: Path) -> str:
    return text_of(item)


_IDENTITIES: dict[Callable[[Any, Path], str], str] = {
    _before_equals: """annotations build.args build.additional_contexts build.tags build.labels cap_add cap_drop
        deploy.labels dns dns_opt dns_search environment labels links networks.*.aliases networks.*.link_local_ips
        profiles sysctls tmpfs""",
    _mounted_at: "volumes",
    _device_at: "devices",
    _published: "ports",
    _path: "env_file",
    _itself: "expose",
    _granted_at("/run/secrets"): "secrets",
    _granted_at(""): "configs",
}
#: list → what makes two of its elements one
IDENTITIES: Patterns[Callable[[Any, Path], str]] = Patterns(
    {f"services.*.{name}": identity for identity, names in _IDENTITIES.items() for name in names.split()}
    | {"networks.*.labels": _before_equals, "networks.*.ipam.options": _before_equals}
)
