"""What no file needs to say: defaults, whole paths, names, the default network, dependencies that follow. Pure.

Works on values in their long forms (`canonical.py`) and changes a copy.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from kernel_engine.compose.canonical import RESOURCES, Values
from kernel_engine.compose.refusals import Refused
from kernel_engine.compose.words import parse_variables, text_of

#: where a secret's or config's value from the environment is kept until the project is made; no file can say it
VALUE = "x-#value"
NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
_REMOTE = ("https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:")


def with_defaults(values: Values) -> Values:
    def filled(service: Values) -> Values:
        result = dict(service)
        if isinstance(result.get("build"), dict):
            result["build"] = {"context": ".", **result["build"]}
        if isinstance(result.get("secrets"), list):
            result["secrets"] = [{"target": f"/run/secrets/{item.get('source')}", **item} for item in result["secrets"]]
        if isinstance(result.get("ports"), list):
            result["ports"] = [
                {"protocol": "tcp", "mode": "ingress", **item} if isinstance(item, dict) else item
                for item in result["ports"]
            ]
        return result

    return _each_service(values, filled)


def with_whole_paths(values: Values, directory: str) -> Values:
    """Relative paths begin at `directory`. Refused for a bind mount without source."""

    def whole(path: Any) -> Any:
        if not isinstance(path, str) or not path:
            return path
        return os.path.normpath(os.path.join(directory, os.path.expanduser(path)))

    def context(path: Any) -> Any:
        remote = isinstance(path, str) and ("://" in path or path.startswith(_REMOTE))
        return path if remote else whole(path)

    def changed(service: Values) -> Values:
        result = dict(service)
        if isinstance(build := result.get("build"), dict):
            result["build"] = build = dict(build)
            if "context" in build:
                build["context"] = context(build["context"])
            for name, change in (("additional_contexts", context), ("ssh", whole)):
                if isinstance(build.get(name), dict):
                    build[name] = {key: change(path) for key, path in build[name].items()}
        if isinstance(extends := result.get("extends"), dict) and extends.get("file"):
            result["extends"] = {**extends, "file": context(extends["file"])}
        if isinstance(develop := result.get("develop"), dict) and isinstance(develop.get("watch"), list):
            watched = [{**item, "path": whole(item.get("path"))} for item in develop["watch"]]
            result["develop"] = {**develop, "watch": watched}
        if isinstance(result.get("env_file"), list):
            result["env_file"] = [{**item, "path": whole(item["path"])} for item in result["env_file"]]
        if isinstance(result.get("label_file"), list):
            result["label_file"] = [whole(path) for path in result["label_file"]]
        if isinstance(result.get("volumes"), list):
            result["volumes"] = [_bound(item, whole) for item in result["volumes"]]
        return result

    result = _each_service(values, changed)
    for section in ("secrets", "configs"):
        if isinstance(result.get(section), dict):
            result[section] = {
                name: {**item, "file": whole(item["file"])} if isinstance(item, dict) and "file" in item else item
                for name, item in result[section].items()
            }
    if isinstance(result.get("volumes"), dict):
        result["volumes"] = {name: _bound_volume(item, whole) for name, item in result["volumes"].items()}
    return result


def _bound(mount: Any, whole: Callable[[Any], Any]) -> Any:
    if not isinstance(mount, dict) or mount.get("type") != "bind":
        return mount
    if not mount.get("source"):
        raise Refused('invalid mount config for type "bind": field Source must not be empty')
    return {**mount, "source": whole(mount["source"])}


def _bound_volume(volume: Any, whole: Callable[[Any], Any]) -> Any:
    """A named volume that is a bind mount by its options."""
    options = volume.get("driver_opts") if isinstance(volume, dict) else None
    if not options or volume.get("driver") != "local" or options.get("o") != "bind" or "device" not in options:
        return volume
    return {**volume, "driver_opts": {**options, "device": whole(options["device"] or ".")}}


def with_surroundings(values: Values, environment: Mapping[str, str]) -> Values:
    """Names without value get the environment's; secrets and configs `environment:` theirs."""

    def resolved(service: Values) -> Values:
        if "environment" not in service:
            return service
        return {**service, "environment": variables(service["environment"], environment.get)}

    result = _each_service(values, resolved)
    for section in ("secrets", "configs"):
        if isinstance(result.get(section), dict):
            result[section] = {name: _valued(item, environment) for name, item in result[section].items()}
    return result


