"""Platforms as images name them: `linux/arm64/v8`. Pure but for asking which machine this is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kernel_engine.errors import InvalidRequest

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
_SYSTEMS = ("linux", "windows", "darwin", "freebsd")
#: the 32-bit processor whose programs a 64-bit one runs, too
_FORERUNNERS = {"amd64": ("386", ""), "arm64": ("arm", "v8")}
_WORD = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(word for word in (self.os, self.architecture, self.variant) if word)

    def rank(self, other: Platform) -> int:
        """How well an image for `other` runs here: 0 best, -1 not at all (containerd's `platforms.Only`)."""
        runs = _runs(self.architecture, self.variant)
        theirs = (other.architecture, _default_variant(other))
        return runs.index(theirs) if other.os == self.os and theirs in runs else -1


def parse(text: str) -> Platform:
    """`linux/arm/v7`, `arm64` or `linux`. InvalidRequest for anything else."""
    words = text.strip().lower().split("/")
    if not 1 <= len(words) <= 3 or not all(_WORD.fullmatch(word) for word in words):
        raise InvalidRequest(f'"{text}": platform specifier component must match "^[A-Za-z0-9_-]+$": invalid argument')
    here = host()
    if len(words) == 1:
        if words[0] in _SYSTEMS:
            return Platform(os=words[0], architecture=here.architecture, variant=here.variant)
        words = ["linux", words[0]]
    architecture, variant = _ARCHITECTURES.get(words[1], (words[1], ""))
    return Platform(os=words[0], architecture=architecture, variant=words[2] if len(words) == 3 else variant)


def from_json(data: Mapping[str, Any]) -> Platform:
    """The `platform` object of an index entry, or an image configuration (same keys)."""
    return Platform(
        os=str(data.get("os") or ""),
        architecture=str(data.get("architecture") or ""),
        variant=str(data.get("variant") or ""),
    )


@cache
def host() -> Platform:
    machine = os.uname().machine
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    return Platform(os="linux", architecture=architecture, variant=variant)


def _default_variant(platform: Platform) -> str:
    if platform.architecture == "arm64" and platform.variant in ("", "8"):
        return "v8"
    if platform.architecture == "arm":
        return {"": "v7", "7": "v7", "6": "v6", "5": "v5", "8": "v8"}.get(platform.variant, platform.variant)
    if platform.architecture == "amd64" and platform.variant == "v1":
        return ""
    return platform.variant


def _runs(architecture: str, variant: str) -> tuple[tuple[str, str], ...]:
    """(architecture, variant) of what runs on it, best first."""
    mine = _default_variant(Platform(os="", architecture=architecture, variant=variant))
    if architecture == "arm" and mine in ("v5", "v6", "v7", "v8"):
        return tuple((architecture, f"v{number}") for number in range(int(mine[1:]), 4, -1))
    forerunner = _FORERUNNERS.get(architecture)
    return ((architecture, mine), *(_runs(*forerunner) if forerunner else ()))
