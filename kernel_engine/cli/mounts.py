"""`--mount type=bind,src=/a,dst=/b,readonly` as the API's Mount. Pure."""

from __future__ import annotations

import os

from kernel_engine.cli.grammar import FALSE, TRUE, Misused
from kernel_engine.formats.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SWITCHES = ("readonly", "ro", "volume-nocopy", "bind-create-src")
KEYS = {"source": "Source", "src": "Source", "target": "Target", "dst": "Target", "destination": "Target"}


def mount(text: str) -> dict[str, Any]:
    """Misused with Docker's words."""
    result: dict[str, Any] = {"Type": "volume"}
    for field in text.split(","):
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
    source = result.get("Source", "")
    if result["Type"] == "bind" and (source == "." or source.startswith(("./", "../"))):
        result["Source"] = os.path.abspath(source)
    return result


def _option(text: str, result: dict[str, Any], key: str, value: str) -> bool:
    """Sets what belongs to one type of mount; False for an unknown key."""
    try:
        if key in ("readonly", "ro"):
            result["ReadOnly"] = _truth(value)
        elif key == "volume-nocopy":
            result.setdefault("VolumeOptions", {})["NoCopy"] = _truth(value)
        elif key == "bind-propagation":
            result.setdefault("BindOptions", {})["Propagation"] = value.lower()
        elif key == "bind-create-src":
            result.setdefault("BindOptions", {})["CreateMountpoint"] = _truth(value)
        elif key in ("volume-driver", "volume-opt", "volume-label"):
            _volume_option(result.setdefault("VolumeOptions", {}), key, value)
        elif key == "tmpfs-size":
            result.setdefault("TmpfsOptions", {})["SizeBytes"] = parse_size(value)
        elif key == "tmpfs-mode":
            result.setdefault("TmpfsOptions", {})["Mode"] = int(value, 8)
        else:
            return False
    except ValueError:
        raise _wrong(text, f"invalid value for {key}: {value}") from None
    return True


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
