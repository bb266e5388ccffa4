"""Which image of the hub has another userland than this machine: lab 00 compares the two on one kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def os_release(text: str) -> dict[str, str]:
    """The fields of an os-release(5) file."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def other_userland(release: Mapping[str, str]) -> str:
    """`debian:trixie` on a Debian 12 machine, `debian:bookworm` on every other."""
    return "debian:trixie" if release.get("VERSION_CODENAME") == "bookworm" else "debian:bookworm"


def other_than_this_machine(path: Path = Path("/etc/os-release")) -> str:
    return other_userland(os_release(path.read_text(encoding="utf-8", errors="replace")))
