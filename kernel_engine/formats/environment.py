"""Environments as Docker writes them: a list of `NAME=value`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

#: what a container gets, and what an image is given, that says no PATH of its own
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def override_environment(base: Iterable[str], changes: Iterable[str]) -> tuple[str, ...]:
    """`base` with each of `changes` put in its place, appended, or ("A" without "=") removed."""
    values = {item.partition("=")[0]: item for item in base}
    for item in changes:
        name, equals, _ = item.partition("=")
        if equals:
            values[name] = item
        else:
            values.pop(name, None)
    return tuple(values.values())
