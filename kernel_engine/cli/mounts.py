"""`--mount type=bind,src=/a,dst=/b,readonly` as the API's Mount. Pure."""

from __future__ import annotations

import os

from kernel_engine.cli.grammar import FALSE, TRUE, Misused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KEYS = {"source": "Source", "src": "Source", "target": "Target", "dst": "Target", "destination": "Target"}


def mount(text: str) -> dict[str, Any]:
    """Misused with Docker's words."""
    result: dict[str, Any] = {"Type": "volume"}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if key in ("readonly", "ro"):
            result["ReadOnly"] = _truth(text, key, value) if equals else True
        elif key == "volume-nocopy":
            result.setdefault("VolumeOptions", {})["NoCopy"] = _truth(text, key, value) if equals else True
        elif not equals:
            raise _wrong(text, f"invalid field '{field}' must be a key=value pair")
        elif key == "type":
            result["Type"] = value.lower()
        elif key in KEYS:
            result[KEYS[key]] = value
        elif key == "bind-propagation":
            result["BindOptions"] = {"Propagation": value.lower()}
        elif key == "tmpfs-size":
            from kernel_engine.formats.sizes import parse_size

            try:
                result.setdefault("TmpfsOptions", {})["SizeBytes"] = parse_size(value)
            except ValueError:
                raise _wrong(text, f"invalid value for {key}: {value}") from None
        elif key == "tmpfs-mode":
            result.setdefault("TmpfsOptions", {})["Mode"] = int(value, 8) if set(value) <= set("01234567") else 0
        else:
            raise _wrong(text, f"unexpected key '{key}' in '{field}'")
    if not result.get("Target"):
        raise _wrong(text, "target is required")
    source = result.get("Source", "")
    if result["Type"] == "bind" and (source == "." or source.startswith(("./", "../"))):
        result["Source"] = os.path.abspath(source)
    return result


def _truth(text: str, key: str, value: str) -> bool:
    if value not in TRUE and value not in FALSE:
        raise _wrong(text, f"invalid value for {key}: {value}")
    return value in TRUE


def _wrong(text: str, reason: str) -> Misused:
    return Misused(f'invalid argument "{text}" for "--mount" flag: {reason}')
