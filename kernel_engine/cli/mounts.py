"""`--mount type=bind,src=/a,dst=/b,readonly` as the API's Mount. Pure."""

from __future__ import annotations

import os
from functools import partial

from kernel_engine.cli.grammar import FALSE, TRUE, Misused
from kernel_engine.formats.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SWITCHES = ("readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src")
#: option → where it stands in the API's Mount ("" = at the top), and how its value is read
OPTIONS = {
    "readonly": ("", "ReadOnly", "truth"),
    "ro": ("", "ReadOnly", "truth"),
    "consistency": ("", "Consistency", "word"),
    "volume-nocopy": ("VolumeOptions", "NoCopy", "truth"),
    "volume-subpath": ("VolumeOptions", "Subpath", "text"),
    "bind-propagation": ("BindOptions", "Propagation", "word"),
    "bind-nonrecursive": ("BindOptions", "NonRecursive", "truth"),
    "bind-create-src": ("BindOptions", "CreateMountpoint", "truth"),
    "tmpfs-size": ("TmpfsOptions", "SizeBytes", "size"),
    "tmpfs-mode": ("TmpfsOptions", "Mode", "octal"),
}
KEYS = {"source": "Source", "src": "Source", "target": "Target", "dst": "Target", "destination": "Target"}


def mount(text: str) -> dict[str, Any]:
    """Misused with Docker's words."""
    result: dict[str, Any] = {"Type": "volume"}
    for field in _fields(text):
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals and key not in SWITCHES:
            raise _wrong(text, f"invalid field '{field}' must be a key=value pair")
        if key == "type":
            result["Type"] = value.lower()
        elif key in KEYS:
            result[KEYS[key]] = value
        elif not _option(text, result, key, value or "true"):
            raise _wrong(text, f"unexpected key '{key}' in '{field}'")
    if not result.get("Target"):
        raise _wrong(text, "target is required")
    _check_mixture(text, result)
    source = result.get("Source", "")
    if result["Type"] == "bind" and (source == "." or source.startswith(("./", "../"))):
        result["Source"] = os.path.abspath(source)
    return result


def _option(text: str, result: dict[str, Any], key: str, value: str) -> bool:
    """Sets what belongs to one type of mount; False for an unknown key."""
    readers: dict[str, Callable[[str], Any]] = {"truth": _truth, "word": str.lower, "text": str, "size": parse_size}
    readers["octal"] = partial(int, base=8)
    if key in ("volume-driver", "volume-opt", "volume-label"):
        _volume_option(result.setdefault("VolumeOptions", {}), key, value)
    elif key == "bind-recursive":
        _recursion(text, result.setdefault("BindOptions", {}), value)
    elif key in OPTIONS:
        group, field, reader = OPTIONS[key]
        try:
            read = readers[reader](value)
        except ValueError:
            raise _wrong(text, f"invalid value for {key}: {value}") from None
        (result.setdefault(group, {}) if group else result)[field] = read
    else:
        return False
    return True


def _fields(text: str) -> list[str]:
    """A line of CSV: a field with commas of its own stands in quotes."""
    import csv

    if not text:
        raise _wrong(text, "EOF")
    return next(csv.reader([text]))


def _recursion(text: str, options: dict[str, Any], value: str) -> None:
    flags = {"enabled": "", "disabled": "NonRecursive", "writable": "ReadOnlyNonRecursive"}
    flags["readonly"] = "ReadOnlyForceRecursive"
    if value not in flags:
        choices = '"enabled", "disabled", "writable", or "readonly"'
        raise _wrong(text, f"invalid value for bind-recursive: {value} (must be {choices})")
    if flags[value]:
        options[flags[value]] = True


def _check_mixture(text: str, result: dict[str, Any]) -> None:
    """Options of one kind of mount with another, and those that need others."""
    kind = result["Type"]
    for name in ("volume", "bind", "tmpfs"):
        if result.get(f"{name.capitalize()}Options") and kind != name:
            raise _wrong(text, f"cannot mix '{name}-*' options with mount type '{kind}'")
    options = result.get("BindOptions", {})
    for flag, word in (("ReadOnlyNonRecursive", "writable"), ("ReadOnlyForceRecursive", "readonly")):
        if options.get(flag) and not result.get("ReadOnly"):
            raise _wrong(text, f"option 'bind-recursive={word}' requires 'readonly' to be specified in conjunction")
    if options.get("ReadOnlyForceRecursive") and options.get("Propagation") != "rprivate":
        needed = "'bind-propagation=rprivate' to be specified in conjunction"
        raise _wrong(text, f"option 'bind-recursive=readonly' requires {needed}")


def _volume_option(options: dict[str, Any], key: str, value: str) -> None:
    name, _, content = value.partition("=")
    if key == "volume-driver":
        options.setdefault("DriverConfig", {})["Name"] = value
    elif key == "volume-opt":
        options.setdefault("DriverConfig", {}).setdefault("Options", {})[name] = content
    else:
        options.setdefault("Labels", {})[name] = content


def _truth(value: str) -> bool:
    if value not in TRUE and value not in FALSE:
        raise ValueError(value)
    return value in TRUE


def _wrong(text: str, reason: str) -> Misused:
    return Misused(f'invalid argument "{text}" for "--mount" flag: {reason}')
