"""Which image of the hub has another userland than this machine: lab 00 compares the two on one kernel.

That lab is written with debian:trixie. On a machine that is itself a Debian 13 it would compare equal things: there its
text, commands and saved outputs name debian:bookworm.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")
_TRIXIE_TO_BOOKWORM = (
    ("debian:trixie", "debian:bookworm"),
    ("trixie: Pulling", "bookworm: Pulling"),
    ("Debian GNU/Linux 13 (trixie)", "Debian GNU/Linux 12 (bookworm)"),
    ("데비안 13", "데비안 12"),
)


def os_release(text: str) -> dict[str, str]:
    """The fields of an os-release(5) file."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def other_userland(release: Mapping[str, str]) -> str:
    """`debian:bookworm` on a Debian 13 machine, `debian:trixie` on every other."""
    return "debian:bookworm" if release.get("VERSION_CODENAME") == "trixie" else "debian:trixie"


def other_than_this_machine(path: Path = OS_RELEASE) -> str:
    return other_userland(os_release(path.read_text(encoding="utf-8", errors="replace")))


def for_this_machine(text: str, path: Path = OS_RELEASE) -> str:
    """What is written with debian:trixie as the other userland, with the one that is another here."""
    if other_than_this_machine(path) == "debian:trixie":
        return text
    for written, here in _TRIXIE_TO_BOOKWORM:
        text = text.replace(written, here)
    return text