def _valued(item: Any, environment: Mapping[str, str]) -> Any:
    name = item.get("environment") if isinstance(item, dict) else None
    return item if name is None or name not in environment else {**item, VALUE: environment[name]}


def without_looked_up(values: Values) -> Values:
    """As the files say it: the values of secrets and configs are nobody's business."""
    hidden = {
        section: {name: {key: value for key, value in item.items() if key != VALUE} for name, item in items.items()}
        for section in ("secrets", "configs")
        if isinstance(items := values.get(section), dict)
    }
    return {**values, **hidden}


def variables(given: Any, look: Callable[[str], str | None]) -> Any:
    """A list of `NAME=value` or a mapping as a mapping; a name without value gets what `look` finds, or None."""
    if isinstance(given, dict):
        named = {name: None if value is None else text_of(value) for name, value in given.items()}
    else:
        try:
            named = parse_variables(given or ())
        except ValueError:  # who reads the values says what is wrong, and where
            return given
    return {name: look(name) if value is None else value for name, value in named.items()}


def settled(values: Values, name: str, environment: Mapping[str, str]) -> Values:
    """The whole project's values once all files are in: names, networks and dependencies filled in."""
    result = _networked({**values, "name": name})
    result = _each_service(result, lambda service: _service(service, environment))
    for section in RESOURCES:
        if isinstance(result.get(section), dict):
            result[section] = {key: _named(item or {}, key, name) for key, item in result[section].items()}
    return result


def _networked(values: Values) -> Values:
    def joined(service: Values) -> Values:
        if service.get("network_mode") or service.get("networks") or "provider" in service:
            return service
        return {**service, "networks": {"default": None}}

    result = _each_service(values, joined)
    services = result.get("services") or {}
    if any("default" in (service.get("networks") or ()) for service in services.values()):
        result["networks"] = {**(result.get("networks") or {})}
        result["networks"].setdefault("default", None)
    return result


def _service(service: Values, environment: Mapping[str, str]) -> Values:
    result = dict(service)
    if result.get("pull_policy") == "if_not_present":
        result["pull_policy"] = "missing"
    if isinstance(build := result.get("build"), dict):
        result["build"] = build = {"context": ".", **build}
        if not build.get("dockerfile") and not build.get("dockerfile_inline"):
            build["dockerfile"] = "Dockerfile"
        if "args" in build:
            args = variables(build["args"], environment.get)
            if isinstance(args, dict):
                build["args"] = {key: value for key, value in args.items() if value is not None}
    if isinstance(result.get("volumes"), list):
        result["volumes"] = [_at_clean_target(mount) for mount in result["volumes"]]
    dependencies = {**(result.get("depends_on") or {})}
    for needed, restart in _implied(result):
        dependencies.setdefault(needed, {"condition": "service_started", "restart": restart, "required": True})
    if dependencies:
        result["depends_on"] = dependencies
    return result


def _at_clean_target(mount: Any) -> Any:
    if not isinstance(mount, dict) or not mount.get("target"):
        return mount
    return {**mount, "target": posixpath.normpath(mount["target"])}


def _implied(service: Values) -> list[tuple[str, bool]]:
    """Services that must be there first, and whether this one restarts with them."""
    found = [(str(link).partition(":")[0], True) for link in service.get("links") or ()]
    for namespace in NAMESPACES:
        kind, _, name = str(service.get(namespace) or "").partition(":")
        if kind == "service":
            found.append((name, True))
    for source in service.get("volumes_from") or ():
        if not str(source).startswith("container:"):
            found.append((str(source).partition(":")[0], False))
    return found


def _named(resource: Values, key: str, project: str) -> Values:
    if resource.get("name"):
        return resource
    external = resource.get("external") in {True, "true"}
    return {**resource, "name": key if external else f"{project}_{key}"}


def _each_service(values: Values, change: Callable[[Values], Values]) -> Values:
    services = values.get("services")
    if not isinstance(services, dict):
        return dict(values)
    return {**values, "services": {name: change(item) for name, item in services.items() if isinstance(item, dict)}}
